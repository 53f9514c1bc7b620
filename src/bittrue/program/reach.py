"""What the values of a function of one code lie between, for inputs between two numbers."""

from collections.abc import Callable
from fractions import Fraction
from math import ceil, inf, isqrt
from typing import Any

from bittrue.program.functions import (
    ELU,
    GELU,
    BatchNorm,
    Erf,
    Exp,
    Function,
    HardSigmoid,
    HardSwish,
    Log,
    LogSigmoid,
    Mish,
    Reciprocal,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Sqrt,
    Square,
    Tanh,
)
from bittrue.rules import RuleTable

Number = Fraction | float
"""An exact number, or an infinity where nothing bounds it."""

LARGEST_EXPONENT = 1 << 12
"""The largest number that Exp takes."""

Reach = tuple[Number, Number]

reach: RuleTable[Callable[[Any, Number, Number, Fraction], Reach]] = RuleTable("reach", gaps_allowed=True)
"""Rules `(function, low, high, unit) -> (low, high)` for inputs from low to high that are multiples of unit."""

reach.unsupported(BatchNorm, reason="its parameters bound it, channel by channel, where it is computed")


@reach.rule(Sigmoid, HardSigmoid)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    return Fraction(0), Fraction(1)


@reach.rule(Tanh, Erf, Softsign)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    return Fraction(-1), Fraction(1)


@reach.rule(GELU, SiLU, Mish, HardSwish)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    """None falls below −0.375, none exceeds its input."""
    return Fraction(-1, 2) if low < 0 else Fraction(0), max(high, Fraction(0))


@reach.rule(ELU)
def _(function: ELU, low: Number, high: Number, unit: Fraction) -> Reach:
    below = -function.alpha * function.scale
    ends = (Fraction(0), below if low < 0 else Fraction(0), function.scale * high if high > 0 else Fraction(0))
    return min(ends), max(ends)


@reach.rule(Softplus)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    return Fraction(0), max(high, Fraction(0)) + 1


@reach.rule(LogSigmoid)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    return min(low, Fraction(0)) - 1, Fraction(0)


@reach.rule(Exp)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    """e < 2^(3/2)."""
    if high == inf:
        return Fraction(0), inf
    largest = min(max(high, Fraction(0)), Fraction(LARGEST_EXPONENT))
    return Fraction(0), Fraction(1 << ceil(largest * 3 / 2))


@reach.rule(Log)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    """|log x| < |log₂ x|, and x is at least a unit."""
    below = -max(unit.denominator.bit_length() - 1, 0)
    return Fraction(below), high if high == inf else Fraction(max(ceil(high), 1).bit_length())


@reach.rule(Sqrt)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    return Fraction(0), high if high == inf else Fraction(isqrt(max(ceil(high), 0)) + 1)


@reach.rule(Reciprocal)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    return -1 / unit if low < 0 else Fraction(0), 1 / unit if high > 0 else Fraction(0)


@reach.rule(Square)
def _(function: Function, low: Number, high: Number, unit: Fraction) -> Reach:
    return Fraction(0), max(low * low, high * high)
