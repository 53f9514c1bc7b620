"""Pairs of sites whose single losses mislead: found by checking what the singles predict, not by trying all pairs.

All sites together are given short words that cost little alone, and simulated. Where the loss is the sum of the single
ones, no pair misleads. Where it isn't, the sites are halved, and what one half adds to the other is halved again until
single pairs are left.

What pairs do to sums of single losses: Z. Deng et al., CLADO, 2023.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bittrue.analysis.sensitivity_result import Check, Pair, SiteLoss

LITTLE = 0.03
"""What a word may cost alone, in the measure's unit, to be tried together with the others."""
TOLERANCE = 0.1
"""What a pair, or a block of pairs, may add, as a share of the sum of all single losses."""
PLANS = 64
"""About how many plans are simulated at most."""

LossOf = Callable[[Mapping[str, int]], float]
"""The loss of the plan with these words, the rest's own left out."""


def checked(losses: Mapping[str, Mapping[int, SiteLoss]], rest: float, loss_of: LossOf) -> Check:
    """Check that single losses add up, and find the pairs for which they don't. rest: what all other words cost."""
    words = {name: _short(of) for name, of in losses.items()}
    single = {name: losses[name][bits].loss - rest for name, bits in words.items()}
    return _Halving(words, single, loss_of).check()


def _short(of_words: Mapping[int, SiteLoss]) -> int:
    """The shortest word that costs little; the longest where none does."""
    return min((bits for bits, loss in of_words.items() if loss.loss <= LITTLE), default=max(of_words))


@dataclass(frozen=True)
class _Block:
    """Pairs: all of `first`, or where `second` has sites all of a site here and one there."""

    first: tuple[str, ...]
    second: tuple[str, ...]

    def parts(self) -> Iterator["_Block"]:
        """Blocks that have its pairs between them."""
        if not self.second:
            here, there = _halves(self.first)
            yield _Block(here, there)
            yield from (_Block(half, ()) for half in (here, there) if len(half) > 1)
        elif len(self.first) >= len(self.second):
            yield from (_Block(half, self.second) for half in _halves(self.first))
        else:
            yield from (_Block(self.first, half) for half in _halves(self.second))


def _halves(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return names[: len(names) // 2], names[len(names) // 2 :]


class _Halving:
    """Always of the block that adds most the parts next."""

    def __init__(self, words: Mapping[str, int], single: Mapping[str, float], loss_of: LossOf) -> None:
        self._words, self._single, self._loss_of = words, single, loss_of
        self._known = {frozenset([name]): loss for name, loss in single.items()}
        self._plans = 0

    def check(self) -> Check:
        everything = tuple(self._words)
        predicted, whole = sum(self._single.values()), self._loss(everything)
        least = TOLERANCE * abs(predicted)
        waiting = [(-abs(whole - predicted), 0, _Block(everything, ()))] if len(everything) > 1 else []
        pairs, number = [], 0
        while waiting and -waiting[0][0] > least and self._plans < PLANS:
            for part in heapq.heappop(waiting)[2].parts():
                added, number = self._added(part), number + 1
                if len(part.first) == len(part.second) == 1:
                    pairs += [self._pair(part.first[0], part.second[0])] if abs(added) > least else []
                else:
                    heapq.heappush(waiting, (-abs(added), number, part))
        is_whole = not waiting or -waiting[0][0] <= least
        ordered = sorted(pairs, key=lambda pair: -abs(pair.loss - pair.predicted))
        return Check(dict(self._words), predicted, whole, tuple(ordered), self._plans, is_whole)

    def _loss(self, names: Sequence[str]) -> float:
        key = frozenset(names)
        if key not in self._known:
            self._plans += 1
            self._known[key] = self._loss_of({name: self._words[name] for name in names})
        return self._known[key]

    def _added(self, block: _Block) -> float:
        together = self._loss((*block.first, *block.second))
        if not block.second:
            return together - sum(self._single[name] for name in block.first)
        return together - self._loss(block.first) - self._loss(block.second)

    def _pair(self, first: str, second: str) -> Pair:
        predicted = self._single[first] + self._single[second]
        return Pair(first, self._words[first], second, self._words[second], predicted, self._loss((first, second)))
