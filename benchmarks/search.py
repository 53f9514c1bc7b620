"""Fixed word lengths side by side: ResNet-8, or the MobileNet of train_mobilenet.py, at pairs of bits of weights and
activations, with bittrue's repairs and with other tools, on the same images.

`search_environments.sh FOLDER` makes the tools' environments; then
`python benchmarks/search.py resnet8_cifar10.h5 cifar10:DIR --environments FOLDER`. bittrue's scales and offsets have 12
bits, biases 16; accuracies are of exact simulations. Of the other tools they are of floating-point simulations.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from search_peers import TOOLS

import bittrue
from bittrue.data import Dataset
from bittrue.network import Network
from bittrue.operators import BatchNormalization, Convolution, Dense
from bittrue.plan import WordLengths
from bittrue.simulation.float_model import FloatModel

PAIRS = ("8/8", "6/8", "4/8", "4/6", "4/5", "3/6", "4/4")
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
    accuracy: float
    image_passes: int
    seconds: float

    @property
    def cell(self) -> str:
        return f"{100 * self.accuracy:.2f} ({self.image_passes:,}; {self.seconds:.0f} s)"


def ours(
    network: Network, calibration: Dataset, test: Dataset, repairs: str, weights: int, activations: int
) -> Measured:
    begun = time.perf_counter()
    ranges = bittrue.measure_ranges(network, calibration)
    words = WordLengths(weights, activations, 12, 16)
    plan = bittrue.plan_from_ranges(network, ranges, words, point="least-squares", per_channel=True)
    passes = calibration.images
    if repairs != "none":
        repaired = bittrue.repair(network, plan, calibration, repairs)
        network, plan = repaired.network, repaired.plan
        passes += calibration.images * (len(repaired.steps) + 1)
    seconds = time.perf_counter() - begun
    return Measured(bittrue.simulate(network, plan, test).accuracy or 0.0, passes, seconds)


def float_accuracy(network: Network, test: Dataset) -> float:
    model = FloatModel(network)
    found = np.concatenate([model.outputs(batch.x).argmax(1) for batch in test.batches(256)])
    return float((found == np.asarray(test.labels)).mean())


def theirs(tool: str, environments: Path, images: Path, weights: int, activations: int) -> Measured | str:
    python = environments / tool.partition(",")[0] / "bin" / "python"
    if not python.exists():
        return "not installed"
    script = Path(__file__).with_name("search_peers.py")
    command = [str(python), "-W", "ignore", str(script), tool, str(images), str(weights), str(activations)]
    done = subprocess.run(command, capture_output=True, text=True)
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
    architecture, names = next(
        (called, names) for called, names in LAYERS.items() if len(names.convolutions) == len(convolutions)
    )
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--environments", type=Path, required=True)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--calibrate", type=int, default=800)
    parser.add_argument("--pairs", nargs="+", default=PAIRS)
    parser.add_argument("--tools", nargs="*", default=list(TOOLS), help=f"of {', '.join(TOOLS)}")
    parser.add_argument("--repairs", nargs="*", default=REPAIRS)
    asked = parser.parse_args()
    network = bittrue.load(asked.model)
    test = bittrue.load_dataset(asked.data, shape=network.input.shape).take(asked.images)
    calibration = bittrue.load_dataset(asked.data, split="train", shape=network.input.shape).take(asked.calibrate)
    print(f"{network.name}, {test.images:,} test images, {calibration.images:,} training images to calibrate on")
    print(f"float: {100 * float_accuracy(network, test):.2f} %")
    print("accuracy in % (image passes; seconds)")
    print("| what |", " | ".join(asked.pairs), "|")
    print("|---" * (1 + len(asked.pairs)) + "|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.npz"
        prepare(network, calibration, test, images)
        for repairs in asked.repairs:
            row(f"bittrue, `{repairs}`", asked.pairs, partial(ours, network, calibration, test, repairs))
        for tool in asked.tools:
            row(tool, asked.pairs, partial(theirs, tool, asked.environments, images))


def row(name: str, pairs: Sequence[str], measure: Callable[[int, int], Measured | str]) -> None:
    print(f"| {name} |", end="", flush=True)
    for pair in pairs:
        weights, activations = map(int, pair.split("/"))
        found = measure(weights, activations)
        print(f" {found if isinstance(found, str) else found.cell} |", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
