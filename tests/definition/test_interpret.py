"""The engine: one image through a program, quantizers, overflow counts, and what float32 does to the meaning."""

from fractions import Fraction

import numpy as np
import pytest

from bittrue.definition import Codes, interpret, interpret_step
from bittrue.errors import BittrueError
from bittrue.fixed import Overflow, Rounding
from bittrue.program import (
    Add,
    Bypass,
    Clip,
    FixedNetwork,
    Instruction,
    Lookup,
    MultiplyAccumulate,
    Quantize,
    Reshape,
    Step,
    WindowSum,
)
from bittrue.program.functions import Sigmoid
from definition.steps import codes, quantizer, result, step


def program(*steps: Step) -> FixedNetwork:
    return FixedNetwork("network", "plan", steps, steps[-1].name, {})


def dense(weight: list[list[int]], fraction_bits: int) -> MultiplyAccumulate:
    return MultiplyAccumulate(np.array(weight), (fraction_bits,), None, 0, (), (), (), 1)


IMAGE = [[0.1, -0.75], [2.5, 3.0]]
INPUT = step(Quantize(), (2, 2), quantizer(4, 1), name="image", inputs=())


def test_every_step_of_a_program() -> None:
    made = interpret(
        program(
            INPUT,
            step(Reshape(), (4,), None, fraction_bits=1, name="flatten", inputs=("image",)),
            step(dense([[1], [2], [3], [-1]], 1), (1,), quantizer(4, 0), name="dense", inputs=("flatten",)),
            step(Clip(Fraction(0), Fraction(1)), (1,), quantizer(4, 3), name="clip", inputs=("dense",)),
            step(Add(), (1,), quantizer(4, 0), name="add", inputs=("dense", "clip")),
        ),
        IMAGE,
    )
    assert made == {
        "image": Codes((2, 2), 1, [0, -2, 5, 6]),  # 0.2, −1.5 → −2 (even), 5, 6
        "flatten": Codes((4,), 1, [0, -2, 5, 6]),
        "dense": Codes((1,), 0, [1]),  # −4 + 15 − 6 = 5 quarters
        "clip": Codes((1,), 3, [7], 1),  # 8 eighths don't fit
        "add": Codes((1,), 0, [2]),  # 1 + 7/8
    }


@pytest.mark.parametrize("image", [[0.1, -0.75, 2.5, 3.0], tuple(map(Fraction, (0.1, -0.75, 2.5, 3.0)))])
def test_the_image_may_be_flat_or_of_fractions(image: list[float]) -> None:
    assert interpret(program(INPUT), image)["image"].codes == [0, -2, 5, 6]


def test_a_float_is_the_exact_number_that_it_is() -> None:
    """float32's 0.1 lies above 1/10, so no rounding at 30 bits takes it for 0.1."""
    pixel = float(np.float32(0.1))
    made = interpret_step(step(Quantize(), (1,), quantizer(64, 30)), (), [pixel])
    assert made.codes == [round(Fraction(pixel) * 2**30)] != [round(Fraction(1, 10) * 2**30)]


@pytest.mark.parametrize("overflow", Overflow)
def test_overflows_are_counted_after_rounding_in_every_mode(overflow: Overflow) -> None:
    """7.5 rounds to 8 and overflows only then; −8 is one of SATURATE_SYMMETRIC's overflows."""
    made = result(Reshape(), (codes((4,), 1, [15, 14, -16, -18]),), (4,), quantizer(4, 0, overflow=overflow))
    kept = {
        Overflow.SATURATE: [7, 7, -8, -8],
        Overflow.SATURATE_ZERO: [0, 7, -8, 0],
        Overflow.SATURATE_SYMMETRIC: [7, 7, -7, -7],
        Overflow.WRAP: [-8, 7, -8, 7],
        Overflow.UNBOUNDED: [8, 7, -8, -9],
    }
    assert made.codes == kept[overflow]
    assert made.overflows == (3 if overflow is Overflow.SATURATE_SYMMETRIC else 2)


def test_an_exact_result_takes_the_binary_point_of_its_step() -> None:
    made = result(Reshape(), (codes((2,), 1, [3, 4]),), (2,), fraction_bits=4)
    assert made == Codes((2,), 4, [24, 32])
    halves = WindowSum((2,), (2,), ((0, 0),), (1,), np.array([2]))
    assert result(halves, (codes((2, 1), 1, [3, 4]),), (1, 1), fraction_bits=2) == Codes((1, 1), 2, [7])
    image = interpret_step(step(Quantize(), (1,), None, fraction_bits=2), (), [0.75])
    assert image == Codes((1,), 2, [3])


