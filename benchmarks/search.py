"""Fixed word lengths side by side: ResNet-8, or the MobileNet of train_mobilenet.py, at pairs of bits of weights and
activations, with bittrue's repairs and with other tools, on the same images.

`search_environments.sh FOLDER` makes the tools' environments; then
`python benchmarks/search.py resnet8_cifar10.h5 cifar10:DIR --environments FOLDER --results resnet8.jsonl` measures what
isn't in the results yet, a line a pair, and prints them all; search_table.py prints and draws them without measuring.
bittrue's scales and offsets have 12 bits, biases 16; accuracies are of exact simulations. Of the other tools they are
of floating-point simulations. All run on one thread, and seconds are of CPU time.
"""

import argparse
import json
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from search_peers import TOOLS
from search_table import FLOAT, OURS, PAIRS, About, Cell, append, begin, page, read

import bittrue
from bittrue.data import Dataset
from bittrue.network import Network
from bittrue.operators import BatchNormalization, Convolution, Dense
from bittrue.plan import WordLengths
from bittrue.simulation.float_model import FloatModel

REPAIRS = ("none", "qronos,bias,batch-norm", "rescale,qronos,bias,batch-norm")
BLOCKS = 8


@dataclass(frozen=True)
class Names:
    """search_peers.py's layers in the order of a network's nodes."""

    convolutions: tuple[str, ...]
    norms: tuple[str, ...]


LAYERS = {
    "resnet8": Names(
        (
            "first",
            *("blocks.0.first", "blocks.0.second"),
            *("blocks.1.first", "blocks.1.second", "blocks.1.beside"),
            *("blocks.2.first", "blocks.2.second", "blocks.2.beside"),
        ),
        ("norm", *(f"blocks.{block}.{name}_norm" for block in range(3) for name in ("first", "second"))),
    ),
    "mobilenet": Names(
        ("first", *(f"blocks.{block}.{name}" for block in range(BLOCKS) for name in ("depthwise", "pointwise"))),
        ("norm", *(f"blocks.{block}.{name}_norm" for block in range(BLOCKS) for name in ("depthwise", "pointwise"))),
    ),
}


@dataclass(frozen=True)
class Measured:
    """seconds: of CPU time, without those of simulating the test images."""

    accuracy: float
    image_passes: int
    seconds: float


def ours(
    network: Network, calibration: Dataset, test: Dataset, repairs: str, weights: int, activations: int
) -> Measured:
    begun = time.process_time()
    ranges = bittrue.measure_ranges(network, calibration)
    words = WordLengths(weights, activations, 12, 16)
    plan = bittrue.plan_from_ranges(network, ranges, words, point="least-squares", per_channel=True)
    passes = calibration.images
    if repairs != "none":
        repaired = bittrue.repair(network, plan, calibration, repairs)
        network, plan = repaired.network, repaired.plan
        passes += calibration.images * (len(repaired.steps) + 1)
    seconds = time.process_time() - begun
    return Measured(bittrue.simulate(network, plan, test).accuracy or 0.0, passes, round(seconds, 1))


def in_float(network: Network, test: Dataset) -> Measured:
    model = FloatModel(network)
    found = np.concatenate([model.outputs(batch.x).argmax(1) for batch in test.batches(256)])
    return Measured(float((found == np.asarray(test.labels)).mean()), 0, 0.0)


def theirs(tool: str, environments: Path, images: Path, minutes: int, weights: int, activations: int) -> Measured | str:
    python = environments / tool.partition(",")[0] / "bin" / "python"
    if not python.exists():
        return "not installed"
    script = Path(__file__).with_name("search_peers.py")
    command = [str(python), "-W", "ignore", str(script), tool, str(images), str(weights), str(activations)]
    limit = partial(resource.setrlimit, resource.RLIMIT_CPU, (60 * minutes, 60 * minutes + 10))
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit)
    if done.returncode == -signal.SIGXCPU:
        return f"not ended in {minutes} minutes"
    if done.returncode:
        return f"fails: {done.stderr.strip().splitlines()[-1][:120]}"
    return Measured(**json.loads(done.stdout.strip().splitlines()[-1]))


