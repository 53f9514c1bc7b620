"""What computes number by number passes on which axis is the channels', whichever operator it is."""

from dataclasses import replace

import numpy as np
import pytest

from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.model import from_onnx
from bittrue.frontends.onnx.rules import arithmetic, functions, quantization, shape_arithmetic
from bittrue.frontends.onnx.rules.operators import FAMILIES, OPERATORS
from frontends.onnx_zoo import Step, integers, model, operators, positive, random, step

pytestmark = pytest.mark.filterwarnings("ignore:.* holds quantizers")

ONE = np.array(1.5, np.float32)
TYPE_FLOAT = 1
QONNX = quantization.QONNX_DOMAINS[0]
QUANTIZERS = (np.array(0.25, np.float32), np.array(0, np.float32), np.array(8, np.float32))

STEPS: dict[str, Step] = {
    "Cast": step("Cast", "last", to=TYPE_FLOAT),
    "CastLike": step("CastLike", "last", ONE),
    "Clip": step("Clip", "last", ONE),
    "PRelu": step("PRelu", "last", positive(1, 1)),
    "Pow": step("Pow", "last", np.array(2, np.float32)),
    **{name: step(name, "last", ONE) for name in ("Add", "Div", "Max", "Min", "Mul", "Sub", "Sum")},
    **{name: step(f"{QONNX}:{name}", "last", *QUANTIZERS) for name in ("IntQuant", "Quant")},
    "Trunc": step(f"{QONNX}:Trunc", "last", *QUANTIZERS, QUANTIZERS[0], QUANTIZERS[2]),
    "QuantizeLinear": step("QuantizeLinear", "last", QUANTIZERS[0], np.array(0, np.int8)),
}
"""Those that need more than one input without attributes."""

ALONE = {**functions.OPERATORS, **quantization.QONNX_OPERATORS}
OF_CONSTANTS = ("BipolarQuant",)
"""No activation goes through it."""

FUNCTIONS = sorted({*arithmetic.OPERATORS, *ALONE, "QuantizeLinear"} - set(OF_CONSTANTS))


def loaded(shape: tuple[int | str, ...], *steps: Step) -> tuple[tuple[int, ...], str]:
    """The network's input shape, and its operators."""
    network = from_onnx(model(shape, steps, opset=24, domains=[QONNX]))
    return network.input.shape, operators(network)


def through(name: str) -> Step:
    return STEPS.get(name, step(name, "last"))


CONV_1D = step("Conv", "last", random(3, 3, 1))


def is_seen_through(name: str) -> bool:
    """Whether steps of vectors before a convolution, and behind one, lie channels last."""
    before, behind = (loaded(("n", 3, 8), *steps) for steps in ((through(name), CONV_1D), (CONV_1D, through(name))))
    return before[0] == behind[0] == (8, 3) and "Transpose" not in before[1] + behind[1]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_channels_behind_any_function(name: str) -> None:
    assert is_seen_through(name)


@pytest.mark.parametrize("name", sorted(set(ALONE) - set(OF_CONSTANTS)))
def test_a_pooled_image_stays_one_before_any_function(name: str) -> None:
    image = step("GlobalAveragePool", "last"), through(name), step("Conv", "last", random(2, 3, 1, 1))
    shape, found = loaded(("n", 3, 4, 4), *image)
    assert shape == (4, 4, 3)
    assert "Reshape" not in found


def test_an_operator_with_axes_of_its_own_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Celu once was."""
    assert is_seen_through("Celu")
    monkeypatch.setitem(OPERATORS, "Celu", replace(OPERATORS["Celu"], axes=Axes.OWN))
    assert not is_seen_through("Celu")


def test_every_operator_says_what_it_does_to_axes() -> None:
    with pytest.raises(TypeError, match="axes"):
        type(OPERATORS["Relu"])(OPERATORS["Relu"].rule)


def test_steps_of_vectors_without_an_image_stay_as_they_are() -> None:
    """The canary of the canary: nothing moves axes where no convolution asks for it."""
    assert loaded(("n", 3, 8), step("Celu", "last"), step("ReduceSum", "last", integers(2)))[0] == (3, 8)


def test_no_operator_has_two_rows() -> None:
    names = [name for family in (*FAMILIES, shape_arithmetic) for name in family.OPERATORS]
    assert len(names) == len(set(names))
