"""Real functions of codes, correctly rounded: float64's approximation, and the exact decision by interval arithmetic.

All results are irrational but for the points listed, so that intervals of growing precision decide every rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import mpmath
import torch

from bittrue.errors import CarrierError
from bittrue.fixed import Quantizer, Rounding, round_to_code
from bittrue.program import Function, Sigmoid, Tanh

_MOST_PRECISION = 1 << 16
_GUARD_BITS = 8


@dataclass(frozen=True)
class RealFunction:
    """A function of one number that is rational at 0 alone.

    approximate: in float64. interval: the function of an interval. at_zero: its value there. reach: the integers that
    its values lie between, for the arguments that it is given.
    """

    approximate: Callable[[torch.Tensor], torch.Tensor]
    interval: Callable[[mpmath.mpi], mpmath.mpi]
    at_zero: Fraction
    reach: tuple[int, int]


def _exp(x: mpmath.mpi) -> mpmath.mpi:
    # mpmath rounds the ends in their directions, but what it rounds is itself known to a few bits beyond them only:
    # next to a number of few bits an end can lie on the wrong side.
    unit = mpmath.iv.mpf(2) ** (_GUARD_BITS - mpmath.iv.prec)
    return mpmath.iv.exp(x) * (1 + unit * mpmath.iv.mpf([-1, 1]))


def _sigmoid(x: mpmath.mpi) -> mpmath.mpi:
    return 1 / (1 + _exp(-x))


def _tanh(x: mpmath.mpi) -> mpmath.mpi:
    return 1 - 2 / (1 + _exp(2 * x))


REAL_FUNCTIONS: dict[type[Function], RealFunction] = {
    Sigmoid: RealFunction(torch.sigmoid, _sigmoid, Fraction(1, 2), (0, 1)),
    Tanh: RealFunction(torch.tanh, _tanh, Fraction(0), (-1, 1)),
}
EXP = RealFunction(torch.exp, _exp, Fraction(1), (0, 1))
"""Of numbers that are not positive, as a softmax has them."""


def function_code(code: int, fraction_bits: int, quantizer: Quantizer, function: RealFunction, what: str) -> int:
    """The rounded code of a function of one code."""
    bits, rounding = quantizer.format.fraction_bits, quantizer.rounding
    if code == 0:
        return round_to_code(function.at_zero, bits, rounding)
    return _round_interval(lambda: function.interval(_exact(code, fraction_bits)), bits, rounding, what)


def softmax_code(codes: list[int], index: int, fraction_bits: int, quantizer: Quantizer, what: str) -> int:
    """The rounded code of one output of a row; rational only where all codes are equal."""
    bits, rounding = quantizer.format.fraction_bits, quantizer.rounding
    if len(set(codes)) == 1:
        return round_to_code(Fraction(1, len(codes)), bits, rounding)

    def value() -> mpmath.mpi:
        others = [_exp(_exact(code - codes[index], fraction_bits)) for code in codes if code != codes[index]]
        return 1 / sum(others, mpmath.iv.mpf(len(codes) - len(others)))

    return _round_interval(value, bits, rounding, what)


def _exact(code: int, fraction_bits: int) -> mpmath.mpi:
    return mpmath.iv.mpf(code) * mpmath.iv.mpf(2) ** -fraction_bits


def _round_interval(evaluate: Callable[[], mpmath.mpi], bits: int, rounding: Rounding, what: str) -> int:
    """The rounded code of an irrational number given by ever narrower intervals.

    The number lies strictly inside each interval, so it is decided once both ends fall into one half-step.
    """
    precision, before = 80 + max(bits, 0), mpmath.iv.prec
    try:
        while precision <= _MOST_PRECISION:
            mpmath.iv.prec = precision
            doubled = evaluate() * mpmath.iv.mpf(2) ** (bits + 1)
            with mpmath.workprec(precision + 64):
                below = int(mpmath.floor(mpmath.mpf(doubled.a)))
                above = int(mpmath.ceil(mpmath.mpf(doubled.b))) - 1
            if below == above:
                return round_to_code(Fraction(2 * below + 1, 4), 0, rounding)
            precision *= 2
    finally:
        mpmath.iv.prec = before
    raise CarrierError(f"{what}: a result can't be told from a tie within {_MOST_PRECISION} bits; give the site fewer.")
