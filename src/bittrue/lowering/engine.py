"""The engine: each node of a network by its operator's rule, in order."""

from collections.abc import Callable

from bittrue.environment import exact_environment
from bittrue.lowering.emission import LoweringContext
from bittrue.network import Network, Node, Operator
from bittrue.plan import Plan, check_plan
from bittrue.program import Bypass, FixedNetwork
from bittrue.rules import RuleTable

lower: RuleTable[Callable[..., None]] = RuleTable("lower")
"""Rules `(operator, context) -> None`, which end with `context.finish`."""

bypass: RuleTable[Callable[..., Operator]] = RuleTable("bypass")
"""Rules `(operator, context) -> operator` with its parameters rounded as the plan says, for FLOAT."""


def lower_network(network: Network, plan: Plan) -> FixedNetwork:
    """The FixedNetwork of a network under a plan.

    Raises PlanError for a plan that isn't the network's, CarrierError where an exact result would be too wide.
    """
    check_plan(plan, network)
    context = LoweringContext(network, plan)
    lower_nodes(context)
    return context.program()


@exact_environment()
def lower_nodes(context: LoweringContext, taken_over: Callable[[Node], bool] = lambda node: False) -> None:
    """The steps of each of the context's nodes, in integers or in float32; `taken_over` says which nodes have theirs
    already."""
    for node in context.network.nodes:
        context.begin(node)
        if not taken_over(node):
            lower_node(context)


def lower_node(context: LoweringContext) -> None:
    """The steps of the context's node, in integers or in float32."""
    node = context.node
    if node.inputs and context.uses_float():
        context.finish_float(Bypass(bypass[type(node.operator)](node.operator, context)))
    else:
        lower[type(node.operator)](node.operator, context)
