"""Lowering near a known plan: programs that share most of their steps, at the cost of those that differ."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bittrue.lowering.emission import LoweringContext
from bittrue.lowering.engine import lower_nodes
from bittrue.lowering.parameters import ParameterCodes
from bittrue.network import Network, Node
from bittrue.plan import Plan, Site, check_plan
from bittrue.program import Bounds, CodeType, FixedNetwork


@dataclass(frozen=True, eq=False)
class Lowered:
    """A program with what it was made from, so that neighbours of its plan are lowered at little cost."""

    network: Network
    plan: Plan
    program: FixedNetwork
    parameters: Mapping[str, ParameterCodes]


def lower_keeping(network: Network, plan: Plan) -> Lowered:
    """As `lower_network`, with what `lower_variant` needs; raises what that does."""
    check_plan(plan, network)
    context = LoweringContext(network, plan)
    lower_nodes(context)
    return Lowered(network, plan, context.program(), context.parameters)


def lower_variant(near: Lowered, plan: Plan, network: Network | None = None) -> FixedNetwork:
    """The program under a plan of the same options that differs from `near`'s in a few sites.

    network: `near`'s own (None), or one with other operators at some of its nodes. Steps whose operators, sites and
    inputs' types are the same are `near`'s very own objects. Raises what `lower_network` does.
    """
    network = near.network if network is None else network
    found = check_plan(plan, network)
    changed = {node.name for node in network.nodes if node.operator is not near.network.by_name[node.name].operator}
    others = {site for name in changed for site in _sites_of_node(network.by_name[name], found)}
    known = same_sites(near.plan, plan, found) - others
    parameters = {name: codes for name, codes in near.parameters.items() if name in known}
    context = LoweringContext(network, plan, parameters)
    overflows = near.program.parameter_overflows
    context.parameter_overflows.update((name, count) for name, count in overflows.items() if name in known)
    lower_nodes(
        context,
        lambda node: (
            node.name not in changed
            and known.issuperset(_sites_of_node(node, found))
            and context.takes_over(near.program)
        ),
    )
    return context.program()


def lower_seen(near: Lowered, seen: Mapping[str, tuple[int, int]]) -> FixedNetwork:
    """`near`'s program, where each step knows what it can reach for inputs as large as those that were seen.

    seen: the least and the largest code of each step; they stand for the bounds of those that no format bounds.
    """
    bounded = {
        step.name: replace(step.type, low=seen[step.name][0], high=seen[step.name][1])
        for step in near.program.steps
        if step.name in seen and (step.type.low is None or step.type.high is None)
    }
    return _retyped(near, bounded)


def lower_by_formats(near: Lowered) -> FixedNetwork:
    """`near`'s program, where each step expects of its inputs whatever their quantizers let through.

    What the network can't produce, whatever it is given, is expected too: a ReLU's word that holds 255 where the layers
    before it reach 200 at most.
    """
    allowed = {
        step.name: CodeType.within(step.type.shape, step.type.binary_point, Bounds.of_quantizer(step.quantizer))
        for step in near.program.steps
        if step.quantizer is not None
    }
    return _retyped(near, allowed)


def _retyped(near: Lowered, types: Mapping[str, CodeType]) -> FixedNetwork:
    """`near`'s program with other types for some of its steps, and what follows from them for the others."""
    context = LoweringContext(near.network, near.plan, near.parameters, types)
    lower_nodes(context)
    steps = tuple(replace(step, type=types.get(step.name, step.type)) for step in context.program().steps)
    return replace(near.program, steps=steps)


def same_sites(plan: Plan, other: Plan, found: Mapping[str, Site]) -> set[str]:
    """The sites, of those that are `found`, of which two plans say the same under the same options."""
    if plan.options != other.options:
        return set()
    return {name for name in found if plan.sites.get(name) == other.sites.get(name)}


def _sites_of_node(node: Node, found: Mapping[str, Site]) -> list[str]:
    """The sites that a node's steps depend on, parameters that it shares with other nodes included."""
    shared = [parameter.name for _, parameter in node.operator.parameters() if parameter.name in found]
    return [*(name for name, site in found.items() if site.node == node.name), *shared]
