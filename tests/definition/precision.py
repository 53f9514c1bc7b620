"""Real numbers from mpmath, right to about 200 digits."""

from collections.abc import Callable
from fractions import Fraction

import mpmath


def exactly(number: mpmath.mpf) -> Fraction:
    numerator, denominator = mpmath.libmp.to_rational(number._mpf_)
    return Fraction(int(numerator), int(denominator))


def high_precision(function: Callable[[mpmath.mpf], mpmath.mpf], x: Fraction) -> Fraction:
    """The function's value, right to about 200 digits."""
    with mpmath.workdps(200):
        return exactly(function(mpmath.mpf(x.numerator) / x.denominator))
