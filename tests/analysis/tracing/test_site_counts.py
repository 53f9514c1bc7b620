"""How many fraction bits keep a number from becoming 0, by the definition of each rounding mode."""

from fractions import Fraction

import numpy as np
import pytest

from bittrue.analysis.tracing.site_counts import QuantizerCounts, needed_bits
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, quantize

VALUES = [sign * numerator * 2.0**exponent for sign in (1, -1) for numerator in (1, 3, 5, 7) for exponent in (-9, 0, 4)]


def code(value: float, fraction_bits: int, rounding: Rounding) -> int:
    return quantize(Fraction(value), Quantizer(FixedFormat(True, 40, fraction_bits), rounding))


@pytest.mark.parametrize("rounding", Rounding)
def test_the_needed_bits_are_enough_and_not_too_many(rounding: Rounding) -> None:
    loses_most = Rounding.TRUNCATE if rounding in (Rounding.FLOOR, Rounding.TRUNCATE) else Rounding.NEAREST_TO_ZERO
    for value, bits in zip(VALUES, needed_bits(np.array(VALUES), rounding).tolist(), strict=True):
        assert code(value, bits, rounding) != 0
        assert code(value, bits, loses_most) != 0
        assert code(value, bits - 1, loses_most) == 0


def test_a_mode_that_it_does_not_know_is_no_rounding_to_the_nearest() -> None:
    with pytest.raises(AssertionError):
        needed_bits(np.array(VALUES), "STOCHASTIC")  # type: ignore[arg-type]


def test_every_overflow_mode_has_its_word() -> None:
    words = {mode: QuantizerCounts([Quantizer(FixedFormat(True, 8, 4), overflow=mode)]).overflow for mode in Overflow}
    assert words.pop(Overflow.WRAP) == "wrapped"
    assert words.pop(Overflow.UNBOUNDED) == "would have overflowed"
    assert set(words.values()) == {"saturated"}
