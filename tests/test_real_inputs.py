"""The real AlexNet, ResNet-8 and CIFAR-10 of ../shared, where they are: loading, the float yardstick, exact sums."""

import random
import subprocess
import sys
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import bittrue
from bittrue.data import Dataset, load_dataset
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import PlanOptions, study_plan
from bittrue.program import MultiplyAccumulate, Step
from bittrue.simulation.float_model import FloatModel
from bittrue.simulation.simulator import Simulator, is_exact, prove
from bittrue.simulation.values import Codes

SHARED = Path(__file__).parents[2] / "shared"

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared with the real inputs is not here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("real")
    subprocess.run([sys.executable, SHARED / "unpack.py", target], check=True, capture_output=True)
    return target


@pytest.fixture(scope="module")
def network(folder: Path) -> Network:
    return bittrue.load(folder / "alexnet.keras")


@pytest.fixture(scope="module")
def images(folder: Path) -> Dataset:
    return load_dataset(f"cifar10:{folder}", resize=(227, 227), scale=Fraction(1, 255))


def test_alexnet_is_read_whole(network: Network, images: Dataset) -> None:
    assert network.parameter_count == 56_361_738
    assert images.images == 10_000
    assert images.shape == network.input.shape == (227, 227, 3)
    assert np.bincount(images.labels).tolist() == [1000] * 10


def test_float_accuracy_is_near_the_stated_one(network: Network, images: Dataset) -> None:
    """81.63 % on all 10,000 images: on 96 of them at most 15 points off, which is four standard deviations."""
    model = FloatModel(network)
    right = [model.run(batch.x).argmax(axis=1) == batch.y for batch in images.batches(16, images=96)]
    assert abs(np.concatenate(right).mean() - 0.8163) < 0.15


@pytest.mark.parametrize(
    ("fraction_bits", "options"),
    [(5, PlanOptions("raw", "every-node")), (8, PlanOptions("raw", "every-node")), (6, PlanOptions())],
)
def test_sums_of_products_are_exact(
    network: Network, images: Dataset, fraction_bits: int, options: PlanOptions
) -> None:
    """Outputs at random places of every layer, recomputed in Python integers from the codes that came in (B6, B14)."""
    program = lower_network(network, study_plan(network, fraction_bits, options=options))
    codes: dict[str, torch.Tensor] = {}

    def keep(step: Step, made: Codes) -> None:
        codes[step.name] = made.tensor.to(torch.float64)

    result = Simulator(program).run(next(iter(images.batches(2))).x, keep)
    assert is_exact(program)
    assert all(proof.margin_bits > 0 for proof in prove(program, result.peaks))
    chance = random.Random(fraction_bits)
    checked = 0
    for step in program.steps:
        if isinstance(step.instruction, MultiplyAccumulate):
            for _ in range(40):
                place = tuple(chance.randrange(size) for size in (2, *step.type.shape))
                expected = exact_output(step, codes[step.inputs[0]], place)
                assert int(codes[step.name][place]) == expected, (step.name, place)
                checked += 1
    assert checked == 40 * 8


def test_resnet8_of_keras_2(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLPerf Tiny's file: what Keras computes, about 76 % of images right, with 8 fraction bits too; bit for bit."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    path = SHARED / "models" / "resnet8_cifar10.h5"
    network = bittrue.load(path)
    assert network.parameter_count == 78_666
    images = load_dataset(f"cifar10:{folder}")
    batch = next(iter(images.batches(100)))
    model = keras.models.load_model(path, compile=False)
    # Both round to float32 in another order of sums; probabilities of such a network then differ by some 1e-6.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras's torch backend and NumPy 2 between themselves
        expected = model.predict(batch.x, verbose=0)
    np.testing.assert_allclose(FloatModel(network).run(batch.x), expected, rtol=0, atol=1e-5)

    plan = bittrue.study_plan(network, 8, options=PlanOptions())
    result = bittrue.sweep(network, images, [bittrue.SweepRow("F=8", plan)], images=500)
    for row in result.rows:
        assert abs(row.accuracy - 0.76) < 0.08  # four standard deviations
    assert result.rows[-1].exact
    assert bittrue.verify(network, plan, images, images=1).mismatches == 0


def exact_output(step: Step, x: torch.Tensor, place: tuple[int, ...]) -> int:
    """One output code: products added in Python integers, rounded to the step's fraction bits half to even."""
    instruction = step.instruction
    assert isinstance(instruction, MultiplyAccumulate)
    image, *position, channel = place
    weight = instruction.weight[..., channel]
    total = 0
    for tap in np.ndindex(*weight.shape[:-1]):
        source = [
            where * stride + offset * step_ - before
            for where, stride, offset, step_, (before, _) in zip(
                position, instruction.strides, tap, instruction.dilation, instruction.padding, strict=True
            )
        ]
        if all(0 <= at < size for at, size in zip(source, x.shape[1:-1], strict=True)):
            values = x[(image, *source)].tolist()
            total += sum(int(value) * code for value, code in zip(values, weight[tap].tolist(), strict=True))
    assert instruction.bias is not None
    assert step.exact.fraction_bits is not None
    bits = step.exact.fraction_bits
    total += int(instruction.bias[channel]) << (bits - instruction.bias_fraction_bits)
    assert step.type.fraction_bits is not None
    return round(Fraction(total, 1 << (bits - step.type.fraction_bits)))
