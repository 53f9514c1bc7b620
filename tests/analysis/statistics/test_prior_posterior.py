"""Confidence sequences from counts: their definition, their coverage by enumeration, and under peeking."""

from collections.abc import Callable, Iterator
from math import comb, log

import numpy as np
import pytest

from bittrue.analysis.statistics.estimand import Estimand, Population, TheseImages
from bittrue.analysis.statistics.fixed_sample import clopper_pearson, wilson_interval
from bittrue.analysis.statistics.prior_posterior import (
    LOST_TIED_GAINED,
    RIGHT_AND_WRONG,
    loss_interval,
    share_interval,
)

ERROR = 0.3
"""So large that the sequences are often wrong, as far as they may be."""


def ratios_of_share(successes: int, trials: int, images: int) -> Iterator[tuple[int, float]]:
    """By SciPy: the prior beta-binomial through the posterior, which is one of what is left."""
    from scipy.stats import betabinom

    right, wrong = RIGHT_AND_WRONG
    left = betabinom(images - trials, right + successes, wrong + trials - successes)
    for there in range(images + 1):
        posterior = left.pmf(there - successes)
        yield there, betabinom(images, right, wrong).pmf(there) / posterior if posterior > 0 else np.inf


@pytest.mark.parametrize(("successes", "trials", "images"), [(0, 1, 9), (3, 4, 9), (7, 9, 9), (40, 60, 97)])
def test_a_share_has_the_ratios_of_scipy(successes: int, trials: int, images: int) -> None:
    found = share_interval(successes, trials, TheseImages(images), 0.05)
    inside = [there for there, ratio in ratios_of_share(successes, trials, images) if ratio < 1 / 0.05]
    assert (found.low, found.high) == (min(inside) / images, max(inside) / images)


@pytest.mark.parametrize(("lost", "gained", "trials"), [(0, 0, 1), (2, 1, 9), (5, 0, 6), (0, 4, 12), (3, 3, 20)])
def test_a_difference_has_the_ratios_of_scipy(lost: int, gained: int, trials: int) -> None:
    from scipy.stats import dirichlet_multinomial

    images = 20
    drawn = np.array([lost, trials - lost - gained, gained])
    prior = dirichlet_multinomial(np.array(LOST_TIED_GAINED), images)
    inside = []
    for there in every_total(images):
        left = np.array(there) - drawn
        if (left < 0).any():
            continue
        posterior = dirichlet_multinomial(np.array(LOST_TIED_GAINED) + drawn, images - trials).pmf(left)
        if prior.pmf(np.array(there)) / posterior < 1 / 0.05:
            inside.append(there[0] - there[2])
    found = loss_interval(lost, gained, trials, TheseImages(images), 0.05)
    assert (found.low, found.high) == (min(inside) / images, max(inside) / images)


def every_total(images: int) -> Iterator[tuple[int, int, int]]:
    """Lost, tied and gained."""
    for lost in range(images + 1):
        for gained in range(images - lost + 1):
            yield lost, images - lost - gained, gained


def missed(total: tuple[int, ...], is_missed: Callable[[tuple[int, ...]], bool]) -> float:
    """The probability that a random order of so many images of each kind is ever missed: over all orders, by the counts
    that they lead through."""
    chances = {tuple(0 for _ in total): 1.0}
    found = 0.0
    for drawn in range(sum(total)):
        following: dict[tuple[int, ...], float] = {}
        for counts, chance in chances.items():
            for kind, there in enumerate(total):
                if counts[kind] < there:
                    after = tuple(count + (place == kind) for place, count in enumerate(counts))
                    share = chance * (there - counts[kind]) / (sum(total) - drawn)
                    following[after] = following.get(after, 0.0) + share
        found += sum(chance for counts, chance in following.items() if is_missed(counts))
        chances = {counts: chance for counts, chance in following.items() if not is_missed(counts)}
    return found


def test_a_share_is_missed_as_seldom_as_it_says() -> None:
    images, of = 16, TheseImages(16)
    worst = 0.0
    for right in range(images + 1):

        def is_missed(counts: tuple[int, ...], right: int = right) -> bool:
            found = share_interval(counts[0], sum(counts), of, ERROR)
            return not found.low <= right / images <= found.high

        worst = max(worst, missed((right, images - right), is_missed))
    assert 0.05 < worst <= ERROR


def test_a_difference_is_missed_as_seldom_as_it_says() -> None:
    images, of = 9, TheseImages(9)
    intervals = {
        (lost, tied, gained): loss_interval(lost, gained, lost + tied + gained, of, ERROR)
        for trials in range(1, images + 1)
        for lost, tied, gained in every_total(trials)
    }
    worst = 0.0
    for total in every_total(images):

        def is_missed(counts: tuple[int, ...], total: tuple[int, ...] = total) -> bool:
            found = intervals[counts]  # type: ignore[index]
            return not found.low <= (total[0] - total[2]) / images <= found.high

        worst = max(worst, missed(total, is_missed))
    assert 0.02 < worst <= ERROR


