"""The cost of a plan: bits that are stored, products by width, accumulators, and estimates of DSPs and block RAMs.

It follows from the network and the formats, whatever the trained weights are, so that it is known in a moment, is the
same before and after weights are repaired, and never falls when a word gets longer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

from bittrue.analysis.cost.result import Cost, LiveSet, NodeCost, SiteCost
from bittrue.analysis.cost.work import Reading, Work, operand_of, work
from bittrue.errors import CarrierError, FormatError, ModelError, PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, word_length_between
from bittrue.fixed.dyadic import exact_codes
from bittrue.lowering import Lowered, lower_any_weights
from bittrue.network import Network
from bittrue.plan import Guard, Plan, PlanLike, Site, Spec, Word, as_plan, check_plan, formats_of
from bittrue.program import FixedNetwork, grouped


def cost(network: Network, plan: PlanLike) -> Cost:
    """What a plan costs in hardware. No weight is rounded for it.

    Raises: PlanError for another network's plan, and for one with a FLOAT site; what lowering raises.
    """
    plan = as_plan(plan)
    sites = check_plan(plan, network)
    check_fixed(plan)
    return cost_of(lower_any_weights(network, in_words(plan)), plan, sites)


def cost_or_reason(network: Network, plan: Plan) -> Cost | str:
    """For what shows a cost beside something else: the cost, or the sentence that says why the plan has none."""
    try:
        return cost(network, plan)
    except (CarrierError, FormatError, ModelError, PlanError) as error:
        return f"No cost: {error}"


def check_fixed(plan: Plan) -> None:
    """Raises: PlanError for a plan with a FLOAT site."""
    for name, spec in plan.sites.items():
        if spec is Word.FLOAT:
            raise PlanError(f"site {name} is FLOAT, and float32 has no cost in fixed-point hardware: give it a format.")


def in_words(plan: Plan) -> Plan:
    """The plan whose values all fit their words: what isn't bounded saturates."""
    return replace(plan, sites={name: _in_words(spec) for name, spec in plan.sites.items()})


def _in_words(spec: Spec) -> Spec:
    if isinstance(spec, Word):
        return spec
    if isinstance(spec, tuple):
        return tuple(map(_saturating, spec))
    return _saturating(spec.quantizer if isinstance(spec, Guard) else spec)


def _saturating(quantizer: Quantizer) -> Quantizer:
    return replace(quantizer, overflow=Overflow.SATURATE) if quantizer.overflow is Overflow.UNBOUNDED else quantizer


def cost_of(lowered: Lowered, plan: Plan, sites: Mapping[str, Site]) -> Cost:
    """The cost of a program that `lower_any_weights` made of `in_words(plan)`. sites: of its network."""
    network, program = lowered.network, lowered.program
    stored = [_parameter(site, lowered) for site in sites.values() if site.values is not None]
    nodes, made = _work(lowered)
    activations, live_sets = _activations(program)
    ordered = {node.name: place for place, node in enumerate(network.nodes)}
    return Cost(
        network=network.hash,
        plan=plan.hash,
        sites=tuple(sorted([*stored, *made, *activations], key=lambda site: ordered[site.node])),
        nodes=nodes,
        live_sets=live_sets,
        mean_bits={
            "weights": _mean_of(site for site in stored if sites[site.site].channels is not None),
            "activations": _mean_of(_rounded(lowered)),
        },
        unbounded=sum(
            any(quantizer.overflow is Overflow.UNBOUNDED for quantizer in _quantizers(spec))
            for spec in plan.sites.values()
        ),
    )


def _quantizers(spec: Spec) -> tuple[Quantizer, ...]:
    if isinstance(spec, Word | Guard):
        return ()
    return spec if isinstance(spec, tuple) else (spec,)


