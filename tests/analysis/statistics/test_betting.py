"""Bets against a total: their coverage by enumeration and under peeking, and that an answer once given stays."""

import time
from itertools import product
from math import factorial

import numpy as np
import pytest

from bittrue.analysis.statistics.betting import Losses, loss_bounds, shows_fewer, shows_more
from bittrue.analysis.statistics.estimand import TheseImages
from bittrue.analysis.statistics.prior_posterior import loss_interval

ERROR = 0.3


def order(lost: int, gained: int, images: int, seed: int) -> Losses:
    kinds = np.zeros(images, np.int8)
    kinds[:lost], kinds[lost : lost + gained] = 1, -1
    return np.random.default_rng(seed).permutation(kinds)


def test_a_total_is_refused_as_seldom_as_it_says() -> None:
    """Over all orders of 8 images, 6,561 in all. What is shown after some draws is shown after more, so that one look
    before the last image is all looks."""
    images = 8
    wrong: dict[tuple[int, int], float] = {}
    for kinds in product((-1, 0, 1), repeat=images):
        losses = np.array(kinds, np.int8)
        counts = [kinds.count(kind) for kind in (-1, 0, 1)]
        chance = np.prod([factorial(count) for count in counts]) / factorial(images)
        for tail, shows in enumerate((shows_more, shows_fewer)):
            if shows(losses[:-1], images, int(losses.sum()), ERROR):
                key = (int(losses.sum()) * 100 + counts[0], tail)
                wrong[key] = wrong.get(key, 0.0) + chance
    assert 0.05 < max(wrong.values()) <= ERROR


@pytest.mark.parametrize("seed", range(3))
def test_an_answer_once_given_stays(seed: int) -> None:
    losses = order(30, 4, 200, seed)
    bounds = [loss_bounds(losses[:drawn], 200, ERROR) for drawn in range(201)]
    assert bounds[0] == (-200, 200)
    assert bounds[-1] == (26, 26)
    lows, highs = zip(*bounds, strict=True)
    assert list(lows) == sorted(lows)
    assert list(highs) == sorted(highs, reverse=True)


def test_a_smaller_total_is_refused_with_a_larger_one() -> None:
    losses = order(40, 10, 300, 0)[:120]
    shown = [shows_more(losses, 300, total, ERROR) for total in range(-301, 302)]
    assert shown == sorted(shown, reverse=True)
    assert shown[0]
    assert not shown[-1]
    fewer = [shows_fewer(losses, 300, total, ERROR) for total in range(-301, 302)]
    assert fewer == sorted(fewer)


def test_under_peeking_it_is_missed_as_seldom_as_it_says() -> None:
    """120 orders of 400 images with 24 lost less gained, looked at after every 20: with 0.1 and four standard
    deviations, 25 may be wrong."""
    wrong = naive = 0
    for seed in range(120):
        losses = order(40, 16, 400, seed)
        low, high = loss_bounds(losses[:-1], 400, 0.1)  # within those of every look before
        wrong += not low <= 24 <= high
        naive += any(not wald_covers(losses[:drawn], 0.06) for drawn in range(20, 401, 20))
    assert wrong <= 25
    assert naive > 30  # the canary: an interval for one look


def wald_covers(losses: Losses, mean: float) -> bool:
    return bool(abs(losses.mean() - mean) <= 1.645 * losses.std() / np.sqrt(len(losses)))


@pytest.mark.parametrize(("lost", "gained"), [(392, 240), (40, 38), (0, 0), (2000, 100)])
def test_it_is_narrower_than_the_sequence_from_counts(lost: int, gained: int) -> None:
    losses = order(lost, gained, 10_000, 5)[:1000]
    low, high = loss_bounds(losses, 10_000, 0.01)
    counts = int((losses == 1).sum()), int((losses == -1).sum())
    beside = loss_interval(*counts, 1000, TheseImages(10_000), 0.01)
    assert high - low < 10_000 * (beside.high - beside.low)


def test_ten_thousand_images_take_no_time() -> None:
    """A look costs what a batch of the smallest network costs, a thousandth of it with AlexNet."""
    losses = order(392, 240, 10_000, 5)[:9000]
    began = time.process_time()
    shows_more(losses, 10_000, 150, 0.001)
    assert time.process_time() - began < 0.5  # 0.01 on one core; the machine may be busy


def test_nothing_drawn_shows_nothing() -> None:
    nothing = np.zeros(0, np.int8)
    assert not shows_more(nothing, 10, 0, ERROR)
    assert shows_more(nothing, 10, -11, ERROR)  # there are only 10 images
    assert loss_bounds(nothing, 10, ERROR) == (-10, 10)
