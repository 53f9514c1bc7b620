"""Plans made by a recipe: one format everywhere, or word lengths whose binary points come from the ranges."""

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bittrue.bits import parse_number
from bittrue.errors import FormatError, PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.network import Network
from bittrue.plan.options import PlanOptions
from bittrue.plan.plan import Plan, check_spec
from bittrue.plan.points import Point, Points
from bittrue.plan.ranges import Ranges
from bittrue.plan.sites import Grouping, Site, group_inner_nodes, grouping, sites_of, unknown_site
from bittrue.plan.spec import Guard, Spec, Word, parse_spec
from bittrue.plan.words import WordLengths

STUDY_OPTIONS = PlanOptions(batch_norm="raw", rounding_points="every-node")
STUDY_WORD_LENGTH = 16
"""The yardstick of the study recipe where none is given: with UNBOUNDED overflow it only decides what is counted."""

Choose = Callable[[Site], Spec]


@dataclass(frozen=True)
class Override:
    """`--site NAME=SPEC`; `*` in NAME matches any characters.

    spec: as `parse_spec` reads it, or a word length alone, `4` or `4,per-channel`, whose binary point is chosen.
    """

    pattern: str
    spec: str

    @classmethod
    def parse(cls, text: str) -> "Override":
        pattern, separator, spec = text.partition("=")
        if not separator or not pattern.strip() or not spec.strip():
            raise PlanError(
                f"--site {text!r}: write NAME=SPEC, for example conv1.weight='ap_fixed<8,1>' or softmax.output=FLOAT."
            )
        return cls(pattern.strip(), spec.strip())


def uniform_plan(
    network: Network,
    word_length: int | str,
    fraction_bits: int | str,
    *,
    rounding: Rounding = Rounding.NEAREST_EVEN,
    overflow: Overflow = Overflow.SATURATE,
    options: PlanOptions = STUDY_OPTIONS,
    overrides: Sequence[Override] = (),
) -> Plan:
    """One signed format for every site."""
    format = FixedFormat(
        True, parse_number(word_length, "--word-length"), parse_number(fraction_bits, "--fraction-bits")
    )
    quantizer = Quantizer(format, rounding, overflow)
    return build_plan(network, options, lambda site: quantizer, overrides, Points(None, rounding, overflow))


def study_plan(
    network: Network,
    fraction_bits: int | str,
    *,
    word_length: int | str = STUDY_WORD_LENGTH,
    rounding: Rounding = Rounding.NEAREST_EVEN,
    overflow: Overflow = Overflow.UNBOUNDED,
    options: PlanOptions = STUDY_OPTIONS,
    overrides: Sequence[Override] = (),
) -> Plan:
    """The study's recipe: F = k at every site and no word limit; `word_length` is a yardstick for what would
    overflow."""
    return uniform_plan(
        network, word_length, fraction_bits, rounding=rounding, overflow=overflow, options=options, overrides=overrides
    )


def plan_from_ranges(
    network: Network,
    ranges: Ranges,
    word_length: int | str | WordLengths,
    *,
    rounding: Rounding = Rounding.NEAREST_EVEN,
    overflow: Overflow = Overflow.SATURATE,
    options: PlanOptions = PlanOptions(),  # noqa: B008 (frozen)
    point: Point = "range",
    per_channel: bool = False,
    overrides: Sequence[Override] = (),
) -> Plan:
    """The hardware recipe: word lengths (one number: twice that for biases and offsets), each binary point from the
    site's values.

    Unsigned where a range never goes below zero. point: with "range" nothing that was measured overflows; with
    "least-squares" the squared error of the rounded and saturated values is least. per_channel: a binary point for each
    output channel of a weight.
    """
    if ranges.network != network.hash:
        raise PlanError(
            f"the ranges were measured on another network ({ranges.network[:18]}…, and {network.name} is "
            f"{network.hash[:18]}…); measure them again with `bittrue ranges`."
        )
    words = _by_kind(word_length)
    points = Points(ranges, rounding, overflow, point)
    return build_plan(
        network,
        options,
        lambda site: points.spec(site, words.of(site), per_channel=per_channel),
        overrides,
        points,
    )


def _by_kind(word_length: int | str | WordLengths) -> WordLengths:
    if isinstance(word_length, WordLengths):
        return word_length
    return WordLengths.uniform(parse_number(word_length, "--word-length"))


