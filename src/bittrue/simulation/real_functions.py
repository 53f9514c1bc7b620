"""Real functions of codes, correctly rounded: float64's approximation, and the exact decision by interval arithmetic.

All results are irrational but for the points listed (of erf and GELU none is known but 0), so that intervals of growing
precision decide every rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isqrt
from typing import Any

import mpmath
import torch

from bittrue.errors import BittrueError
from bittrue.fixed import Quantizer, round_to_code
from bittrue.program import functions
from bittrue.rules import RuleTable
from bittrue.simulation import intervals

_MOST_TAIL = 1 << 13
SMALLEST_ERROR = 2.0**-60
_ERROR = 2.0**-36
"""Taken as the error of float64's exp, tanh and the like, relative to the result: tens of thousands of times what the
mathematical libraries state."""


def _rational_everywhere(x: mpmath.mpi) -> mpmath.mpi:
    raise AssertionError("a function whose values are rational needs no interval")


@dataclass(frozen=True)
class RealFunction:
    """A function of one number.

    approximate: in float64, to within 2^-36 of the result or `absolute_error`. rational: its value where that is
    rational, None elsewhere; raises ValueError, which says what the number lacks, where there is no value. interval:
    the function of an interval; never asked where `rational` knows every value. tail: two numbers that an irrational
    value lies strictly between, narrow far from 0, where they spare the intervals.
    """

    approximate: Callable[[torch.Tensor], torch.Tensor]
    rational: Callable[[Fraction], Fraction | None]
    interval: Callable[[mpmath.mpi], mpmath.mpi] = _rational_everywhere
    absolute_error: float = SMALLEST_ERROR
    tail: Callable[[Fraction], tuple[Fraction, Fraction]] | None = None


real_function: RuleTable[Callable[[Any], RealFunction]] = RuleTable("real function", gaps_allowed=True)
"""Rules `(function) -> RealFunction`."""

real_function.unsupported(functions.BatchNorm, reason="it differs by channel and is decided by signs and squares")


def _only_at(point: int, value: Fraction) -> Callable[[Fraction], Fraction | None]:
    return lambda x: value if x == point else None


# Tails


def _above_exp(a: Fraction) -> Fraction:
    """A power of two above exp(−a) for a ≥ 0, as log₂ e > 23/16."""
    return Fraction(1, 1 << min(int(a * 23 / 16), _MOST_TAIL))


def _gated(x: Fraction, beyond: Fraction) -> tuple[Fraction, Fraction]:
    """x times a share that is within `beyond` of 1 above 0, and of 0 below."""
    return (x, x - x * beyond) if x > 0 else (Fraction(0), x * beyond)


def _odd(x: Fraction, beyond: Fraction) -> tuple[Fraction, Fraction]:
    """±1, less up to `beyond`."""
    sign = 1 if x > 0 else -1
    return Fraction(sign), sign * (1 - beyond)


def _sigmoid_tail(x: Fraction) -> tuple[Fraction, Fraction]:
    beyond = _above_exp(abs(x))
    return (Fraction(1), 1 - beyond) if x > 0 else (Fraction(0), beyond)


def _softplus_tail(x: Fraction) -> tuple[Fraction, Fraction]:
    linear = max(x, Fraction(0))
    return linear, linear + _above_exp(abs(x))


def _log_sigmoid_tail(x: Fraction) -> tuple[Fraction, Fraction]:
    first, second = _softplus_tail(-x)
    return -first, -second


# Rules


@real_function.rule(functions.Sigmoid)
def _(function: functions.Sigmoid) -> RealFunction:
    return RealFunction(torch.sigmoid, _only_at(0, Fraction(1, 2)), intervals.sigmoid, tail=_sigmoid_tail)


@real_function.rule(functions.Tanh)
def _(function: functions.Tanh) -> RealFunction:
    return RealFunction(
        torch.tanh, _only_at(0, Fraction(0)), intervals.tanh, tail=lambda x: _odd(x, 2 * _above_exp(2 * abs(x)))
    )


@real_function.rule(functions.Exp)
def _(function: functions.Exp) -> RealFunction:
    def rational(x: Fraction) -> Fraction | None:
        if x > functions.LARGEST_EXPONENT:
            raise ValueError(f"the exponential of a number above {functions.LARGEST_EXPONENT}, which no word holds")
        return Fraction(1) if x == 0 else None

    return RealFunction(torch.exp, rational, intervals.exp)


@real_function.rule(functions.Log)
def _(function: functions.Log) -> RealFunction:
    def rational(x: Fraction) -> Fraction | None:
        if x <= 0:
            raise ValueError("the logarithm of 0" if x == 0 else "the logarithm of a negative number")
        return Fraction(0) if x == 1 else None

    return RealFunction(torch.log, rational, lambda x: intervals.padded(mpmath.iv.log(x)))


@real_function.rule(functions.Sqrt)
def _(function: functions.Sqrt) -> RealFunction:
    def rational(x: Fraction) -> Fraction | None:
        if x < 0:
            raise ValueError("the square root of a negative number")
        root = Fraction(isqrt(x.numerator), isqrt(x.denominator))
        return root if root * root == x else None

    return RealFunction(torch.sqrt, rational, lambda x: intervals.padded(mpmath.iv.sqrt(x)))


@real_function.rule(functions.Reciprocal)
def _(function: functions.Reciprocal) -> RealFunction:
    def rational(x: Fraction) -> Fraction:
        if x == 0:
            raise ValueError("the reciprocal of 0")
        return 1 / x

    return RealFunction(torch.reciprocal, rational)


@real_function.rule(functions.Square)
def _(function: functions.Square) -> RealFunction:
    return RealFunction(torch.square, lambda x: x * x)


@real_function.rule(functions.Erf)
def _(function: functions.Erf) -> RealFunction:
    return RealFunction(torch.erf, _only_at(0, Fraction(0)), intervals.erf, tail=lambda x: _odd(x, _above_exp(x * x)))


@real_function.rule(functions.ELU)
def _(function: functions.ELU) -> RealFunction:
    return _elu(Fraction(function.alpha), Fraction(1))


@real_function.rule(functions.SELU)
def _(function: functions.SELU) -> RealFunction:
    return _elu(Fraction(function.alpha), Fraction(function.scale))


def _elu(exact_alpha: Fraction, exact_scale: Fraction) -> RealFunction:
    alpha, scale, factor = float(exact_alpha), float(exact_scale), exact_scale * exact_alpha

    def rational(x: Fraction) -> Fraction | None:
        if x >= 0:
            return exact_scale * x
        return Fraction(0) if factor == 0 else None

    def interval(x: mpmath.mpi) -> mpmath.mpi:
        return mpmath.iv.mpf(factor.numerator) / factor.denominator * (intervals.exp(x) - 1)

    return RealFunction(
        lambda x: torch.where(x > 0, scale * x, scale * alpha * torch.expm1(x.clamp(max=0))),
        rational,
        interval,
        tail=lambda x: (-factor, -factor + factor * _above_exp(-x)),
    )


@real_function.rule(functions.GELU)
def _(function: functions.GELU) -> RealFunction:
    def by_erf(x: torch.Tensor) -> torch.Tensor:
        return x * torch.erfc(x * -(0.5**0.5)) * 0.5

    def by_tanh(x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid((8 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))

    def tail(x: Fraction) -> tuple[Fraction, Fraction]:
        return _gated(x, _above_exp(x * x / 2))

    def tail_by_tanh(x: Fraction) -> tuple[Fraction, Fraction]:
        """2·√(2/π) > 3/2, and 0.044715 times that is more than 1/16."""
        return _gated(x, _above_exp(abs(x) * 3 / 2 + abs(x) ** 3 / 16))

    if function.approximate:
        return RealFunction(by_tanh, _only_at(0, Fraction(0)), intervals.gelu_by_tanh, tail=tail_by_tanh)
    return RealFunction(by_erf, _only_at(0, Fraction(0)), intervals.gelu, tail=tail)


@real_function.rule(functions.SiLU)
def _(function: functions.SiLU) -> RealFunction:
    return RealFunction(
        lambda x: x * torch.sigmoid(x),
        _only_at(0, Fraction(0)),
        lambda x: x * intervals.sigmoid(x),
        tail=lambda x: _gated(x, _above_exp(abs(x))),
    )


@real_function.rule(functions.Mish)
def _(function: functions.Mish) -> RealFunction:
    def tail(x: Fraction) -> tuple[Fraction, Fraction]:
        return _gated(x, 2 * _above_exp(2 * x if x > 0 else -x))

    return RealFunction(
        lambda x: x * torch.tanh(_approximate_softplus(x)), _only_at(0, Fraction(0)), intervals.mish, tail=tail
    )


@real_function.rule(functions.Softplus)
def _(function: functions.Softplus) -> RealFunction:
    return RealFunction(_approximate_softplus, lambda x: None, intervals.softplus, tail=_softplus_tail)


@real_function.rule(functions.LogSigmoid)
def _(function: functions.LogSigmoid) -> RealFunction:
    return RealFunction(
        lambda x: -_approximate_softplus(-x), lambda x: None, lambda x: -intervals.softplus(-x), tail=_log_sigmoid_tail
    )


def _approximate_softplus(x: torch.Tensor) -> torch.Tensor:
    return x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))


@real_function.rule(functions.Softsign)
def _(function: functions.Softsign) -> RealFunction:
    return RealFunction(lambda x: x / (1 + x.abs()), lambda x: x / (1 + abs(x)))


@real_function.rule(functions.Sign)
def _(function: functions.Sign) -> RealFunction:
    return RealFunction(torch.sign, lambda x: Fraction((x > 0) - (x < 0)))


@real_function.rule(functions.HardSigmoid)
def _(function: functions.HardSigmoid) -> RealFunction:
    slope, offset = float(function.slope), float(function.offset)
    exact_slope, exact_offset = Fraction(function.slope), Fraction(function.offset)

    def rational(x: Fraction) -> Fraction:
        return min(max(exact_slope * x + exact_offset, Fraction(0)), Fraction(1))

    # Near 0 the sum of larger numbers has their error.
    return RealFunction(
        lambda x: (slope * x + offset).clamp(0, 1), rational, absolute_error=(1 + abs(offset)) * 2.0**-50
    )


@real_function.rule(functions.HardSwish)
def _(function: functions.HardSwish) -> RealFunction:
    return RealFunction(
        lambda x: x * (x + 3).clamp(0, 6) / 6, lambda x: x * min(max(x + 3, Fraction(0)), Fraction(6)) / 6
    )


EXP = real_function[functions.Exp](functions.Exp())
"""Of numbers that are not positive, as a softmax has them."""


def error_of(reals: torch.Tensor, quantizer: Quantizer, absolute: float) -> torch.Tensor:
    """How far approximations in units of the quantizer's last bit may be off, with an absolute part for results that
    float64 can't tell from an end of the function's range."""
    return reals.abs() * _ERROR + absolute * 2.0**quantizer.format.fraction_bits


def function_code(code: int, fraction_bits: int, quantizer: Quantizer, function: RealFunction, what: str) -> int:
    """The rounded code of a function of one code; raises BittrueError where the function has no value."""
    bits, rounding = quantizer.format.fraction_bits, quantizer.rounding
    x = code * Fraction(2) ** -fraction_bits
    try:
        value = function.rational(x)
    except ValueError as error:
        raise BittrueError(
            f"site {what}.output: it takes {error}; give its input a range in which such a number doesn't occur."
        ) from None
    if value is not None:
        return round_to_code(value, bits, rounding)
    if function.tail is not None:
        ends = [end * Fraction(2) ** (bits + 1) for end in function.tail(x)]
        below, above = floor(min(ends)), ceil(max(ends)) - 1
        if below == above:
            return round_to_code(Fraction(2 * below + 1, 4), 0, rounding)
    return intervals.round_interval(
        lambda: function.interval(intervals.exact(code, fraction_bits)), bits, rounding, what
    )
