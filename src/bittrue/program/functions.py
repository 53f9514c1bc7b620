"""The functions of one code that a Lookup evaluates: real functions of the number that a code stands for (B8).

Each docstring lists where the value is rational; elsewhere bounds of growing precision decide its rounding. Below each
class stands what its values lie between, for inputs between two numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf, isqrt
from typing import TYPE_CHECKING, Any

from bittrue.errors import ModelError
from bittrue.rules import RuleTable

if TYPE_CHECKING:  # so that the definition, which reads these classes, stands on the standard library
    import numpy as np

Number = Fraction | float
"""An exact number, or an infinity where nothing bounds it."""

Reach = tuple[Number, Number]

LARGEST_EXPONENT = 1 << 12
"""The largest number that Exp takes."""

reach: RuleTable[Callable[[Any, Number, Number, Fraction], Reach]] = RuleTable("reach", gaps_allowed=True)
"""Rules `(function, low, high, unit) -> (low, high)` for inputs from low to high that are multiples of unit."""


@dataclass(frozen=True, eq=False)
class Function:
    """Base of the functions of one code that a Lookup evaluates. Numbers in fields are taken exactly as stored; a field
    may differ by channel (the last axis)."""


@dataclass(frozen=True, eq=False)
class Sigmoid(Function):
    """1 / (1 + exp(−x)); rational only at 0."""


@dataclass(frozen=True, eq=False)
class HardSigmoid(Function):
    """min(max(slope·x + offset, 0), 1): rational.

    slope, offset: Keras 3 and PyTorch divide by 6, so their slope is the fraction 1/6; Keras 2's is the decimal number
    0.2, ONNX's the binary32 number that the attribute holds.
    """

    slope: Fraction | float = Fraction(1, 6)
    offset: Fraction | float = 0.5


@reach.rule(Sigmoid, HardSigmoid)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    return Fraction(0), Fraction(1)


@dataclass(frozen=True, eq=False)
class Tanh(Function):
    """tanh x; rational only at 0."""


@dataclass(frozen=True, eq=False)
class Erf(Function):
    """2/√π · ∫₀ˣ exp(−t²) dt; 0 at 0. No other rational value is known, and none is proven impossible: a rounding that
    no precision decides would be an error."""


@dataclass(frozen=True, eq=False)
class Softsign(Function):
    """x/(1 + |x|): rational."""


@dataclass(frozen=True, eq=False)
class Sign(Function):
    """−1 below 0, 0 at 0, 1 above: rational."""


@reach.rule(Tanh, Erf, Softsign, Sign)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    return Fraction(-1), Fraction(1)


@dataclass(frozen=True, eq=False)
class GELU(Function):
    """x/2·(1 + erf(x/√2)), or where `approximate` x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))); 0 at 0, and as with Erf no
    other rational value is known. 0.044715 is that decimal number exactly."""

    approximate: bool


@dataclass(frozen=True, eq=False)
class SiLU(Function):
    """x/(1 + exp(−x)), also called swish; rational only at 0."""


@dataclass(frozen=True, eq=False)
class Mish(Function):
    """x·tanh(log(1 + exp x)); rational only at 0."""


@dataclass(frozen=True, eq=False)
class HardSwish(Function):
    """x·min(max(x + 3, 0), 6)/6: rational; the division is exact, as in Keras and PyTorch."""


@reach.rule(GELU, SiLU, Mish, HardSwish)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    """None falls below −0.375, none exceeds its input."""
    return Fraction(-1, 2) if low < 0 else Fraction(0), max(high, Fraction(0))


@dataclass(frozen=True, eq=False)
class ELU(Function):
    """x where x ≥ 0, alpha·(exp x − 1) below, which is rational only where alpha = 0."""

    alpha: Fraction | float = 1.0


@dataclass(frozen=True, eq=False)
class SELU(Function):
    """scale·x where x ≥ 0, scale·alpha·(exp x − 1) below, which is rational only where alpha = 0.

    alpha, scale: binary64 in Keras and PyTorch, whose constants are the defaults, binary32 in ONNX. Raises ModelError
    where scale isn't above 0.
    """

    alpha: Fraction | float = 1.6732632423543772
    scale: Fraction | float = 1.0507009873554805

    def __post_init__(self) -> None:
        if self.scale <= 0:
            raise ModelError(f"a SELU's scale is above 0, and this one's is {float(self.scale):g}.")


@reach.rule(ELU)
def _(function: ELU, low: Number, high: Number, unit: Fraction) -> Reach:
    return _elu_reach(Fraction(function.alpha), Fraction(1), low, high)


@reach.rule(SELU)
def _(function: SELU, low: Number, high: Number, unit: Fraction) -> Reach:
    return _elu_reach(Fraction(function.alpha), Fraction(function.scale), low, high)


def _elu_reach(alpha: Fraction, scale: Fraction, low: Number, high: Number) -> Reach:
    ends = (Fraction(0), -alpha * scale if low < 0 else Fraction(0), scale * high if high > 0 else Fraction(0))
    return min(ends), max(ends)


@dataclass(frozen=True, eq=False)
class Softplus(Function):
    """log(1 + exp x); rational nowhere."""


@reach.rule(Softplus)
def _(function: Softplus, low: Number, high: Number, unit: Fraction) -> Reach:
    return Fraction(0), max(high, Fraction(0)) + 1


@dataclass(frozen=True, eq=False)
class LogSigmoid(Function):
    """−log(1 + exp(−x)); rational nowhere."""


@reach.rule(LogSigmoid)
def _(function: LogSigmoid, low: Number, high: Number, unit: Fraction) -> Reach:
    return min(low, Fraction(0)) - 1, Fraction(0)


@dataclass(frozen=True, eq=False)
class Exp(Function):
    """exp x; rational only at 0. Numbers above 4096 are refused: no word holds their exponential."""


@reach.rule(Exp)
def _(function: Exp, low: Number, high: Number, unit: Fraction) -> Reach:
    """e < 2^(3/2)."""
    if high == inf:
        return Fraction(0), inf
    largest = min(max(high, Fraction(0)), Fraction(LARGEST_EXPONENT))
    return Fraction(0), Fraction(1 << ceil(largest * 3 / 2))


@dataclass(frozen=True, eq=False)
class Log(Function):
    """The natural logarithm of x > 0; rational only at 1. Other numbers have none: an error where one occurs."""


@reach.rule(Log)
def _(function: Log, low: Number, high: Number, unit: Fraction) -> Reach:
    """|log x| < |log₂ x|, and x is at least a unit."""
    below = -max(unit.denominator.bit_length() - 1, 0)
    return Fraction(below), high if high == inf else Fraction(max(ceil(high), 1).bit_length())


@dataclass(frozen=True, eq=False)
class Sqrt(Function):
    """√x for x ≥ 0: dyadic or irrational. Of a negative number: an error where one occurs."""


@reach.rule(Sqrt)
def _(function: Sqrt, low: Number, high: Number, unit: Fraction) -> Reach:
    return Fraction(0), high if high == inf else Fraction(isqrt(max(ceil(high), 0)) + 1)


@dataclass(frozen=True, eq=False)
class Reciprocal(Function):
    """1/x: rational. Of 0: an error where it occurs."""


@reach.rule(Reciprocal)
def _(function: Reciprocal, low: Number, high: Number, unit: Fraction) -> Reach:
    return -1 / unit if low < 0 else Fraction(0), 1 / unit if high > 0 else Fraction(0)


@dataclass(frozen=True, eq=False)
class Square(Function):
    """x²: rational."""


@reach.rule(Square)
def _(function: Square, low: Number, high: Number, unit: Fraction) -> Reach:
    return Fraction(0), max(low * low, high * high)


@dataclass(frozen=True, eq=False)
class BatchNorm(Function):
    """gamma·(x − mean) / √(variance + epsilon) + beta per channel, of rounded parameters (B7, `raw`).

    Codes of shape (channels,) with their fraction bits; gamma and beta may be None (1 and 0). epsilon: the stored
    number, exactly.
    """

    gamma: np.ndarray | None
    gamma_fraction_bits: int
    beta: np.ndarray | None
    beta_fraction_bits: int
    mean: np.ndarray
    mean_fraction_bits: int
    variance: np.ndarray
    variance_fraction_bits: int
    epsilon: Fraction


reach.unsupported(BatchNorm, reason="its parameters bound it, channel by channel, where it is computed")
