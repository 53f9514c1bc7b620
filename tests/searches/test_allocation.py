"""Allocations are those that enumeration finds, and the descent takes the cheapest that holds."""

from itertools import product

import numpy as np
import pytest

from bittrue.analysis.site_words import Words
from bittrue.searches import allocation
from bittrue.searches.allocation import Allocation, allocations, monotone, thinned, total
from bittrue.searches.descent import exchanged, last_that_holds, last_within

Table = dict[str, dict[int, float]]


def tables(seed: int, sites: int = 4, words: tuple[int, ...] = (2, 3, 5)) -> tuple[Table, Table]:
    generator = np.random.default_rng(seed)
    prices: Table = {}
    losses: Table = {}
    for site in range(sites):
        prices[f"s{site}"] = dict(zip(words, np.sort(generator.uniform(0, 1, len(words))).tolist(), strict=True))
        losses[f"s{site}"] = dict(zip(words, np.sort(generator.uniform(0, 1, len(words)))[::-1].tolist(), strict=True))
    return prices, losses


def enumerated(prices: Table, losses: Table) -> set[tuple[int, ...]]:
    """The words of all that no other beats."""
    found = []
    for way in product(*prices.values()):
        chosen = list(zip(prices, way, strict=True))
        found.append(
            (sum(prices[name][bits] for name, bits in chosen), sum(losses[name][bits] for name, bits in chosen))
        )
    ways = dict(zip(product(*prices.values()), found, strict=True))
    return {
        way
        for way, own in ways.items()
        if not any(other != own and other[0] <= own[0] and other[1] <= own[1] for other in found)
    }


@pytest.mark.parametrize("seed", range(5))
def test_none_is_beaten_and_none_is_missing(seed: int) -> None:
    prices, losses = tables(seed)
    found = allocations(prices, losses)
    assert {tuple(one.words.values()) for one in found} == enumerated(prices, losses)
    assert [one.loss for one in found] == sorted(one.loss for one in found)
    for one in found:
        assert one.price == pytest.approx(sum(prices[name][bits] for name, bits in one.words.items()))
    # The canary: another table has other ones.
    assert {tuple(one.words.values()) for one in allocations(*tables(seed + 100))} != enumerated(prices, losses)


def test_where_there_are_too_many_the_best_of_each_price_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    prices, losses = tables(0, sites=6)
    whole = allocations(prices, losses)
    monkeypatch.setattr(allocation, "CELLS", 8)
    coarse = allocations(prices, losses)
    assert len(coarse) <= 9 < len(whole)
    assert coarse[0].words == whole[0].words
    width = 6 * (whole[0].price - whole[-1].price) / 8
    for one in whole:
        assert any(other.price <= one.price + width and other.loss <= one.loss + 1e-12 for other in coarse)


def test_a_longer_word_never_loses_more() -> None:
    assert monotone({2: 0.5, 3: 0.1, 4: 0.2, 8: -1e-9}) == {8: 0.0, 4: 0.2, 3: 0.2, 2: 0.5}


def test_thinned_keeps_both_ends() -> None:
    found = [Allocation({"a": place}, 100.0 - place, float(place)) for place in range(100)]
    few = thinned(found, 10)
    assert few[0] is found[0]
    assert few[-1] is found[-1]
    assert len(few) == 10
    assert thinned(few, 10) == few


@pytest.mark.parametrize("first", [0, 3, 39])
@pytest.mark.parametrize("last", range(-1, 40))
def test_the_last_that_holds_is_found_from_any_first_one(last: int, first: int) -> None:
    front = [Allocation({"a": place}, 40.0 - place, float(place)) for place in range(40)]
    asked: list[int] = []

    def holds(words: Words) -> bool:
        asked.append(words["a"])
        return words["a"] <= last

    found = last_that_holds(front, holds, first)
    assert found == (front[last] if last >= 0 else None)
    assert asked[0] == first
    assert len(asked) == len(set(asked))  # none twice
    assert len(asked) <= 9
    if abs(last - first) <= 4:  # the nearer, the sooner
        assert len(asked) <= 6


def test_of_no_allocations_none_holds() -> None:
    assert last_that_holds([], lambda words: True) is None


def test_bits_are_exchanged_while_that_is_cheaper_and_holds() -> None:
    """What was predicted is wrong: site b can do with less, where a has more."""
    allowed = {"a": (2, 3, 4), "b": (2, 3, 4)}
    prices = {"a": {2: 0.0, 3: 1.0, 4: 2.0}, "b": {2: 0.0, 3: 3.0, 4: 6.0}}
    losses = {"a": {2: 0.9, 3: 0.5, 4: 0.1}, "b": {2: 0.9, 3: 0.5, 4: 0.1}}

    def price(words: Words) -> float:
        return sum(prices[name][bits] for name, bits in words.items())

    def holds(words: Words) -> bool:
        return words["a"] + words["b"] >= 6

    assert exchanged({"a": 3, "b": 3}, allowed, prices, losses, holds, price, 10) == {"a": 4, "b": 2}
    assert exchanged({"a": 3, "b": 3}, allowed, prices, losses, holds, price, 0) == {"a": 3, "b": 3}


def test_the_descent_begins_where_no_more_is_predicted_to_be_lost() -> None:
    prices, losses = tables(seed=2)
    front = allocations(prices, losses)
    for one in front:
        # The same numbers, added in another order.
        assert one.loss == pytest.approx(total(losses, one.words))
    place = len(front) // 2
    assert last_within(front, front[place].loss) == place
    assert last_within(front, front[0].loss / 2) == 0
    assert last_within(front, front[-1].loss) == len(front) - 1
