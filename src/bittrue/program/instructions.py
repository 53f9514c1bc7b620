"""The instructions of a FixedNetwork: what fixed-point hardware does, in integers.

A *code* c with F fraction bits stands for the value c·2^(−F). Each instruction computes an exact result from the codes
of its inputs; where the step that holds it has a quantizer, that result is rounded once and its overflow handled (B3,
B4); without one the exact code is passed on (EXACT). Tensors are channels last, (height, width, channels), batch axis
left out; parameters have their output channel on the last axis.

All arrays of codes are NumPy integer arrays, or arrays of Python integers (the dtype object) where int64 doesn't hold
a code with room to spare. `F_x` below is the input's number of fraction bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from bittrue.fixed import Quantizer
from bittrue.program.functions import Function
from bittrue.shapes import Padding, Shape

if TYPE_CHECKING:  # so that the definition, which reads these classes, stands on the standard library
    import numpy as np


@dataclass(frozen=True, eq=False)
class Instruction:
    """Base of all instructions."""


@dataclass(frozen=True, eq=False)
class Quantize(Instruction):
    """The network's input: a float32 value, which is an exact number, becomes a code by the step's quantizer (B11)."""


@dataclass(frozen=True, eq=False)
class MultiplyAccumulate(Instruction):
    """Sum of products with constant weights, plus bias (B6): convolutions of any rank and dense layers.

    y[p, c] = Σ_k x[p·stride + k·dilation − padding_low, group(c), i] · w[k, i, c] + b[c], an exact sum, in the order
    kernel rows, kernel columns, input channels innermost; positions in the padding count as zero.

    weight: codes, shape (*kernel, in_channels / groups, out_channels); kernel is () for a dense layer, which acts on
    the last axis of an input of any rank. weight_fraction_bits: one a tensor (length 1) or one an output channel.
    bias: codes, shape (out_channels,), or None. bias_fraction_bits: its F.
    The exact result is aligned to `fraction_bits` = max(F_x + max weight_fraction_bits, bias_fraction_bits).
    accumulator: None for an exact sum. Else a₀ = Q(bias), aᵢ = Q(aᵢ₋₁ + pᵢ) in the stated order; the result has the
    accumulator's F. quantized_products: with an accumulator, aᵢ = Q(aᵢ₋₁ + Q(pᵢ)) instead (as hls4ml stores products).
    """

    weight: np.ndarray
    weight_fraction_bits: tuple[int, ...]
    bias: np.ndarray | None
    bias_fraction_bits: int
    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    groups: int
    accumulator: Quantizer | None = None
    quantized_products: bool = False


@dataclass(frozen=True, eq=False)
class Add(Instruction):
    """y = x₁ + x₂ + …: operands whose shapes broadcast as NumPy's do, aligned to the largest of their fraction bits."""


@dataclass(frozen=True, eq=False)
class MultiplyTensors(Instruction):
    """Products of two values x and w, F = F_x + F_w.

    matrices: False for y = x·w, element by element, in shapes that broadcast as NumPy's do. True for the matrix product
    y[…, m, n] = Σ_k x[…, m, k]·w[…, k, n] over the last two axes, those before them broadcasting: an exact sum (B6).
    accumulator, quantized_products: as in MultiplyAccumulate, without a bias and with k ascending, for matrices only.
    """

    matrices: bool
    accumulator: Quantizer | None = None
    quantized_products: bool = False


@dataclass(frozen=True, eq=False)
class Divide(Instruction):
    """y = x / d: exact rational numbers, rounded by the step's quantizer, which must be there.

    divisor: codes of a constant d that broadcasts against x, none of them 0, with `divisor_fraction_bits`; None where
    d is the step's second input and both broadcast as NumPy's arrays do. A code 0 in that input is an error.
    """

    divisor: np.ndarray | None = None
    divisor_fraction_bits: int = 0


@dataclass(frozen=True, eq=False)
class Extremum(Instruction):
    """y = max(x₁, x₂, …), or the minimum where `largest` is False: shapes and alignment as in Add."""

    largest: bool


@dataclass(frozen=True, eq=False)
class ScaleOffset(Instruction):
    """y[…, c] = scale[c]·x + offset[c] where x ≥ threshold, else scale_below[c]·x + offset_below[c].

    scale, offset: codes with `scale_fraction_bits` and `offset_fraction_bits`, of one axis or more, in shapes that
    broadcast against x without changing its own: (channels,), (1,), or a number for each element.
    `below` is None where one branch serves all. The exact result has F = max(F_x + largest scale F, largest offset F).
    Batch normalization in `affine` form has one branch; LeakyReLU and PReLU have two (scale 1 above zero).
    """

    scale: np.ndarray
    scale_fraction_bits: int
    offset: np.ndarray
    offset_fraction_bits: int
    below: Below | None = None


@dataclass(frozen=True, eq=False)
class Below:
    """The branch of a ScaleOffset for x < threshold (an exact number); the same fraction bits as the upper branch."""

    threshold: Fraction
    scale: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True, eq=False)
class Clip(Instruction):
    """y = min(max(x, low), high), bounds being exact dyadic numbers or None. ReLU is low = 0.

    The exact result has F = max(F_x, the bounds' own F), so a bound off the input's grid is met exactly.
    """

    low: Fraction | None
    high: Fraction | None


