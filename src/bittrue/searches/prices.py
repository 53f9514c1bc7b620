"""What words cost: a number for a plan, and what each site's words add to it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bittrue.analysis.cost.cost import cost
from bittrue.analysis.cost.named import cost_named
from bittrue.analysis.cost.result import Cost
from bittrue.analysis.site_words import SiteWords, Words
from bittrue.errors import BittrueError, PlanError

Price = Callable[[Cost], float]
CostLike = str | Price
"""A cost's name, or a function of a plan's `Cost`: less is better, and a longer word never makes it less."""

Allowed = Mapping[str, tuple[int, ...]]
"""The word lengths that each site may have, the shortest first."""


def prices_by_name(costs: CostLike | Sequence[CostLike]) -> dict[str, Price]:
    """The functions by name. Raises: BittrueError for a name that no cost has, and where none is given."""
    several = [costs] if isinstance(costs, str) or callable(costs) else list(costs)
    if not several:
        raise BittrueError("A search needs a cost to make small: give --cost weight-bits, for example.")
    return {
        one if isinstance(one, str) else getattr(one, "__name__", "cost"): cost_named(one).of
        if isinstance(one, str)
        else one
        for one in several
    }


def _all_activations(found: Cost) -> float:
    """A largest set says nothing of a site outside of it, until another set is the largest: all sets together do."""
    return sum(sum(found.by_site[site].bits for site in live.sites) for live in found.live_sets)


SHARED_OUT: Mapping[str, Price] = {"activation-bits": _all_activations}
"""What is made small in place of a cost that is the largest of several numbers."""


@dataclass(eq=False)
class Prices:
    """A price: each cost as a share of what it is with the longest words, the mean over the costs."""

    sites: SiteWords
    costs: Mapping[str, Price]
    allowed: Allowed
    _longest: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ends = {name: (lengths[0], lengths[-1]) for name, lengths in self.allowed.items()}
        shortest, longest = (self._costs({name: end[which] for name, end in ends.items()}) for which in (0, 1))
        for name in self.costs:
            if shortest[name] > longest[name]:
                raise BittrueError(
                    f"The cost {name} is {longest[name]:g} with the longest words and {shortest[name]:g} with the "
                    "shortest: a longer word may never make it less; correct the function."
                )
        self._longest.update(longest)

    def called(self, found: Cost) -> dict[str, float]:
        """Every cost of a plan."""
        return {name: _called(name, function, found) for name, function in self.costs.items()}

    def of(self, words: Words) -> float:
        """The price of the plan with these words."""
        return self._price(self._costs(words))

    def alone(self) -> dict[str, dict[int, float]]:
        """What each site's words add to the price, from its shortest on: the sum of the steps from one length to the
        next, each with all other sites at the shorter of the two.

        The price is the sum of these where costs are sums over sites, such as weight-bits.
        """
        last = max(len(lengths) for lengths in self.allowed.values()) - 1
        found = {name: {lengths[0]: 0.0} for name, lengths in self.allowed.items()}
        for step in range(last):
            level = self._level(step)
            before = self._costs(level)
            for name, lengths in self.allowed.items():
                if step + 1 >= len(lengths):
                    continue
                after = self._costs({**level, name: lengths[step + 1]})
                for cost_name in after:
                    if after[cost_name] < before[cost_name]:
                        raise BittrueError(
                            f"The cost {cost_name} falls when the word of {name} grows from {lengths[step]} to "
                            f"{lengths[step + 1]} bits: a longer word may never make it less; correct the function."
                        )
                added = self._price(after) - self._price(before)
                found[name][lengths[step + 1]] = found[name][lengths[step]] + added
        return found

    def _level(self, step: int) -> dict[str, int]:
        return {name: lengths[min(step, len(lengths) - 1)] for name, lengths in self.allowed.items()}

    def _costs(self, words: Words) -> dict[str, float]:
        """What is made small of the plan with these words, by cost."""
        found = cost(self.sites.network, self.sites.plan(words))
        made_small = {name: SHARED_OUT.get(name, function) for name, function in self.costs.items()}
        return {name: _called(name, function, found) for name, function in made_small.items()}

    def _price(self, costs: Mapping[str, float]) -> float:
        return sum(costs[name] / (self._longest[name] or 1.0) for name in costs) / len(costs)


def _called(name: str, function: Price, found: Cost) -> float:
    try:
        value = float(function(found))
    except Exception as error:  # the function is the user's
        raise BittrueError(f"The cost {name} fails ({type(error).__name__}: {error}): correct the function.") from error
    if not math.isfinite(value) or value < 0:
        raise BittrueError(f"The cost {name} is {value}: it has to be a number of 0 or more; correct the function.")
    return int(value) if value.is_integer() else value


def parse_limits(texts: Sequence[str]) -> dict[str, float]:
    """`NAME=NUMBER`, of the named costs. Raises: BittrueError for other text, an unknown cost, and two for one."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            raise BittrueError(f"--limit {text!r}: write NAME=NUMBER, for example bram=140.") from None
        if found.setdefault(cost_named(name.strip()).name, value) != value:
            raise BittrueError(f"--limit {name} is given twice, as {found[name.strip()]:g} and {value:g}: give one.")
    return found


def keeps_limits(sites: SiteWords, words: Words, limits: Mapping[str, float]) -> bool:
    """Whether the plan with these words exceeds none."""
    if not limits:
        return True
    found = cost(sites.network, sites.plan(words))
    return all(cost_named(name).of(found) <= most for name, most in limits.items())


BY_WORDS = frozenset({"weight-bits", "activation-bits", "mac-bit-operations", "bram"})
"""Costs that follow from the word lengths alone: what they are at least is known before any range is."""


def check_limits(sites: SiteWords, allowed: Allowed, limits: Mapping[str, float]) -> None:
    """Raise PlanError for a limit that not even the shortest words keep."""
    if not limits:
        return
    found = cost(sites.network, sites.plan({name: lengths[0] for name, lengths in allowed.items()}))
    for name, most in limits.items():
        least = cost_named(name).of(found)
        if least > most:
            raise PlanError(
                f"--limit {name}={most:g} can't be kept: with the shortest words that are allowed it is {least:,} "
                "already; allow shorter ones with --words, or raise the limit."
            )
