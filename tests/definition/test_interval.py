"""Arithmetic whose every operation is directed outward, and the enclosures made of it."""

from fractions import Fraction

import mpmath
import pytest

from bittrue.definition.interval import Interval, erf_of_root, log, pi
from definition.precision import exactly


@pytest.mark.parametrize("bits", [1, 20, 300])
def test_enclosures_hold_their_numbers_and_are_narrow(bits: int) -> None:
    with mpmath.workdps(200):
        known = [
            (pi(bits), mpmath.pi + 0),
            (log(Fraction(7, 3), bits), mpmath.log(mpmath.mpf(7) / 3)),
            (log(Fraction(1, 1000), bits), mpmath.log(mpmath.mpf(1) / 1000)),
            (log(Fraction(2**100 + 1, 2**100), bits), mpmath.log1p(mpmath.mpf(2) ** -100)),
            (erf_of_root(Fraction(9, 16), bits), mpmath.erf(0.75)),
            (erf_of_root(Fraction(19), bits), mpmath.erf(mpmath.sqrt(19))),
            (Interval.around(2, bits).root(), mpmath.sqrt(2)),
        ]
        for enclosed, number in known:
            low, high = enclosed.ends
            assert low <= exactly(number) <= high
            assert high - low <= Fraction(64, 2**bits) * max(1, bits // 8)


def test_arithmetic_is_directed_outward() -> None:
    third, minus_two = Interval.around(Fraction(1, 3), 4), Interval.around(-2, 4)
    assert (third.low, third.high) == (5, 6)
    assert ((third * third).low, (third * third).high) == (1, 3)
    assert ((third * minus_two).low, (third * minus_two).high) == (-12, -10)
    assert ((minus_two / third).low, (minus_two / third).high) == (-103, -85)
    assert ((1 - third).low, (1 - third).high) == (10, 11)
