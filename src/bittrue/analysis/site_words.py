"""Plans in which each weight and each output has a word length of its own: what sensitivities and searches vary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bittrue.bits import Bits, parse_bits
from bittrue.errors import PlanError
from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.network import Network
from bittrue.operators import Softmax
from bittrue.plan import Plan, Point, Ranges, Site, Spec, WordLengths, plan_from_ranges, sites_of
from bittrue.plan.points import Points

SCALES, BIASES = 12, 16
"""Bits of batch norms' scales, and of biases and offsets: there are few of them, and their words aren't varied."""

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
    network: Network, ranges: Ranges, *, point: Point = "least-squares", per_channel: bool = True
) -> SiteWords:
    """The plans of the hardware recipe (fused rounding points, saturation, nearest even) by word lengths.

    The output of a last softmax is not free: nothing is computed from it, and argmax comes after it.

    Raises: PlanError for another network's ranges, and for a network that has nothing to vary.
    """
    points = Points(ranges, Rounding.NEAREST_EVEN, Overflow.SATURATE, point)
    words = WordLengths(REST, REST, SCALES, BIASES)
    base = plan_from_ranges(network, ranges, words, point=point, per_channel=per_channel)
    free = {
        name: site
        for name, site in sites_of(network, base.options).items()
        if name in base.sites and _is_free(site, base.sites[name], network)
    }
    if not free:
        raise PlanError(f"{network.name} has no weight and no rounded output whose word could be shorter.")
    return SiteWords(network, base, free, points, per_channel)


def _is_free(site: Site, spec: Spec, network: Network) -> bool:
    if site.role not in ("weight", "output") or not isinstance(spec, Quantizer | tuple):
        return False
    is_last = site.role == "output" and site.node == network.output
    return not (is_last and isinstance(network.by_name[site.node].operator, Softmax))