def complete_plan(
    network: Network,
    plan: Plan,
    word_length: int | str | WordLengths | None = None,
    *,
    ranges: Ranges | None = None,
    rounding: Rounding = Rounding.NEAREST_EVEN,
    overflow: Overflow = Overflow.SATURATE,
    point: Point = "range",
    per_channel: bool = False,
    overrides: Sequence[Override] = (),
) -> Plan:
    """A plan in which some sites have no quantizer, as a file's own, with quantizers for these.

    word_length: for sites that are FLOAT, and for parameters that are EXACT; outputs that are EXACT stay so, since the
    quantizer behind them rounds them. None for none. ranges: needed where such a site is no parameter. overrides: come
    on top, at any site.

    Raises: PlanError for a site that doesn't exist, and for ranges that are missing.
    """
    found = sites_of(network, plan.options)
    chosen = _overridden(found, overrides)
    points = Points(ranges, rounding, overflow, point)
    words = None if word_length is None else _by_kind(word_length)
    sites = dict(plan.sites)
    for name, site in found.items():
        own = sites.get(name)
        open_ = own is Word.FLOAT or (own is Word.EXACT and site.values is not None)
        if name in chosen:
            sites[name] = _override_spec(site, chosen[name], Word.EXACT if own is None else own, points)
            check_spec(site, sites[name])
        elif words is not None and open_:
            sites[name] = points.spec(site, words.of(site), per_channel=per_channel)
    return Plan(plan.network, plan.options, {name: sites[name] for name in found if name in sites})


def build_plan(
    network: Network, options: PlanOptions, choose: Choose, overrides: Sequence[Override], points: Points
) -> Plan:
    """A plan from `choose`, which gives a site's own quantizer; what the rounding points and the overrides say comes
    on top.

    points: choose the binary point of an override that is a word length alone; an override's notation takes their modes
    where it leaves them out.
    """
    found = sites_of(network, options)
    inner = group_inner_nodes(network) if options.rounding_points == "fused" else frozenset()
    chosen = _overridden(found, overrides)
    plan: dict[str, Spec] = {}
    for name, site in found.items():
        if site.optional and name not in chosen:
            continue
        own = _recipe_spec(network, options, site, choose, inner, plan)
        if name in chosen:
            own_quantizer = choose(site) if own is Word.EXACT and site.role != "accumulator" else own
            own = _override_spec(site, chosen[name], own_quantizer, points)
            check_spec(site, own)
        plan[name] = own
    return Plan(network.hash, options, plan)


def _recipe_spec(
    network: Network,
    options: PlanOptions,
    site: Site,
    choose: Choose,
    inner: frozenset[str],
    so_far: Mapping[str, Spec],
) -> Spec:
    if site.role == "accumulator":
        return Word.EXACT
    if site.role != "output":
        return choose(site)
    node = network.by_name[site.node]
    if grouping[type(node.operator)](node.operator) is Grouping.PASS:
        if options.rounding_points == "fused":
            return Word.EXACT
        return so_far[f"{node.inputs[0]}.output"]  # the values are on that grid already
    own = choose(site)
    if node.name in inner and isinstance(own, Quantizer):
        return Word.EXACT if site.finite else Guard(own)
    return own


_WORDS = re.compile(r"([0-9]{1,5})(?:\s*,\s*(per-channel))?")


def _override_spec(site: Site, text: str, own: Spec, points: Points) -> Spec:
    """What an override says of a site, whose own quantizer is `own`."""
    words = _WORDS.fullmatch(text)
    try:
        if words is None:
            return parse_spec(text, own, points.rounding, points.overflow)
        if site.role == "accumulator":
            raise PlanError(
                "the binary point of an accumulator isn't chosen; write a format, such as 'ap_fixed<24,8>'."
            )
        if words[2] and site.channels is None:
            raise PlanError("only weights take one format an output channel; leave per-channel out.")
        return points.spec(site, int(words[1]), per_channel=bool(words[2]))
    except (FormatError, PlanError) as error:
        named = str(error).startswith(f"site {site.name}: ")
        raise type(error)(str(error) if named else f"site {site.name}: {error}") from None


def _overridden(found: Mapping[str, Site], overrides: Sequence[Override]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for override in overrides:
        matches = fnmatch.filter(found, override.pattern)
        if not matches:
            raise unknown_site(override.pattern, found)
        chosen.update(dict.fromkeys(matches, override.spec))
    return chosen
