"""Fixed word lengths side by side: ResNet-8 at pairs of bits of weights and activations, with bittrue's repairs and
with other tools, on the same images.

`search_environments.sh FOLDER` makes the tools' environments; then
`python benchmarks/search.py resnet8_cifar10.h5 cifar10:DIR --environments FOLDER`. bittrue's scales and offsets have 12
bits, biases 16; accuracies are of exact simulations. Of the other tools they are of floating-point simulations.
"""

import argparse
import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import bittrue
from bittrue.data import Dataset
from bittrue.network import Network
from bittrue.operators import BatchNormalization, Convolution, Dense
from bittrue.plan import WordLengths

PAIRS = ("8/8", "6/8", "4/8", "4/6", "4/5", "3/6", "4/4")
TOOLS = {"brevitas-alone": "brevitas", "brevitas": "brevitas", "aimet": "aimet", "mct": "mct"}
"""The environments of what search_peers.py compares with."""

CONVOLUTIONS = (
    "first",
    *("blocks.0.first", "blocks.0.second"),
    *("blocks.1.first", "blocks.1.second", "blocks.1.beside"),
    *("blocks.2.first", "blocks.2.second", "blocks.2.beside"),
)
NORMS = ("norm", *(f"blocks.{block}.{name}_norm" for block in range(3) for name in ("first", "second")))
"""search_peers.py's layers in the order of the network's nodes."""


@dataclass(frozen=True)
class Measured:
    accuracy: float
    image_passes: int
    seconds: float

    @property
    def cell(self) -> str:
        return f"{100 * self.accuracy:.2f} ({self.image_passes:,}; {self.seconds:.0f} s)"


def ours(
    network: Network, calibration: Dataset, test: Dataset, weights: int, activations: int, repairs: str
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


def theirs(tool: str, environments: Path, images: Path, weights: int, activations: int) -> Measured | str:
    python = environments / TOOLS[tool] / "bin" / "python"
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
    for name, layer in zip(CONVOLUTIONS, convolutions, strict=True):
        arrays[f"model.{name}.weight"] = layer.weight.value.transpose(3, 2, 0, 1)
        arrays[f"model.{name}.bias"] = layer.bias.value if layer.bias else np.zeros(layer.weight.value.shape[-1])
    norms = [each for each in operators if isinstance(each, BatchNormalization)]
    for name, norm in zip(NORMS, norms, strict=True):
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
    asked = parser.parse_args()
    network = bittrue.load(asked.model)
    test = bittrue.load_dataset(asked.data, shape=network.input.shape).take(asked.images)
    calibration = bittrue.load_dataset(asked.data, split="train", shape=network.input.shape).take(asked.calibrate)
    print(f"{network.name}, {test.images:,} test images, {calibration.images:,} training images to calibrate on")
    print("accuracy in % (image passes; seconds)")
    columns = ["bittrue", "bittrue, repaired", *TOOLS]
    print("| W/A |", " | ".join(columns), "|")
    print("|---" * (1 + len(columns)) + "|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.npz"
        prepare(network, calibration, test, images)
        for pair in asked.pairs:
            bits = [int(each) for each in pair.split("/")]
            found: list[Measured | str] = [
                ours(network, calibration, test, *bits, repairs) for repairs in ("none", "qronos,bias,batch-norm")
            ]
            found += [theirs(tool, asked.environments, images, *bits) for tool in TOOLS]
            cells = [each if isinstance(each, str) else each.cell for each in found]
            print(f"| {pair} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