def test_an_interval_of_one_look_is_missed_too_often_when_it_is_looked_at_again() -> None:
    """The canary of the two tests above: what Wilson and Clopper and Pearson say is for one look."""

    def worst(interval: Callable[[int, int], tuple[float, float]]) -> float:
        def is_missed(counts: tuple[int, ...]) -> bool:
            low, high = interval(counts[0], sum(counts))
            return not low <= 0.5 <= high

        return missed((30, 30), is_missed)

    assert worst(lambda right, trials: wilson_interval(right, trials, 1 - ERROR)) > 0.5
    assert worst(lambda right, trials: clopper_pearson(right, trials, 1 - ERROR)) > ERROR


@pytest.mark.parametrize("of", [TheseImages(400), Population()], ids=["these images", "the population"])
def test_under_peeking_it_is_missed_as_seldom_as_it_says(of: Estimand) -> None:
    """120 orders of 400 images, looked at after every 20: with 0.1 and four standard deviations, 25 may be wrong."""
    random = np.random.default_rng(3)
    shares = [0.1, 0.86, 0.04]
    kinds = np.repeat([1, 0, -1], [40, 344, 16])
    wrong = naive = 0
    for _ in range(120):
        drawn = random.permutation(kinds) if isinstance(of, TheseImages) else random.choice([1, 0, -1], 400, p=shares)
        lost, gained = np.cumsum(drawn == 1), np.cumsum(drawn == -1)
        looks = range(19, 400, 20)
        wrong += any(not covers(int(lost[n]), int(gained[n]), n + 1, of) for n in looks)
        naive += any(not wald_covers(int(lost[n]), int(gained[n]), n + 1) for n in looks)
    assert wrong <= 25
    assert naive > 30  # the canary: an interval for one look


def covers(lost: int, gained: int, trials: int, of: Estimand) -> bool:
    found = loss_interval(lost, gained, trials, of, 0.1)
    return found.low <= 0.06 <= found.high


def wald_covers(lost: int, gained: int, trials: int) -> bool:
    mean = (lost - gained) / trials
    variance = (lost + gained) / trials - mean * mean
    return bool(abs(mean - 0.06) <= 1.645 * np.sqrt(variance / trials))


def test_a_finite_set_ends_in_certainty() -> None:
    found = loss_interval(392, 240, 10_000, TheseImages(10_000), 0.05)
    assert (found.low, found.high, found.of.text) == (0.0152, 0.0152, "this test set of 10,000 images")
    beyond = loss_interval(392, 240, 10_000, Population(), 0.05)
    assert beyond.low < 0.0152 < beyond.high
    assert beyond.of.text == "the population behind these images"


@pytest.mark.parametrize("counts", [(2, 1, 30), (0, 0, 50), (50, 0, 50), (0, 7, 20)])
def test_a_large_set_is_like_a_population(counts: tuple[int, int, int]) -> None:
    large = loss_interval(*counts, TheseImages(300_000), 0.05)
    drawn = loss_interval(*counts, Population(), 0.05)
    assert abs(large.low - drawn.low) < 1e-3
    assert abs(large.high - drawn.high) < 1e-3
    lost, _, trials = counts
    shares = [share_interval(lost, trials, of, 0.05) for of in (TheseImages(300_000), Population())]
    assert abs(shares[0].low - shares[1].low) < 1e-3
    assert abs(shares[0].high - shares[1].high) < 1e-3


def test_a_population_without_errors_has_a_closed_form() -> None:
    """With n right images of n the share's end is where n·log(share) = log(error·m), m from the prior alone."""
    from scipy.special import betaln

    found = share_interval(50, 50, Population(), 0.05)
    assert found.high == 1.0
    # The end is looked for until it is known to 10 digits.
    assert found.low == pytest.approx(np.exp((log(0.05) + betaln(50.5, 0.5) - betaln(0.5, 0.5)) / 50), abs=1e-9)


@pytest.mark.parametrize("counts", [(-1, 3), (4, 3), (0, 0), (1, 11)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"counts are 0 or more|were drawn of"):
        share_interval(*counts, TheseImages(10), 0.05)


def test_an_error_is_a_probability() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        loss_interval(1, 1, 5, TheseImages(10), 1.0)


def test_paths_are_counted_once() -> None:
    """The enumeration itself: all orders, none missed but those that end where half of them end."""
    # Shares of paths are sums of float64 numbers.
    assert missed((3, 3), lambda counts: False) == 0.0
    assert missed((3, 3), lambda counts: counts == (0, 1)) == pytest.approx(0.5)
    assert missed((2, 2), lambda counts: counts == (2, 0)) == pytest.approx(1 / comb(4, 2))
