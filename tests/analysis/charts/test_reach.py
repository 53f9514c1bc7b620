"""How a range lies to a format, and the median of its magnitudes."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittrue.analysis.charts.reach import Fit, SiteReach, median_magnitude, site_reaches
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.plan import Guard, Plan, PlanOptions, Ranges, SiteRange, Spec, Word

EIGHT_BITS = FixedFormat(True, 8, 4)  # −8 to 7.9375 in steps of 0.0625


def site_range(low: float, high: float) -> SiteRange:
    return SiteRange(low, high, 100, 0, ((0.1, low / 2), (99.9, high / 2)), (25, 25, 25, 25))


def reach(low: float, high: float, spec: Spec) -> SiteReach:
    ranges = Ranges("sha256:0", {}, {"conv.output": site_range(low, high)})
    return site_reaches(ranges, Plan("sha256:0", PlanOptions(), {"conv.output": spec}))[0]


@pytest.mark.parametrize(
    ("low", "high", "rounding", "fit"),
    [
        (-8.0, 7.9375, Rounding.NEAREST_EVEN, Fit.WITHIN),
        (-8.0, 7.96875, Rounding.NEAREST_EVEN, Fit.BEYOND),  # a tie, which goes to the even code 128
        (-8.0, 7.96875, Rounding.NEAREST_DOWN, Fit.WITHIN),
        (-8.03125, 1.0, Rounding.NEAREST_EVEN, Fit.WITHIN),  # a tie, which goes to the even code −128
        (-8.03125, 1.0, Rounding.FLOOR, Fit.BEYOND),
        (-8.0, 7.9999, Rounding.FLOOR, Fit.WITHIN),
        (0.0, 0.03125, Rounding.NEAREST_EVEN, Fit.VANISHES),
        (0.0, 0.03125, Rounding.NEAREST_UP, Fit.WITHIN),
        (0.0, 0.0, Rounding.NEAREST_EVEN, Fit.WITHIN),
    ],
)
def test_whether_a_range_fits_is_decided_by_rounded_codes(
    low: float, high: float, rounding: Rounding, fit: Fit
) -> None:
    assert reach(low, high, Quantizer(EIGHT_BITS, rounding)).fit is fit


def test_a_symmetric_word_gives_up_its_lowest_code() -> None:
    assert reach(-8.0, 1.0, Quantizer(EIGHT_BITS)).fit is Fit.WITHIN
    assert reach(-8.0, 1.0, Quantizer(EIGHT_BITS, overflow=Overflow.SATURATE_SYMMETRIC)).fit is Fit.BEYOND


def test_the_ends_of_the_format() -> None:
    found = reach(-1.0, 2.0, Quantizer(EIGHT_BITS))
    assert (found.resolution, found.reach, found.largest, found.most) == (0.0625, 8.0, 2.0, 1.0)
    assert (found.label, found.misfit) == ("conv", False)
    unsigned = reach(0.0, 2.0, Quantizer(FixedFormat(False, 8, 4)))
    assert unsigned.reach == 15.9375


def test_sites_without_a_format_and_with_a_guarded_one() -> None:
    exact = reach(-100.0, 2.0, Word.EXACT)
    assert (exact.resolution, exact.reach, exact.fit) == (None, None, Fit.NO_FORMAT)
    assert not exact.misfit
    assert reach(-1.0, 2.0, Guard(Quantizer(EIGHT_BITS))).resolution == float(Fraction(1, 2**20))
    ranges = Ranges("sha256:0", {}, {"conv.output": site_range(-1, 1)})
    assert [found.spec for found in site_reaches(ranges, None)] == [None]


def test_zeros_count_for_nothing_in_the_median() -> None:
    """Half of the values are zeros; the others lie evenly between 0 and 4."""
    bins = (1025, 25, 25, 25)
    assert median_magnitude(SiteRange(0.0, 4.0, 1100, 1000, (), bins)) == 2.0
    assert median_magnitude(SiteRange(0.0, 4.0, 1100, 0, (), bins)) < 1.0
    assert median_magnitude(SiteRange(0.0, 0.0, 5, 5, (), (5, 0, 0, 0))) == 0.0


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3), st.floats(0.01, 3), st.booleans())
def test_the_median_is_right_to_within_two_bins(seed: int, centre: float, spread: float, rectified: bool) -> None:
    values = np.random.default_rng(seed).normal(centre, spread, 2001)
    if rectified:
        values = np.maximum(values, 0)
    low, high = float(values.min()), float(values.max())
    bins, _ = np.histogram(values, 64, (low, high))
    found = SiteRange(low, high, values.size, int((values == 0).sum()), (), tuple(bins.tolist()))
    magnitudes = np.sort(np.abs(values[values != 0])) if values.any() else np.zeros(1)
    middle = magnitudes[(magnitudes.size - 1) // 2], magnitudes[magnitudes.size // 2]
    bin_width = (high - low) / 64
    assert middle[0] - 2 * bin_width <= median_magnitude(found) <= middle[1] + 2 * bin_width