@pytest.mark.parametrize(
    ("instruction", "fraction_bits"),
    [
        (Reshape(), 0),  # 3/2 has no code there
        (WindowSum((1,), (1,), ((0, 0),), (1,), np.array([3])), 8),
        (Lookup(Sigmoid()), 8),
    ],
)
def test_an_exact_result_must_fit_its_step(instruction: Instruction, fraction_bits: int) -> None:
    with pytest.raises(BittrueError, match="'node' has no quantizer"):
        result(instruction, (codes((1, 1), 1, [5]),), (1, 1), fraction_bits=fraction_bits)


def test_a_claimed_shape_or_type_that_is_wrong_is_refused() -> None:
    x = codes((2,), 0, [1, 2])
    with pytest.raises(BittrueError, match=r"makes the shape \(2,\) and claims \(1,\)"):
        result(Clip(None, None), (x,), (1,), quantizer(8, 0))
    with pytest.raises(BittrueError, match="claims to be FLOAT"):
        result(Clip(None, None), (x,), (2,), fraction_bits=None)


FLOAT = step(Bypass(object()), (2,), None, name="softmax", inputs=("image",))
ROUNDED_FLOAT = step(Bypass(object()), (2,), quantizer(8, 4, Rounding.FLOOR), name="softmax", inputs=("image",))
IMAGE_OF_TWO = step(Quantize(), (2,), quantizer(8, 1), name="image", inputs=())


def test_float_values_have_no_codes() -> None:
    after = step(Reshape(), (1, 2), None, name="after", inputs=("softmax",))
    made = interpret(program(IMAGE_OF_TWO, FLOAT, after), [1.0, 2.0])
    assert made["softmax"] == Codes((2,), None, [])
    assert made["after"] == Codes((1, 2), None, [])


def test_a_float_input_has_no_codes() -> None:
    image = step(Quantize(), (2,), None, name="image", inputs=())
    assert interpret(program(image), [1.0, 2.0])["image"] == Codes((2,), None, [])


def test_given_float32_is_rounded_exactly() -> None:
    made = interpret(program(IMAGE_OF_TWO, ROUNDED_FLOAT), [1.0, 2.0], given={"softmax": [0.3, -0.3]})
    assert made["softmax"] == Codes((2,), 4, [4, -5])


def test_what_reads_a_float_takes_given_values_too() -> None:
    after = step(Clip(Fraction(0), None), (2,), quantizer(8, 4), name="relu", inputs=("softmax",))
    with pytest.raises(BittrueError, match="'relu' is computed in float32"):
        interpret(program(IMAGE_OF_TWO, FLOAT, after), [1.0, 2.0])
    made = interpret(program(IMAGE_OF_TWO, FLOAT, after), [1.0, 2.0], given={"relu": [0.0, 0.5]})
    assert made["relu"] == Codes((2,), 4, [0, 8])


@pytest.mark.parametrize(
    ("image", "given", "sentence"),
    [
        ([1.0, 2.0], {}, "'softmax' is computed in float32"),
        ([1.0, 2.0], {"softmax": [1.0]}, "'softmax' has the shape .* is given 1 values"),
        ([1.0, 2.0], {"softmax": [1.0, float("nan")]}, "NaN or infinity"),
        ([1.0, float("inf")], {"softmax": [1.0, 2.0]}, "'image' hold NaN or infinity"),
        ([1.0], {"softmax": [1.0, 2.0]}, "'image' has the shape"),
        ([1.0, 2.0], {"softmax": [1.0, 2.0], "relu": [0.0, 0.0]}, "'relu' has a meaning in integers"),
        ([1.0, 2.0], {"sotfmax": [1.0, 2.0]}, "no step 'sotfmax'"),
    ],
)
def test_refused(image: list[float], given: dict[str, list[float]], sentence: str) -> None:
    relu = step(Clip(Fraction(0), None), (2,), quantizer(8, 4), name="relu", inputs=("softmax",))
    with pytest.raises(BittrueError, match=sentence):
        interpret(program(IMAGE_OF_TWO, ROUNDED_FLOAT, relu), image, given=given)