@dataclass(frozen=True, eq=False)
class WindowExtremum(Instruction):
    """y[p, c] = max (or min) over the window at p of x[…, c]; padded positions take no part (B10). F = F_x.

    One entry a spatial axis in each field; minimum: take the least instead of the largest. The result takes the step's
    shape, which may leave out axes of size 1.
    """

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    minimum: bool = False


@dataclass(frozen=True, eq=False)
class WindowSum(Instruction):
    """y[p, c] = Σ over the window at p of x[…, c] / divisor[p]: an exact rational number (B10); padding counts as zero.

    divisor: positive integers, one an output position, shape = the output's spatial shape. The exact result is dyadic
    only where every divisor is a power of two: then F = F_x + log2 of the largest; else the step must have a quantizer.
    The result takes the step's shape, which may leave out axes of size 1.
    """

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    divisor: np.ndarray


@dataclass(frozen=True, eq=False)
class Lookup(Instruction):
    """y = the real function of the input code, correctly rounded by the step's quantizer, which must be there (B8)."""

    function: Function


@dataclass(frozen=True, eq=False)
class Softmax(Instruction):
    """y_i = exp(x_i) / Σ_j exp(x_j) over the last axis, correctly rounded per output (B9): rational only where all x
    are equal.

    mask: True where a position takes part, in the step's shape, at least one in every row; the others count in no sum
    and are exactly 0. None for all.
    """

    mask: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class LogSoftmax(Instruction):
    """y_i = x_i − log Σ_j exp(x_j) over the last axis, correctly rounded per output: rational (0) only over one
    input."""


@dataclass(frozen=True, eq=False)
class Normalize(Instruction):
    """y_i = gamma_i·(x_i − m)/√(v + epsilon) + beta_i over the last `axes` axes, correctly rounded per output (B9).

    m, v: the mean and the population variance (Σ(x_i − m)²/n) of the n input codes over these axes. gamma, beta: codes
    of shape (n,), in row-major order, with their fraction bits, or None (1 and 0). epsilon: the stored number exactly,
    above 0.
    """

    gamma: np.ndarray | None
    gamma_fraction_bits: int
    beta: np.ndarray | None
    beta_fraction_bits: int
    epsilon: Fraction
    axes: int = 1


@dataclass(frozen=True, eq=False)
class SoftmaxTable(Instruction):
    """Softmax as hardware computes it (B9), over the last axis, each part rounded by its own quantizer:

    d_i = Q_difference(max x − x_i), e_i = Q_exp(exp(−d_i)), s = Q_sum(Σ e_j), r = Q_reciprocal(1/s), y_i = Q(e_i · r).
    Lowering refuses formats under which the code of s can reach 0. mask: as in Softmax; masked positions have no
    difference and no exponential, and so no overflow of them.
    """

    difference: Quantizer
    exp: Quantizer
    sum: Quantizer
    reciprocal: Quantizer
    mask: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class NormalizeTable(Instruction):
    """Normalize as hardware computes it (B9), over the n codes of the last `axes` axes, each part rounded by its own
    quantizer:

    m = Q_mean(Σ x_j / n), d_i = Q_difference(x_i − m), v = Q_variance(Σ d_j² / n),
    r = Q_reciprocal_root(1/√(v + epsilon)), z_i = Q_normalized(d_i · r), y_i = Q(gamma_i · z_i + beta_i).

    gamma, beta, epsilon: as in Normalize. normalized: None where z is passed on exactly. `v + epsilon` that is not
    above 0 is an error; lowering refuses formats under which v can be negative.
    """

    gamma: np.ndarray | None
    gamma_fraction_bits: int
    beta: np.ndarray | None
    beta_fraction_bits: int
    epsilon: Fraction
    axes: int
    mean: Quantizer
    difference: Quantizer
    variance: Quantizer
    reciprocal_root: Quantizer
    normalized: Quantizer | None


@dataclass(frozen=True, eq=False)
class Reshape(Instruction):
    """The same codes in another shape (row-major order), which is the step's; also the identity."""


@dataclass(frozen=True, eq=False)
class Pad(Instruction):
    """`value`, an exact dyadic number, around the input: `padding` holds (before, after) for each axis.

    The exact result has F = max(F_x, the value's own F).
    """

    padding: Padding
    value: Fraction = Fraction(0)


@dataclass(frozen=True, eq=False)
class Move(Instruction):
    """y = x[offset + Σ_k i_k·strides_k] over the flat input, where i runs over `sizes` in row-major order.

    An affine address generator: transpositions, slices (a stride may be negative) and repetitions (a stride of 0).
    The result takes the step's shape. F = F_x.
    """

    sizes: Shape
    strides: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True, eq=False)
class Select(Instruction):
    """y[p₀, p₁, …] = x[indices[0][p₀], indices[1][p₁], …], and 0 where one of the indices is −1. F = F_x.

    indices: for each axis, channels included, the places that are read, in order, each as often as it stands there;
    None for an axis that is passed on as it is.
    """

    indices: tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True, eq=False)
class Concatenate(Instruction):
    """The operands one after the other along `axis` (batch axis left out), each aligned to the largest F, then the
    quantizer."""

    axis: int


@dataclass(frozen=True, eq=False)
class Bypass(Instruction):
    """FLOAT (B5): the operator in float32, on inputs converted to float32; a quantizer of the step takes that float32
    as exact.

    operator: the float operator with its quantized parameters put in; the simulation evaluates it by the operators'
    float values. From there on nothing is called exact.
    """

    operator: object