def _parameter(site: Site, lowered: Lowered) -> SiteCost:
    """A site with values, each of which is stored."""
    values = site.values
    assert values is not None
    words = values.size
    if formats := formats_of(lowered.plan.sites[site.name]):
        lengths = [format.word_length for format in formats]
        return SiteCost(site.name, site.node, "parameter", words, max(lengths), words // len(lengths) * sum(lengths))
    codes, _ = exact_codes(values)
    length = word_length_between(int(codes.min()), int(codes.max()))
    return SiteCost(site.name, site.node, "parameter", words, length, words * length)


def _rounded(lowered: Lowered) -> list[SiteCost]:
    """The outputs that are rounded, each as often as it has elements."""
    found = []
    for node in lowered.network.nodes:
        name = f"{node.name}.output"
        if formats := formats_of(lowered.plan.sites[name]):
            length, words = formats[0].word_length, prod(node.shape)
            found.append(SiteCost(name, node.name, "activation", words, length, words * length))
    return found


def _mean_of(sites: Iterable[SiteCost]) -> float | None:
    found = list(sites)
    words = sum(site.words for site in found)
    return sum(site.bits for site in found) / words if words else None


def _work(lowered: Lowered) -> tuple[tuple[NodeCost, ...], list[SiteCost]]:
    """What each node computes with, and the accumulators and tables that this takes."""
    network, program, plan = lowered.network, lowered.program, lowered.plan
    found: dict[str, list[Work]] = {node.name: [] for node in network.nodes}
    made = []
    for step in program.steps:
        roles = dict(network.by_name[step.node].operator.parameters())

        def formats(role: str, node: str = step.node, roles: Mapping[str, Any] = roles) -> tuple[FixedFormat, ...]:
            name = roles[role].name if role in roles else f"{node}.{role}"
            return formats_of(plan.sites.get(name, Word.EXACT))

        kind = type(step.instruction)
        if reason := work.gap(kind):
            done = Work(uncounted=reason)
        else:
            inputs = tuple(program.by_name[name].type for name in step.inputs)
            done = work[kind](step.instruction, Reading(step, inputs, formats))
        found[step.node].append(done)
        for table in done.tables:
            name = f"{step.node}.{table.role} table"
            made.append(
                SiteCost(name, step.node, "table", table.words, table.word_length, table.words * table.word_length)
            )
    nodes = tuple(_node_cost(name, works) for name, works in found.items())
    for node in nodes:
        if node.accumulator is not None:
            made.append(
                SiteCost(f"{node.node}.accumulator", node.node, "accumulator", 1, node.accumulator, node.accumulator)
            )
    return nodes, made


def _node_cost(node: str, works: list[Work]) -> NodeCost:
    return NodeCost(
        node,
        tuple(products for done in works for products in done.macs),
        tuple(products for done in works for products in done.products),
        max((done.accumulator for done in works if done.accumulator is not None), default=None),
        tuple(done.uncounted for done in works if done.uncounted is not None),
    )


def _activations(program: FixedNetwork) -> tuple[list[SiteCost], tuple[LiveSet, ...]]:
    """The values that are stored between the steps, and which of them live at each moment."""
    grouping = grouped(program)
    values = {}
    for step in (program.steps[0], *(group.last for group in grouping.groups)):
        words, length = prod(step.type.shape), operand_of(step.type).bits
        values[step.name] = SiteCost(step.site or step.name, step.node, "activation", words, length, words * length)
    made = {program.steps[0].name: 0} | {group.last.name: moment for moment, group in enumerate(grouping.groups)}
    first = values[program.steps[0].name]
    sets = [LiveSet(first.node, (first.site,), first.bits)]
    for moment, group in enumerate(grouping.groups):
        live = [
            values[name]
            for name, since in made.items()
            if since <= moment <= max(grouping.last_read.get(name, -1), moment if name == group.last.name else -1)
        ]
        sets.append(LiveSet(group.last.node, tuple(site.site for site in live), sum(site.bits for site in live)))
    return list(values.values()), tuple(sets)
