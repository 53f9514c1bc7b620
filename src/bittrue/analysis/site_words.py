"""Plans in which each weight and each output has a word length of its own: what sensitivities and searches vary."""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bittrue.bits import Bits, parse_bits
from bittrue.errors import PlanError
from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.network import Network
from bittrue.operators import Softmax
from bittrue.plan import (
    Override,
    Plan,
    PlanOptions,
    Point,
    Ranges,
    Site,
    Spec,
    WordLengths,
    plan_from_ranges,
    sites_of,
)
from bittrue.plan.points import Points
from bittrue.plan.words import BIASES as BIAS_ROLES

SCALES, BIASES = 12, 16
"""Bits of batch norms' scales, and of biases and offsets: there are few of them, and their words aren't varied where
nothing else is said."""

ALSO: Mapping[str, Callable[[Site], bool]] = {
    "biases": lambda site: site.role in BIAS_ROLES,
    "scales": lambda site: site.values is not None and site.role not in ("weight", *BIAS_ROLES),
    "tables": lambda site: site.values is None and site.role not in ("output", "accumulator"),
}
"""What may be varied beside weights and outputs: biases and offsets; batch norms' scales, slopes and the like; what a
table form stores and looks up inside a node."""

REST = 16
"""Bits of the words that aren't varied at the time; they cost next to nothing."""

LONGEST = 64

Words = Mapping[str, int]
"""Word lengths by site."""


def parse_words(text: Bits) -> tuple[int, ...]:
    """Word lengths as `--words` takes them, `2:8` or `2,4,8,16`, each once, the shortest first.

    Raises: PlanError for numbers that no word has, BittrueError for text that is none.
    """
    parts: Sequence[Bits] = text.split(",") if isinstance(text, str) else [text]
    found = sorted({bits for part in parts for bits in parse_bits(part, "--words")})
    if not found or found[0] < 1 or found[-1] > LONGEST:
        raise PlanError(f"--words {text}: words have 1 to {LONGEST} bits; write them like 2:8 or 2,4,8,16.")
    return tuple(found)


@dataclass(frozen=True, eq=False)
class SiteWords:
    """The plans of a network by word lengths of their sites; made by `site_words`.

    base: with `REST` bits at every free site. sites: the free ones, weights and outputs that are rounded, in the
    network's order. A binary point follows from the word and the values, never from other sites.
    """

    network: Network
    base: Plan
    sites: Mapping[str, Site]
    points: Points
    per_channel: bool
    _specs: dict[tuple[str, int], Spec] = field(default_factory=dict)

    def plan(self, words: Words) -> Plan:
        """The base with other words at these sites."""
        chosen = {name: self.spec(name, bits) for name, bits in words.items()}
        return Plan(self.base.network, self.base.options, {**self.base.sites, **chosen})

    def spec(self, name: str, word_length: int) -> Spec:
        """The format of a free site with words of this length."""
        key = name, word_length
        if key not in self._specs:
            self._specs[key] = self.points.spec(self.sites[name], word_length, per_channel=self.per_channel)
        return self._specs[key]


def site_words(
    network: Network,
    ranges: Ranges,
    *,
    point: Point = "least-squares",
    per_channel: bool = True,
    scales: int = SCALES,
    biases: int = BIASES,
    also: Sequence[str] = (),
    options: PlanOptions = PlanOptions(),  # noqa: B008 (frozen)
    overrides: Sequence[Override] = (),
) -> SiteWords:
    """The plans of the hardware recipe (fused rounding points, saturation, nearest even) by word lengths.

    scales, biases: bits of batch norms' scales, and of biases and offsets. also: of `ALSO`, what is varied beside
    weights and outputs. overrides: sites that have a format of their own, which isn't varied.

    A last softmax is not free: nothing is computed from it, and argmax comes after it.

    Raises: PlanError for another network's ranges, and for a network that has nothing to vary.
    """
    points = Points(ranges, Rounding.NEAREST_EVEN, Overflow.SATURATE, point)
    words = WordLengths(REST, REST, scales, biases)
    base = plan_from_ranges(
        network, ranges, words, point=point, per_channel=per_channel, options=options, overrides=overrides
    )
    check_also(also)
    roles = [_always, *(ALSO[name] for name in also)]
    free = {
        name: site
        for name, site in sites_of(network, base.options).items()
        if name in base.sites
        and isinstance(base.sites[name], Quantizer | tuple)
        and any(is_in(site) for is_in in roles)
        and not any(fnmatch.fnmatchcase(name, override.pattern) for override in overrides)
        and not _is_last_softmax(site, network)
    }
    if not free:
        raise PlanError(f"{network.name} has no weight and no rounded output whose word could be shorter.")
    return SiteWords(network, base, free, points, per_channel)


def _always(site: Site) -> bool:
    return site.role in ("weight", "output")


def check_also(also: Sequence[str]) -> None:
    """Raises: PlanError for what can't be varied."""
    for name in also:
        if name not in ALSO:
            raise PlanError(f"--also {name}: choose of {', '.join(ALSO)}.")


def _is_last_softmax(site: Site, network: Network) -> bool:
    is_data = site.values is None and site.node == network.output
    return is_data and isinstance(network.by_name[site.node].operator, Softmax)