def prepare(network: Network, calibration: Dataset, test: Dataset, path: Path) -> None:
    """Weights by the names of search_peers.py, and images, channels first, as the network takes them."""
    arrays: dict[str, np.ndarray] = {"labels": np.asarray(test.labels, np.int64)}
    for name, images in (("calibration", calibration), ("test", test)):
        arrays[name] = np.concatenate([batch.x for batch in images.batches(256)]).transpose(0, 3, 1, 2)
    operators = [node.operator for node in network.nodes]
    convolutions = [each for each in operators if isinstance(each, Convolution)]
    norms = [each for each in operators if isinstance(each, BatchNormalization)]
    architecture = architecture_of(network)
    names = LAYERS[architecture]
    arrays["architecture"] = np.array(architecture)
    for name, layer in zip(names.convolutions, convolutions, strict=True):
        arrays[f"model.{name}.weight"] = layer.weight.value.transpose(3, 2, 0, 1)
        arrays[f"model.{name}.bias"] = layer.bias.value if layer.bias else np.zeros(layer.weight.value.shape[-1])
    for name, norm in zip(names.norms, norms, strict=True):
        for own, given in (("weight", norm.gamma), ("bias", norm.beta), ("running_mean", norm.mean)):
            arrays[f"model.{name}.{own}"] = given.value if given else np.zeros_like(norm.variance.value)
        arrays[f"model.{name}.running_var"] = norm.variance.value
    (dense,) = (each for each in operators if isinstance(each, Dense))
    arrays |= {"model.dense.weight": dense.weight.value.T, "model.dense.bias": dense.bias.value if dense.bias else 0}
    np.savez(path, **{name: np.ascontiguousarray(value) for name, value in arrays.items()})


def architecture_of(network: Network) -> str:
    convolutions = sum(isinstance(node.operator, Convolution) for node in network.nodes)
    return next(called for called, names in LAYERS.items() if len(names.convolutions) == convolutions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--environments", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--images", type=int, default=10000)
    parser.add_argument("--calibrate", type=int, default=500)
    parser.add_argument("--pairs", nargs="+", default=PAIRS)
    parser.add_argument("--tools", nargs="*", default=list(TOOLS), help=f"of {', '.join(TOOLS)}")
    parser.add_argument("--repairs", nargs="*", default=REPAIRS)
    parser.add_argument("--minutes", type=int, default=20, help="of CPU time, after which a tool is broken off")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    network = bittrue.load(asked.model)
    test = bittrue.load_dataset(asked.data, shape=network.input.shape).take(asked.images)
    calibration = bittrue.load_dataset(asked.data, split="train", shape=network.input.shape).take(asked.calibrate)
    begin(asked.results, About(architecture_of(network), test.images, calibration.images))
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.npz"
        prepare(network, calibration, test, images)
        measure(asked.results, FLOAT, ["32/32"], lambda weights, activations: in_float(network, test))
        for repairs in asked.repairs:
            measure(asked.results, OURS + repairs, asked.pairs, partial(ours, network, calibration, test, repairs))
        for tool in asked.tools:
            measure(asked.results, tool, asked.pairs, partial(theirs, tool, asked.environments, images, asked.minutes))
    print(page(read(asked.results)))


def measure(results: Path, what: str, pairs: Sequence[str], made: Callable[[int, int], Measured | str]) -> None:
    """Add to the results the pairs that they lack."""
    for pair in pairs:
        if any(cell.what == what and cell.pair == pair for cell in read(results).cells):
            continue
        found = made(*map(int, pair.split("/")))
        numbers = {"failure": found} if isinstance(found, str) else asdict(found)
        append(results, Cell(what=what, pair=pair, **numbers))


if __name__ == "__main__":
    main()
