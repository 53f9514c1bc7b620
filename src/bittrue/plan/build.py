"""Plans made by a recipe: one format everywhere, or word lengths whose binary points come from the ranges."""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bittrue.errors import FormatError, PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.network import Network
from bittrue.plan.options import PlanOptions
from bittrue.plan.plan import Plan, check_spec
from bittrue.plan.ranges import Ranges, fraction_bits_for
from bittrue.plan.sites import Grouping, Site, group_inner_nodes, grouping, sites_of, unknown_site
from bittrue.plan.spec import Guard, Spec, Word, parse_spec

STUDY_OPTIONS = PlanOptions(batch_norm="raw", rounding_points="every-node")
STUDY_WORD_LENGTH = 16
"""The yardstick of the study recipe where none is given: with UNBOUNDED overflow it only decides what is counted."""

WIDE_ROLES = ("bias", "offset", "beta")

Choose = Callable[[Site], Spec]


@dataclass(frozen=True)
class Override:
    """`--site NAME=SPEC`; `*` in NAME matches any characters."""

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
    word_length: int,
    fraction_bits: int,
    *,
    rounding: Rounding = Rounding.NEAREST_EVEN,
    overflow: Overflow = Overflow.SATURATE,
    options: PlanOptions = STUDY_OPTIONS,
    overrides: Sequence[Override] = (),
) -> Plan:
    """One signed format for every site."""
    quantizer = Quantizer(FixedFormat(True, word_length, fraction_bits), rounding, overflow)
    return build_plan(network, options, lambda site: quantizer, overrides, quantizer)


def study_plan(
    network: Network,
    fraction_bits: int,
    *,
    word_length: int = STUDY_WORD_LENGTH,
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
    word_length: int,
    *,
    rounding: Rounding = Rounding.NEAREST_EVEN,
    overflow: Overflow = Overflow.SATURATE,
    options: PlanOptions = PlanOptions(),  # noqa: B008 (frozen)
    per_channel: bool = False,
    overrides: Sequence[Override] = (),
) -> Plan:
    """The hardware recipe: `word_length` bits (twice that for biases and offsets), each binary point from the site's
    range.

    Unsigned where a range never goes below zero. per_channel: a binary point for each output channel of a weight.
    """
    if ranges.network != network.hash:
        raise PlanError(
            f"the ranges were measured on another network ({ranges.network[:18]}…, and {network.name} is "
            f"{network.hash[:18]}…); measure them again with `bittrue ranges`."
        )

    def quantizer_for(low: float, high: float, bits: int, signed: bool) -> Quantizer:
        fraction_bits = fraction_bits_for(low, high, bits, signed, overflow)
        return Quantizer(FixedFormat(signed, bits, fraction_bits), rounding, overflow)

    def choose(site: Site) -> Spec:
        bits = 2 * word_length if site.role in WIDE_ROLES else word_length
        if per_channel and site.channels is not None and site.values is not None:
            columns = site.values.reshape(-1, site.channels)
            low, high = columns.min(axis=0), columns.max(axis=0)
            signed = bool((low < 0).any())
            return tuple(
                quantizer_for(least, most, bits, signed)
                for least, most in zip(low.tolist(), high.tolist(), strict=True)
            )
        least, most = _range(site, ranges)
        return quantizer_for(least, most, bits, least < 0)

    default = Quantizer(FixedFormat(True, word_length, 0), rounding, overflow)
    return build_plan(network, options, choose, overrides, default)


def _range(site: Site, ranges: Ranges) -> tuple[float, float]:
    if site.values is not None:
        return float(np.min(site.values)), float(np.max(site.values))
    if site.name in ranges.sites:
        measured = ranges.sites[site.name]
        return measured.low, measured.high
    if site.span_of is not None and site.span_of in ranges.sites:
        source = ranges.sites[site.span_of]
        return 0.0, source.high - source.low
    if site.bounds is not None:
        return site.bounds
    raise PlanError(f"the ranges say nothing of the site {site.name}; measure them again with `bittrue ranges`.")


def build_plan(
    network: Network, options: PlanOptions, choose: Choose, overrides: Sequence[Override], default: Quantizer
) -> Plan:
    """A plan from `choose`, which gives a site's own quantizer; what the rounding points and the overrides say comes
    on top.

    default: whose modes an override's notation takes where it leaves them out.
    """
    found = sites_of(network, options)
    inner = group_inner_nodes(network) if options.rounding_points == "fused" else frozenset()
    chosen = _overridden(found, overrides)
    plan: dict[str, Spec] = {}
    for name, site in found.items():
        own = _recipe_spec(network, options, site, choose, inner, plan)
        if name in chosen:
            own_quantizer = choose(site) if own is Word.EXACT and site.role != "accumulator" else own
            try:
                own = parse_spec(chosen[name], own_quantizer, default)
            except (FormatError, PlanError) as error:
                raise type(error)(f"site {name}: {error}") from None
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


def _overridden(found: Mapping[str, Site], overrides: Sequence[Override]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for override in overrides:
        matches = fnmatch.filter(found, override.pattern)
        if not matches:
            raise unknown_site(override.pattern, found)
        chosen.update(dict.fromkeys(matches, override.spec))
    return chosen
