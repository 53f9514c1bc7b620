"""Intervals and tests against published values, SciPy, and their own definitions in fractions."""

import math
from fractions import Fraction
from math import comb

import pytest

from bittrue.analysis.statistics import mcnemar_exact, wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "lowest", "highest"),
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998)
    # 857–872, table I, method 3 (score, no continuity correction), to four digits.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(successes: int, trials: int, lowest: float, highest: float) -> None:
    interval = wilson_interval(successes, trials)
    assert tuple(round(end, 4) for end in interval) == (lowest, highest)
    mirrored = wilson_interval(trials - successes, trials)
    assert tuple(round(1 - end, 4) for end in reversed(mirrored)) == (lowest, highest)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (1, 2), (8163, 10_000), (10_000, 10_000)])
def test_wilson_beside_scipy(successes: int, trials: int, confidence: float) -> None:
    """Both round about ten times on the way, by half an ulp of a number that the last division brings below 1: together
    at most ten ulps of 1."""
    from scipy.stats import binomtest

    theirs = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    ours = wilson_interval(successes, trials, confidence)
    assert abs(ours[0] - theirs.low) <= 10 * math.ulp(1.0)
    assert abs(ours[1] - theirs.high) <= 10 * math.ulp(1.0)
    assert 0 <= ours[0] <= successes / trials <= ours[1] <= 1


def test_the_ends_are_exact() -> None:
    assert wilson_interval(0, 7)[0] == 0.0
    assert wilson_interval(7, 7)[1] == 1.0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [((0, 0), "at least one"), ((-1, 3), "-1 successes"), ((4, 3), "4 successes"), ((1, 3, 1.0), "confidence")],
)
def test_wilson_refuses(arguments: tuple[int, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        wilson_interval(*arguments)


def tails(lost: int, gained: int) -> Fraction:
    """The definition: all outcomes of the fair coin that are at least as far from even."""
    flips = lost + gained
    uneven = abs(lost - gained)
    return Fraction(sum(comb(flips, k) for k in range(flips + 1) if abs(2 * k - flips) >= uneven), 2**flips)


def test_mcnemar_is_its_definition() -> None:
    for lost in range(12):
        for gained in range(12):
            assert mcnemar_exact(lost, gained) == float(tails(lost, gained)), (lost, gained)


@pytest.mark.parametrize(("lost", "gained"), [(101, 121), (59, 6), (510, 0), (700, 350), (1400, 1500), (1200, 20)])
def test_mcnemar_of_many_flips(lost: int, gained: int) -> None:
    assert mcnemar_exact(lost, gained) == float(tails(lost, gained))


def test_mcnemar_at_its_ends() -> None:
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(1, 0) == 1.0
    assert mcnemar_exact(0, 6) == 2 / 64
    assert mcnemar_exact(20_000, 0) == 0.0  # below what a float can hold
    with pytest.raises(ValueError, match="-1"):
        mcnemar_exact(-1, 3)
