"""Each instruction on numbers small enough to check by hand."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bittrue.definition import Codes, meaning
from bittrue.errors import BittrueError
from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.program import (
    Add,
    Below,
    Clip,
    Concatenate,
    Divide,
    Extremum,
    Instruction,
    LogSoftmax,
    Lookup,
    Move,
    MultiplyAccumulate,
    MultiplyTensors,
    Normalize,
    NormalizeTable,
    Pad,
    Reshape,
    ScaleOffset,
    Select,
    Softmax,
    SoftmaxTable,
    WindowExtremum,
    WindowSum,
)
from bittrue.program.functions import BatchNorm, Sigmoid, Tanh
from definition.steps import codes, quantizer, result

NO_PADDING = ((0, 0), (0, 0))
PLANE = codes((2, 3, 1), 0, [1, 2, 3, 4, 5, 6])
ROUND_2 = quantizer(16, 2)


def dense(weight: object, bias: object = None, bias_fraction_bits: int = 0, **fields: object) -> MultiplyAccumulate:
    nothing: dict[str, object] = {"strides": (), "padding": (), "dilation": (), "groups": 1}
    bits = fields.pop("weight_fraction_bits", (0,))
    made_bias = None if bias is None else np.array(bias)
    return MultiplyAccumulate(np.array(weight), bits, made_bias, bias_fraction_bits, **(nothing | fields))  # type: ignore[arg-type]


def convolution(weight: np.ndarray, **fields: object) -> MultiplyAccumulate:
    plain: dict[str, object] = {"strides": (1, 1), "padding": NO_PADDING, "dilation": (1, 1), "groups": 1}
    return MultiplyAccumulate(weight, (0,), None, 0, **(plain | fields))  # type: ignore[arg-type]


def channels(*values: int) -> np.ndarray:
    return np.array(values)


def batch_norm(gamma: int, beta: int, mean: int, variance: int, epsilon: Fraction) -> BatchNorm:
    return BatchNorm(channels(gamma), 0, channels(beta), 0, channels(mean), 0, channels(variance), 0, epsilon)


@dataclass(frozen=True)
class Row:
    """One instruction, and the exact codes at `fraction_bits` or the rounded ones where there is a quantizer."""

    name: str
    instruction: Instruction
    inputs: tuple[Codes, ...]
    shape: tuple[int, ...]
    expected: list[int]
    fraction_bits: int = 0
    rounded: Quantizer | None = None
    overflows: int = 0
    accumulator_overflows: int | None = None


ROWS = [
    # [3, −2] · [[1, 4], [5, −6]] = [3 − 10, 12 + 12]
    Row("dense", dense([[1, 4], [5, -6]]), (codes((2,), 0, [3, -2]),), (2,), [-7, 24]),
    # The bias, 3 / 2, decides the binary point: −7 + 1.5 = −5.5.
    Row("dense bias", dense([[1], [5]], [3], 1), (codes((2,), 0, [3, -2]),), (1,), [-11], 1),
    # A bias of coarser steps than the products: 3·4 = 12 at F = −2 beside a product of 1·1 at F = 1.
    Row("dense coarse bias", dense([[1]], [3], -2), (codes((1,), 1, [1]),), (1,), [25], 1),
    Row(
        "dense binary points by channel",
        dense([[1, 1]], [1, 1], 0, weight_fraction_bits=(3, 1)),
        (codes((1,), 1, [1]),),
        (2,),
        [1 + 16, 4 + 16],  # 2^−4 + 1 and 2^−2 + 1, in sixteenths
        4,
    ),
    Row("dense on rows", dense([[1], [10]]), (codes((2, 2), 0, [1, 2, 3, 4]),), (2, 1), [21, 43]),
    Row(
        "dense of Python ints", dense([[1]], np.array([2**80], dtype=object)), (codes((1,), 0, [1]),), (1,), [2**80 + 1]
    ),
    Row("convolution 2×2", convolution(np.arange(1, 5).reshape(2, 2, 1, 1)), (PLANE,), (1, 2, 1), [37, 47]),
    Row(
        "convolution 1-D, padded, dilated",
        convolution(np.array([1, 10]).reshape(2, 1, 1), strides=(2,), padding=((1, 0),), dilation=(2,)),
        (codes((4, 1), 0, [1, 2, 3, 4]),),
        (2, 1),
        [0 + 20, 2 + 40],  # taps −1, 1 and 1, 3
    ),
    Row(
        "convolution padded at one corner",
        convolution(np.ones((2, 2, 1, 1), dtype=int), strides=(2, 2), padding=((1, 0), (0, 1))),
        (PLANE,),
        (1, 2, 1),
        [1 + 2, 3],
    ),
    Row(
        "depthwise",
        convolution(np.array([2, 3]).reshape(1, 1, 1, 2), groups=2),
        (codes((1, 1, 2), 0, [5, 7]),),
        (1, 1, 2),
        [10, 21],
    ),
    Row(
        "groups",  # (1, 2) with (1, 10) and (100, 1000); (3, 4) with (1, 1) and (2, 2)
        convolution(np.array([[1, 100, 1, 2], [10, 1000, 1, 2]]).reshape(1, 1, 2, 4), groups=2),
        (codes((1, 1, 4), 0, [1, 2, 3, 4]),),
        (1, 1, 4),
        [21, 2100, 7, 14],
    ),
    # 5 + 5 = 10 → 7, counted, then −4 → 3; saturating once at the end would give 6.
    Row(
        "accumulator saturates",
        dense([[1], [1], [-4]], accumulator=quantizer(4, 0)),
        (codes((3,), 0, [5, 5, 1]),),
        (1,),
        [3],
        accumulator_overflows=1,
    ),
    # 5 + 5 = 10 → −6, then −4 → −10 → 6, and the final sum 6 is none that overflows. 5 + 5 + 1 = 11 → −5, counted.
    Row(
        "accumulator wraps",
        dense([[1, 1], [1, 1], [-4, 1]], accumulator=quantizer(4, 0, overflow=Overflow.WRAP)),
        (codes((3,), 0, [5, 5, 1]),),
        (2,),
        [6, -5],
        accumulator_overflows=1,
    ),
    # The same where a product has one fraction bit more than the accumulator: both 10 and −10 are counted.
    Row(
        "accumulator wraps and rounds",
        dense([[2], [2], [-8]], accumulator=quantizer(4, 0, overflow=Overflow.WRAP), weight_fraction_bits=(1,)),
        (codes((3,), 0, [5, 5, 1]),),
        (1,),
        [6],
        accumulator_overflows=2,
    ),
    # 0, 5, 10, 6: nothing is clipped, one is counted.
    Row(
        "accumulator counts",
        dense([[1], [1], [-4]], accumulator=quantizer(4, 0, overflow=Overflow.UNBOUNDED)),
        (codes((3,), 0, [5, 5, 1]),),
        (1,),
        [6],
        accumulator_overflows=1,
    ),
    # The bias 9 → 7, counted.
    Row(
        "bias",
        dense([[0]], [9], accumulator=quantizer(4, 0)),
        (codes((1,), 0, [1]),),
        (1,),
        [7],
        accumulator_overflows=1,
    ),
    # The bias 7/2 is floored to 3; 3 + 3/4 → 3; 3 + 3/4 → 3. The exact sum is 5.
    Row(
        "accumulator floors",
        dense([[1], [1]], [7], 1, accumulator=quantizer(8, 0, Rounding.FLOOR), weight_fraction_bits=(2,)),
        (codes((2,), 0, [3, 3]),),
        (1,),
        [3],
        accumulator_overflows=0,
    ),
    # Each product 3/4 is rounded up to 1 before it is added to 3.5 → 4 (even): 4 + 1 + 1.
    Row(
        "accumulator of rounded products",
        dense([[1], [1]], [7], 1, accumulator=quantizer(8, 0), quantized_products=True, weight_fraction_bits=(2,)),
        (codes((2,), 0, [3, 3]),),
        (1,),
        [6],
        accumulator_overflows=0,
    ),
    # −20 saturates at −8 as a product and 4 − 8 = −4; as a part of the sum, 4 − 20 = −16 saturates at −8.
    Row(
        "saturated product",
        dense([[-5]], [4], accumulator=quantizer(4, 0), quantized_products=True),
        (codes((1,), 0, [4]),),
        (1,),
        [-4],
        accumulator_overflows=1,
    ),
    # 3/4 + 5/2 + 1 = 17/4
    Row("add", Add(), (codes((1,), 2, [3]), codes((1,), 1, [5]), codes((1,), 0, [1])), (1,), [17], 2),
    Row("add, broadcast", Add(), (codes((2, 1), 0, [1, 2]), codes((2,), 1, [3, 4])), (2, 2), [5, 6, 7, 8], 1),
    Row(
        "products",
        MultiplyTensors(False),
        (codes((2, 1), 1, [2, 3]), codes((2,), 2, [5, -7])),
        (2, 2),
        [10, -14, 15, -21],
        3,
    ),
    # (1 2; 3 4) · (5 6; 7 8), the second matrix for both of the first ones.
    Row(
        "matrix product",
        MultiplyTensors(True),
        (codes((2, 1, 2), 1, [1, 2, 3, 4]), codes((2, 2), 1, [5, 6, 7, 8])),
        (2, 1, 2),
        [19, 22, 43, 50],
        2,
    ),
    # ½ · 3 → 1.5 → 2 (even), then 2 + ½ · 3 = 3.5 → 4, saturated at 3; with Q(pᵢ) 2, 2 + 2 the same.
    Row(
        "matrix product, accumulated",
        MultiplyTensors(True, quantizer(3, 0)),
        (codes((1, 2), 1, [1, 1]), codes((2, 1), 0, [3, 3])),
        (1, 1),
        [3],
        0,
        accumulator_overflows=1,
    ),
    Row("maximum", Extremum(True), (codes((2,), 1, [3, -3]), codes((1,), 0, [1])), (2,), [3, 2], 1),
    Row("minimum", Extremum(False), (codes((2,), 1, [3, -3]), codes((1,), 0, [1])), (2,), [2, -3], 1),
    # 7/2 ÷ 3/4 = 14/3 = 4.67 at F = 2: 18.67 → 19; −1/2 ÷ 3/4 = −2/3: −2.67 → −3.
    Row("quotient", Divide(), (codes((2,), 1, [7, -1]), codes((1,), 2, [3])), (2,), [19, -3], 2, ROUND_2),
    Row("quotient by constants", Divide(channels(-3, 1), 2), (codes((2,), 1, [7, 1]),), (2,), [-19, 8], 2, ROUND_2),
    Row(
        "a number for each element",
        ScaleOffset(np.array([[1], [2]]), 0, np.array([[0, 1], [2, 3]]), 0),
        (codes((2, 2), 0, [1, 2, 3, 4]),),
        (2, 2),
        [1, 3, 8, 11],
        0,
    ),
    # 17/4 rounded to even at F = 1: 8.5 → 8, saturated at 7 and counted; −1/4 → −0.5 → 0.
    Row(
        "add, rounded",
        Add(),
        (codes((2,), 2, [15, -1]), codes((2,), 1, [1, 0])),
        (2,),
        [7, 0],
        1,
        quantizer(4, 1),
        1,
    ),
    # scale (1/2, 3/2), offset (1/4, −1/4) on x = (3, 3)
    Row(
        "scale and offset",
        ScaleOffset(channels(1, 3), 1, channels(1, -1), 2),
        (codes((2,), 0, [3, 3]),),
        (2,),
        [7, 17],
        2,
    ),
    # Slope 1 from −1/2 on, 1/4 with an offset of 1 below; −1/2 itself belongs to the upper branch.
    Row(
        "two slopes",
        ScaleOffset(channels(4), 2, channels(0), 0, Below(Fraction(-1, 2), channels(1), channels(1))),
        (codes((4,), 1, [-3, -2, -1, 2]),),
        (4,),
        [-3 + 8, -2 + 8, -4, 8],
        3,
    ),
    Row("relu", Clip(Fraction(0), None), (codes((3,), 3, [-5, 0, 5]),), (3,), [0, 0, 5], 3),
    Row("relu on a coarse grid", Clip(Fraction(0), None), (codes((2,), -3, [-5, 5]),), (2,), [0, 5], -3),
    Row("clip off the grid", Clip(Fraction(-1, 4), Fraction(3, 2)), (codes((3,), 0, [-1, 1, 2]),), (3,), [-1, 4, 6], 2),
    Row("maximum", WindowExtremum((2, 2), (1, 1), NO_PADDING, (1, 1)), (PLANE,), (1, 2, 1), [5, 6]),
    Row(
        "maximum ignores padding",
        WindowExtremum((2, 2), (2, 2), ((1, 0), (0, 1)), (1, 1)),
        (codes((2, 3, 1), 4, [-1, -2, -3, -4, -5, -6]),),
        (1, 2, 1),
        [-1, -3],
        4,
    ),
    Row("global maximum", WindowExtremum((2, 3), (1, 1), NO_PADDING, (1, 1)), (PLANE,), (1,), [6]),
    Row(
        "global average",
        WindowSum((2, 3), (1, 1), NO_PADDING, (1, 1), np.array([[6]])),
        (PLANE,),
        (1,),
        [14],
        2,
        ROUND_2,
    ),
    Row("minimum of two apart", WindowExtremum((1, 2), (1, 1), NO_PADDING, (1, 2), True), (PLANE,), (2, 1, 1), [1, 4]),
    # Zero is the padding's, and no minimum of ones: it takes no part.
    Row(
        "minimum ignores padding",
        WindowExtremum((2,), (2,), ((1, 0),), (1,), True),
        (codes((3, 1), 0, [3, 2, 1]),),
        (2, 1),
        [3, 1],
    ),
    Row(
        "maximum by channel",
        WindowExtremum((2,), (2,), ((0, 0),), (1,)),
        (codes((2, 2), 0, [1, 9, 5, 2]),),
        (1, 2),
        [5, 9],
    ),
    # (1 + 2) / 2 and 3 / 1 where padding doesn't count, in halves
    Row(
        "average of what is there",
        WindowSum((2, 2), (2, 2), ((1, 0), (0, 1)), (1, 1), np.array([[2, 1]])),
        (PLANE,),
        (1, 2, 1),
        [3, 6],
        1,
    ),
    # A divisor of 1: columns 0 and 2 of each row, added up
    Row(
        "sum of two apart",
        WindowSum((1, 2), (1, 1), NO_PADDING, (1, 2), np.array([[1], [1]])),
        (PLANE,),
        (2,),
        [4, 10],
    ),
    # 21 / 6 = 3.5 → 14 quarters; by 9: 2.33… → 9.33 quarters
    Row(
        "average by 6",
        WindowSum((2, 3), (1, 1), NO_PADDING, (1, 1), np.array([[6]])),
        (PLANE,),
        (1, 1, 1),
        [14],
        2,
        ROUND_2,
    ),
    Row(
        "average by 9",
        WindowSum((2, 3), (1, 1), NO_PADDING, (1, 1), np.array([[9]])),
        (PLANE,),
        (1, 1, 1),
        [9],
        2,
        ROUND_2,
    ),
    # 2·(7 − 1)/√(3 + 1) + 5 = 11; −(…) by a negative gamma; x = mean
    Row("batch norm", Lookup(batch_norm(2, 5, 1, 3, Fraction(1))), (codes((1,), 0, [7]),), (1,), [44], 2, ROUND_2),
    Row(
        "batch norm, negative",
        Lookup(batch_norm(-2, 5, 1, 3, Fraction(1))),
        (codes((1,), 0, [7]),),
        (1,),
        [-4],
        2,
        ROUND_2,
    ),
    Row(
        "batch norm at the mean",
        Lookup(batch_norm(2, 5, 1, 3, Fraction(1))),
        (codes((1,), 0, [1]),),
        (1,),
        [20],
        2,
        ROUND_2,
    ),
    # sigmoid(1) = 0.7310… → 2.92 quarters, tanh(−1) = −0.7615… → −3.04 quarters
    Row("sigmoid", Lookup(Sigmoid()), (codes((3,), 1, [-2, 0, 2]),), (3,), [1, 2, 3], 2, ROUND_2),
    Row("tanh", Lookup(Tanh()), (codes((3,), 1, [-2, 0, 2]),), (3,), [-3, 0, 3], 2, ROUND_2),
    # exp(0), exp(1), exp(1) over 1 + 2e = 6.436…: 0.155, 0.422, 0.422 in sixteenths 2.49, 6.76, 6.76
    Row("softmax", Softmax(), (codes((3,), 0, [4, 5, 5]),), (3,), [2, 7, 7], 4, quantizer(16, 4)),
    # Thirds: 5.33; a row of its own on the last axis: 1 / (1 + e) = 0.2689 and 0.7310.
    Row("softmax by row", Softmax(), (codes((2, 2), 0, [1, 1, 0, 1]),), (2, 2), [8, 8, 4, 12], 4, quantizer(16, 4)),
    Row("softmax of equals", Softmax(), (codes((3,), 2, [9, 9, 9]),), (3,), [5, 5, 5], 4, quantizer(16, 4)),
    Row("reshape", Reshape(), (PLANE,), (6,), [1, 2, 3, 4, 5, 6]),
    Row(
        "select",
        Select(((2, -1, 0, 2), (1, 0))),
        (codes((3, 2), 3, [1, 2, 3, 4, 5, 6]),),
        (4, 2),
        [6, 5, 0, 0, 2, 1, 6, 5],
        3,
    ),
    Row("select on one axis", Select((None, (0, -1))), (codes((2, 2), 0, [1, 2, 3, 4]),), (2, 2), [1, 0, 3, 0]),
    Row("move, transposed", Move((3, 2), (1, 3)), (PLANE,), (3, 2, 1), [1, 4, 2, 5, 3, 6], 0),
    Row("move, backwards", Move((2, 2), (3, -2), 2), (PLANE,), (2, 2), [3, 1, 6, 4], 0),
    Row("move, repeated", Move((2, 2, 1), (3, 0, 1), 1), (PLANE,), (4,), [2, 2, 5, 5], 0),
    Row("pad, off the grid", Pad(((0, 1),), Fraction(-3, 4)), (codes((1,), 1, [5]),), (2,), [10, -3], 2),
    Row("pad", Pad(((1, 0), (0, 1), (0, 0))), (codes((1, 1, 2), 3, [7, 8]),), (2, 2, 2), [0, 0, 0, 0, 7, 8, 0, 0], 3),
    Row(
        "concatenate",
        Concatenate(0),
        (codes((1, 2), 0, [1, 2]), codes((2, 2), 1, [3, 4, 5, 6])),
        (3, 2),
        [2, 4, 3, 4, 5, 6],
        1,
    ),
    Row(
        "concatenate channels",
        Concatenate(1),
        (codes((2, 1), 0, [1, 2]), codes((2, 2), 0, [3, 4, 5, 6])),
        (2, 3),
        [1, 3, 4, 2, 5, 6],
    ),
    # Each operand is converted: 1.5 → 2 (even), 2.5 → 2 (even), 9 → 7 and counted.
    Row(
        "concatenate, rounded",
        Concatenate(-1),
        (codes((2,), 1, [3, 5]), codes((1,), 0, [9])),
        (3,),
        [2, 2, 7],
        0,
        quantizer(4, 0),
        1,
    ),
    # −log 2 = −0.693, by quarters.
    Row("log softmax", LogSoftmax(), (codes((2,), 0, [5, 5]),), (2,), [-3, -3], 2, ROUND_2),
    # The mean is 2 and the variance 1, to which 3 is added: γ·(∓1)/2 + 1/2.
    Row(
        "normalize",
        Normalize(channels(2, 2, 4, 4), 0, channels(1, 1, 1, 1), 1, Fraction(3), 2),
        (codes((2, 2), 0, [1, 3, 1, 3]),),
        (2, 2),
        [-2, 6, -6, 10],
        2,
        ROUND_2,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_instruction(row: Row) -> None:
    made = result(row.instruction, row.inputs, row.shape, row.rounded, fraction_bits=row.fraction_bits)
    inner = {} if row.accumulator_overflows is None else {"accumulator": row.accumulator_overflows}
    assert made == Codes(row.shape, row.fraction_bits, row.expected, row.overflows, inner)


def test_softmax_table() -> None:
    """Differences 0, 1/2 → 0 (even), 3; exp 1, 1, 0.0498 → 16, 16, 1 sixteenths; sum 33/16 → 2; its reciprocal 1/2."""
    table = SoftmaxTable(quantizer(8, 0), quantizer(8, 4), quantizer(8, 0), quantizer(8, 4))
    made = result(table, (codes((3,), 1, [6, 5, 0]),), (3,), fraction_bits=8)
    assert made.codes == [16 * 8, 16 * 8, 1 * 8]
    rounded = result(table, (codes((3,), 1, [6, 5, 0]),), (3,), quantizer(8, 4, Rounding.FLOOR))
    assert rounded.codes == [8, 8, 0]


def test_softmax_table_refuses_a_sum_of_zero() -> None:
    table = SoftmaxTable(quantizer(8, 0), quantizer(8, 4), quantizer(8, -3), quantizer(8, 4))
    with pytest.raises(BittrueError, match="'node' is rounded to zero"):
        result(table, (codes((2,), 0, [6, 0]),), (2,), quantizer(8, 4))


def test_softmax_table_with_a_difference_that_wraps() -> None:
    """200 wraps to −56 in eight bits; exp(56) saturates and the sum too, both honestly computed."""
    wrapping = quantizer(8, 0, overflow=Overflow.WRAP)
    table = SoftmaxTable(wrapping, quantizer(8, 0), quantizer(8, 0), quantizer(12, 10))
    assert result(table, (codes((2,), 0, [200, 0]),), (2,), fraction_bits=10).codes == [1 * 8, 127 * 8]


def normalize_table(variance: Quantizer, **changes: Any) -> NormalizeTable:
    table = NormalizeTable(
        np.array([1, 2, 3]),
        0,
        np.array([1, 0, -1]),
        1,
        Fraction(1, 4),
        1,
        mean=quantizer(8, 0),
        difference=quantizer(8, 1),
        variance=variance,
        reciprocal_root=quantizer(8, 2),
        normalized=quantizer(8, 1, Rounding.FLOOR),
    )
    return replace(table, **changes)


def test_normalize_table() -> None:
    """Of 0, 1, 3: mean 4/3 → 1; differences −1, 0, 2; variance 5/3 → 2; 1/√2.25 = 2/3 → 3/4; products −3/4, 0, 3/2, of
    which the first is −1 in halves; times 1, 2, 3 and with 1/2, 0, −1/2: −1/2, 0, 4."""
    made = result(normalize_table(quantizer(8, 0)), (codes((3,), 1, [0, 2, 6]),), (3,), fraction_bits=1)
    assert made.codes == [-1, 0, 8]
    assert set(made.inner_overflows.values()) == {0}
    bare = normalize_table(quantizer(8, 0), gamma=None, beta=None, beta_fraction_bits=0, normalized=None)
    exact = result(bare, (codes((3,), 1, [0, 2, 6]),), (3,), fraction_bits=3)
    assert exact.codes == [-6, 0, 12]
    assert "normalized" not in exact.inner_overflows


def test_normalize_table_counts_what_each_part_loses() -> None:
    """A mean of 12 saturates at 7; differences of −19 and 29 saturate at −4 and 3.5, so that the variance is 14.125 and
    saturates at 7; its root is 0.25 to two bits."""
    narrow = quantizer(4, 0)
    table = normalize_table(
        narrow, mean=narrow, difference=quantizer(4, 1), gamma=None, beta=None, beta_fraction_bits=0, normalized=None
    )
    made = result(table, (codes((2,), 0, [-12, 36]),), (2,), fraction_bits=3)
    assert made.codes == [-4 * 2 * 1 * 1, 7]
    assert made.inner_overflows == {"mean": 1, "difference": 2, "variance": 1, "reciprocal_root": 0}


def test_normalize_table_refuses_a_variance_below_zero() -> None:
    """8 wraps to −8 in four bits."""
    wrapping = normalize_table(quantizer(4, 0, overflow=Overflow.WRAP), gamma=None, beta=None, normalized=None)
    with pytest.raises(BittrueError, match="'node' has no reciprocal root of -7.75"):
        result(wrapping, (codes((3,), 0, [0, 3, 7]),), (3,), quantizer(8, 4))


def test_every_instruction_has_a_row() -> None:
    subclasses = {cls for cls in Instruction.__subclasses__() if cls.__module__.startswith("bittrue.")}
    assert set(meaning) == subclasses
    apart = {"Quantize", "Bypass", "NormalizeTable", "SoftmaxTable"}  # tested by name, here and with the engine
    assert {type(row.instruction).__name__ for row in ROWS} | apart == {cls.__name__ for cls in subclasses}


@pytest.mark.parametrize(
    ("instruction", "inputs", "shape", "sentence"),
    [
        (dense([[1], [1]]), (codes((3,), 0, [1, 2, 3]),), (1,), "weights for 2 channels and an input of 3"),
        (Divide(), (codes((1,), 0, [1]), codes((1,), 0, [0])), (1,), "divides by a code of 0"),
        (Move((2,), (1,)), (codes((1,), 0, [1]),), (2,), "reads outside"),
        (Move((2,), (1,)), (codes((2,), 0, [1, 2]),), (1,), "moves 2 codes"),
        (MultiplyTensors(True), (codes((1, 1), 0, [1]), codes((2, 1), 0, [1, 2])), (1, 1), r"multiplies \(1, 1\) by"),
        (Add(), (codes((1,), 0, [1]), codes((2,), 0, [1, 2])), (1,), "doesn't fit"),
        (Concatenate(0), (codes((1, 1), 0, [1]), codes((1, 2), 0, [1, 2])), (2, 1), "along axis 0"),
        (Select(((0, 3),)), (codes((3,), 0, [1, 2, 3]),), (2,), "place 3 of 3"),
        (WindowExtremum((1,), (1,), ((1, 0),), (1,)), (codes((1, 1), 0, [1]),), (2, 1), "over padding alone"),
        (
            WindowSum((1,), (1,), ((0, 0),), (1,), np.array([1, 1])),
            (codes((1, 1), 0, [1]),),
            (1, 1),
            "divisors of shape",
        ),
        (Clip(Fraction(1, 3), None), (codes((1,), 0, [1]),), (1,), "uses 1/3"),
        (Lookup(batch_norm(1, 0, 0, 0, Fraction(0))), (codes((1,), 0, [1]),), (1,), "'node' takes the root of 0"),
        (Lookup(batch_norm(1, 0, 0, -2, Fraction(1))), (codes((1,), 0, [1]),), (1,), "in channel 0"),
        (Reshape(), (codes((2,), 0, [1, 2]),), (3,), "2 codes"),
    ],
)
def test_refused(instruction: Instruction, inputs: tuple[Codes, ...], shape: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(BittrueError, match=sentence):
        result(instruction, inputs, shape, ROUND_2)
