"""Allocation: of all ways to give each site a word, those that no other beats in both price and loss.

A multiple-choice knapsack for all budgets at once, by dynamic programming over the sites: of the ways to choose words
for the first sites only those are kept that are best for their price. Where these become too many, the best of each of
CELLS equal ranges of the price is kept, so that a way is missed by a CELLS-th of the price a site at most.

Source: H. Kellerer, U. Pferschy, D. Pisinger, Knapsack Problems (2004), chapter 11.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELLS = 4000


@dataclass(frozen=True)
class Allocation:
    """words: by site. price, loss: as predicted, the sums over the sites."""

    words: Mapping[str, int]
    price: float
    loss: float


def allocations(
    prices: Mapping[str, Mapping[int, float]], losses: Mapping[str, Mapping[int, float]]
) -> list[Allocation]:
    """All that aren't beaten, from the least loss to the least price. prices, losses: by site and word length."""
    price, loss = np.zeros(1), np.zeros(1)
    chosen = np.zeros((1, 0), np.int16)
    for name, of_words in prices.items():
        lengths = np.array(list(of_words), np.int16)
        own_price = np.array([of_words[int(bits)] for bits in lengths])
        own_loss = np.array([losses[name][int(bits)] for bits in lengths])
        price = (price[:, None] + own_price).ravel()
        loss = (loss[:, None] + own_loss).ravel()
        words = np.tile(lengths, len(chosen))[:, None]
        chosen = np.concatenate([np.repeat(chosen, len(lengths), axis=0), words], axis=1)
        best = _unbeaten(price, loss)
        price, loss, chosen = price[best], loss[best], chosen[best]
    names = list(prices)
    return [
        Allocation(dict(zip(names, map(int, row), strict=True)), float(price[place]), float(loss[place]))
        for place, row in enumerate(chosen)
    ]


def _unbeaten(price: NDArray[np.float64], loss: NDArray[np.float64]) -> NDArray[np.intp]:
    """The places of those that none beats, the dearest first."""
    order = np.lexsort((loss, price))
    least = np.minimum.accumulate(loss[order])
    best = order[np.concatenate([[True], loss[order][1:] < least[:-1]])]
    if len(best) > CELLS:
        cheapest, dearest = price[best[0]], price[best[-1]]
        cell = ((price[best] - cheapest) / (dearest - cheapest) * CELLS).astype(np.intp)
        best = best[np.append(cell[1:] > cell[:-1], True)]  # the last of a cell has the least loss in it
    reversed_places: NDArray[np.intp] = best[::-1]
    return reversed_places


def monotone(losses: Mapping[int, float]) -> dict[int, float]:
    """The losses by word length, none below that of a longer word: chance differences aren't worth a bit."""
    found: dict[int, float] = {}
    most = 0.0
    for bits in sorted(losses, reverse=True):
        most = max(most, losses[bits])
        found[bits] = most
    return found


def total(table: Mapping[str, Mapping[int, float]], words: Mapping[str, int]) -> float:
    """The sum over the sites that have these words."""
    return sum(table[name][bits] for name, bits in words.items())


def thinned(found: list[Allocation], most: int) -> list[Allocation]:
    """At most so many of them, evenly spaced by price, both ends included."""
    if len(found) <= most:
        return found
    prices = np.array([-allocation.price for allocation in found])  # they fall
    wanted = np.linspace(prices[0], prices[-1], most)
    return [found[place] for place in sorted(set(np.searchsorted(prices, wanted).tolist()))]
