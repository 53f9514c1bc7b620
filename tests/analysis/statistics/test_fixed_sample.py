"""Intervals and tests against published values, SciPy, and their own definitions in fractions."""

import math
from fractions import Fraction
from math import comb

import pytest

from bittrue.analysis.statistics.fixed_sample import (
    MOST_NEEDED,
    NUISANCE,
    clopper_pearson,
    difference_interval,
    drop_p_value,
    drop_score,
    images_needed,
    mcnemar_exact,
    wilson_interval,
)


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


@pytest.mark.parametrize(
    ("successes", "trials", "lowest", "highest"),
    # Newcombe's table again, method 5 (exact).
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_clopper_pearson_as_published(successes: int, trials: int, lowest: float, highest: float) -> None:
    assert tuple(round(end, 4) for end in clopper_pearson(successes, trials)) == (lowest, highest)
    assert clopper_pearson(trials, trials)[1] == 1.0


def score_interval(lost: int, gained: int, images: int) -> tuple[float, float]:
    """Tango's interval: the margins that the score doesn't exclude at 95 %, both sides together."""

    def end(quantile: float) -> float:
        low, high = -1 + 1e-12, 1 - 1e-12
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if drop_score(lost, gained, images, middle) > quantile else (low, middle)
        return low

    return end(1.959964), end(-1.959964)


@pytest.mark.parametrize(
    ("lost", "gained", "images", "lowest", "highest"),
    # Of M. W. Fagerland, S. Lydersen, P. Laake, Statistical Analysis of Contingency Tables (2017), chapter 8: complete
    # response before and after consolidation therapy, and airway hyper-responsiveness; of R's PropCIs, scoreci.mp.
    [(6, 16, 161, -0.1240, -0.0054), (1, 7, 21, -0.5172, -0.0260), (40, 20, 160, 0.0309, 0.2181)],
)
def test_the_score_as_published(lost: int, gained: int, images: int, lowest: float, highest: float) -> None:
    assert tuple(round(end, 4) for end in score_interval(lost, gained, images)) == (lowest, highest)


def test_without_a_margin_it_is_the_unconditional_test_as_published() -> None:
    """Fagerland and others, chapter 8, by their R package contingencytables: P = 0.034053, two-sided, with 0.0001 for
    the nuisance parameter. Cells bound what they search on a grid: by 2 % more at most."""
    one_side = drop_p_value(6, 16, 161, 0.0) - NUISANCE
    assert 0.034053 - 0.0001 <= 2 * one_side < 1.02 * (0.034053 - 0.0001)


def rejected(images: int, margin: float, level: float) -> list[int]:
    """By the number of gained images, the largest number of lost ones with a p-value of `level` at most; −1 for none.
    Only those numbers of gained ones that matter to the probabilities tried below."""
    most, found = -1, []
    for gained in range(min(images, 80) + 1):
        while most + 1 + gained <= images and drop_p_value(most + 1, gained, images, margin) <= level:
            most += 1
        found.append(min(most, images - gained))
    return found


def size(region: list[int], images: int, margin: float, gained: float) -> float:
    """The probability of the region where the loss is just the margin, from its definition."""
    lost, neither = margin + gained, 1 - margin - 2 * gained

    def logarithm(count: int, probability: float) -> float:
        if count == 0:
            return 0.0
        return count * math.log(probability) if probability > 0 else -math.inf

    return math.fsum(
        math.exp(
            math.lgamma(images + 1) - math.lgamma(k + 1) - math.lgamma(c + 1) - math.lgamma(images - k - c + 1)
            + logarithm(k, lost) + logarithm(c, gained) + logarithm(images - k - c, neither)
        )
        for c, most in enumerate(region)
        for k in range(most + 1)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("images", "margin"), [(20, 0.2), (20, 0.3), (60, 0.05), (100, 0.03), (300, 0.01), (500, 0.01), (500, 0.02)]
)
def test_it_is_wrong_no_more_often_than_it_says(images: int, margin: float) -> None:
    """Enumerated: whatever the probability of a gained image is, a loss of the margin is called smaller in 5 % of all
    sets of images at most, and in nearly so many for some."""
    region = rejected(images, margin, 0.05)
    likely = [gained for step in range(60) if images * (gained := 0.001 * 1.1**step) < 40 and margin + 2 * gained < 1]
    sizes = [size(region, images, margin, gained) for gained in [0.0, *likely]]
    assert max(sizes) <= 0.05
    assert max(sizes) > 0.025
    # The canary: a level of 10 % is seen to be more.
    loose = rejected(images, margin, 0.1)
    assert max(size(loose, images, margin, gained) for gained in [0.0, *likely]) > 0.05


def test_more_lost_or_fewer_gained_images_are_no_better() -> None:
    values = {(b, c): drop_p_value(b, c, 200, 0.03) for b in range(8) for c in range(8)}
    assert all(values[b, c] <= values[b + 1, c] + 1e-12 for b in range(7) for c in range(8))
    assert all(values[b, c + 1] <= values[b, c] + 1e-12 for b in range(8) for c in range(7))


def test_the_ends_of_the_test() -> None:
    assert drop_p_value(20, 0, 20, 0.01) == 1.0
    assert drop_p_value(0, 20, 20, 0.01) == NUISANCE
    assert drop_p_value(0, 0, 20, 0.01) > 0.8
    assert drop_p_value(0, 0, 320, 0.01) < 0.05 < drop_p_value(0, 0, 290, 0.01)  # (1 − 0.01)^299 < 0.05 is the least
    assert drop_p_value(7311, 148, 10_000, 0.01) == 1.0
    assert drop_p_value(148, 7311, 10_000, -0.01) == NUISANCE
    assert drop_p_value(500, 480, 50_000, 0.01) < 0.01
    for counts in ((-1, 3, 10), (6, 5, 10), (0, 0, 0)):
        with pytest.raises(ValueError, match="lost and"):
            drop_p_value(*counts, 0.01)
    with pytest.raises(ValueError, match="margin"):
        drop_p_value(1, 1, 10, 1.0)


def test_how_many_images_would_do() -> None:
    assert images_needed(0, 0, 20, 0.01, 0.05) == 620
    assert images_needed(1, 0, 20, 0.01, 0.05) == 620  # shown worse by fewer, perhaps, but that isn't hoped for
    assert images_needed(4, 1, 500, 0.01, 0.05) == 5100
    assert images_needed(5, 0, 500, 0.01, 0.05) is None
    assert images_needed(5, 0, 501, 0.01, 0.05) is None
    assert MOST_NEEDED == 1_000_000


@pytest.mark.parametrize(("lost", "gained", "images"), [(0, 0, 60), (7, 2, 90), (2, 7, 90), (30, 30, 60), (60, 0, 60)])
def test_the_interval_of_the_difference_is_what_the_tests_do_not_refuse(lost: int, gained: int, images: int) -> None:
    low, high = difference_interval(lost, gained, images)
    assert low <= (gained - lost) / images <= high
    assert difference_interval(gained, lost, images) == (-high, -low)
    if low > -1:
        assert drop_p_value(lost, gained, images, -low) <= 0.025
        assert drop_p_value(lost, gained, images, -low - 1e-4) > 0.025  # the canary: a little inside it isn't refused
    narrow = difference_interval(lost, gained, images, 0.5)
    assert low <= narrow[0] <= narrow[1] <= high
