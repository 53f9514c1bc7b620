"""The descent: exact simulation moves the budget until the accuracy holds, then bits are exchanged one by one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bittrue.analysis.site_words import Words
from bittrue.searches.allocation import Allocation
from bittrue.searches.prices import Allowed

Holds = Callable[[Words], bool]
"""Whether the plan with these words holds the accuracy: a simulation."""

PriceOf = Callable[[Words], float]

FIRST_STEP = 4
"""How far from the first allocation of a front the next one lies."""

Table = Mapping[str, Mapping[int, float]]


def last_within(front: Sequence[Allocation], most: float) -> int:
    """The place of the cheapest allocation with a predicted loss no greater; the first where none has."""
    return max(sum(one.loss <= most for one in front) - 1, 0)


def last_that_holds(front: Sequence[Allocation], holds: Holds, first: int = 0) -> Allocation | None:
    """Of allocations from the least loss to the least price, the cheapest that holds; None where none was found.

    From the place `first` on in steps that double, up or down, until the answer changes; then by halving. As if no
    cheaper one could hold where a dearer one doesn't: where that is wrong, one that holds is found all the same, but
    not the cheapest.
    """
    low, high, place, step = -1, len(front), first, FIRST_STEP
    while high - low > 1:
        does = holds(front[place].words)
        low, high = (place, high) if does else (low, place)
        if low >= 0 and high < len(front):
            place = (low + high) // 2
        else:
            place = min(low + step, len(front) - 1) if does else max(high - step, 0)
            step *= 2
    return None if low < 0 else front[low]


@dataclass(frozen=True)
class Move:
    """Other words at one or two sites, and what is predicted of them."""

    words: Words
    saved: float
    lost: float


def exchanged(
    words: Words, allowed: Allowed, prices: Table, losses: Table, holds: Holds, price_of: PriceOf, tries: int
) -> Words:
    """Words from which none of the moves that were tried is cheaper and holds: one bit less here, or one less here for
    one more there. tries: how many simulations that may take."""
    price = price_of(words)
    refused: set[tuple[tuple[str, int], ...]] = set()
    while True:
        for move in _moves(words, allowed, prices, losses):
            key = tuple(sorted(move.words.items()))
            if key in refused or (cheaper := price_of(move.words)) >= price:
                continue
            if tries == 0:
                return words
            tries -= 1
            if holds(move.words):
                words, price = move.words, cheaper
                break
            refused.add(key)
        else:
            return words


def _moves(words: Words, allowed: Allowed, prices: Table, losses: Table) -> Sequence[Move]:
    """The neighbours that are cheaper as predicted, those first that lose least for what they save."""
    shorter = list(_steps(words, allowed, prices, losses, -1))
    longer = list(_steps(words, allowed, prices, losses, 1))
    found = [Move({**words, name: bits}, -price, loss) for name, bits, price, loss in shorter if price < 0]
    for name, bits, price, loss in shorter:
        for other, more, extra, less in longer:
            if other != name and price + extra < 0:
                found.append(Move({**words, name: bits, other: more}, -price - extra, loss + less))
    return sorted(found, key=lambda move: (move.lost / move.saved, sorted(move.words.items())))


def _steps(
    words: Words, allowed: Allowed, prices: Table, losses: Table, step: int
) -> Iterator[tuple[str, int, float, float]]:
    """Each site's next word in one direction: its length, and what it adds to price and loss."""
    for name, lengths in allowed.items():
        place = lengths.index(words[name]) + step
        if 0 <= place < len(lengths):
            bits = lengths[place]
            of_price, of_loss = prices[name], losses[name]
            yield name, bits, of_price[bits] - of_price[words[name]], of_loss[bits] - of_loss[words[name]]
