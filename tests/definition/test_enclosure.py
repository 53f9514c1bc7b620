"""Bounds of irrational numbers, and the rounding that they prove."""

from fractions import Fraction

import mpmath
import pytest

from bittrue.definition.enclosure import Bounds, decide, exponential, round_number
from bittrue.errors import BittrueError
from bittrue.fixed import Rounding
from bittrue.fixed.reference import round_to_code
from definition.precision import high_precision


@pytest.mark.parametrize("x", [Fraction(1, 16), Fraction(5, 2), Fraction(40), Fraction(-3, 7), Fraction(-30)])
@pytest.mark.parametrize("precision", [10, 64, 300])
def test_exponential_bounds_hold_the_value_and_are_narrow(x: Fraction, precision: int) -> None:
    number = exponential(x)
    assert not isinstance(number, Fraction)
    low, high = number(precision)
    with mpmath.workdps(200):
        y = high_precision(mpmath.exp, x) * 2**precision
    assert low < y < high
    assert high - low <= 2


def test_exponential_out_of_reach() -> None:
    with pytest.raises(BittrueError, match="beyond what any word holds"):
        exponential(Fraction(10**6))


@pytest.mark.parametrize("rounding", Rounding)
def test_decide(rounding: Rounding) -> None:
    """At a precision of 4 bits and one fraction bit, a half-step is four units."""
    assert decide(4, 8, 4, 1, rounding) == round_to_code(Fraction(6, 16), 1, rounding)  # ends on neighbours
    assert decide(4, 9, 4, 1, rounding) is None
    assert decide(3, 5, 4, 1, rounding) is None
    assert decide(-1, 0, 4, 1, rounding) == round_to_code(Fraction(-1, 32), 1, rounding)
    assert decide(-1, 1, 4, 1, rounding) is None
    assert decide(4, 4, 4, 1, rounding) == round_to_code(Fraction(1, 4), 1, rounding)  # a tie, known exactly


def test_a_loop_that_would_not_end_is_an_error() -> None:
    """A tie that its function doesn't know for one."""

    def one_half(precision: int) -> Bounds:
        return (1 << precision - 1) - 1, (1 << precision - 1) + 1

    with pytest.raises(BittrueError, match="rational points"):
        round_number(one_half, 0, Rounding.NEAREST_EVEN)
