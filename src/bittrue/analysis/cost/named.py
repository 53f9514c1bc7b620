"""Costs by name: what `--cost NAME` means, and what tables, files and the report show of a plan in all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bittrue.errors import BittrueError

if TYPE_CHECKING:  # which shows its named costs
    from bittrue.analysis.cost.result import Cost

CostFunction = Callable[["Cost"], float]
"""One number of a plan: less is better, and a longer word at a site never makes it less."""


@dataclass(frozen=True)
class NamedCost:
    """heading: of a table's column. what: the number, in a few words."""

    name: str
    heading: str
    what: str
    of: CostFunction


COSTS: dict[str, NamedCost] = {}
"""By name, in the order in which they are shown."""


def named_cost(name: str, heading: str, what: str) -> Callable[[CostFunction], CostFunction]:
    """Register the decorated function under a name."""

    def register(function: CostFunction) -> CostFunction:
        if name in COSTS:
            raise TypeError(f"there is a cost {name!r} already")
        COSTS[name] = NamedCost(name, heading, what, function)
        return function

    return register


def cost_named(name: str) -> NamedCost:
    """Raises: BittrueError for a name that no cost has."""
    if name not in COSTS:
        raise BittrueError(f"There is no cost {name!r}: choose one of {', '.join(COSTS)}.")
    return COSTS[name]


@named_cost("weight-bits", "weight bits", "bits of all weights, biases and other parameters")
def weight_bits(cost: "Cost") -> int:
    return sum(site.bits for site in cost.of_kind("parameter"))


@named_cost("activation-bits", "activation bits", "bits of the largest set of values that live at once")
def activation_bits(cost: "Cost") -> int:
    return cost.largest_live_set.bits


@named_cost("table-bits", "table bits", "bits of the tables of functions")
def table_bits(cost: "Cost") -> int:
    return sum(site.bits for site in cost.of_kind("table"))


@named_cost("accumulator-bits", "accumulator bits", "bits of the accumulators, one a node")
def accumulator_bits(cost: "Cost") -> int:
    return sum(site.bits for site in cost.of_kind("accumulator"))


@named_cost("mac-bit-operations", "MAC bit operations", "each multiply-accumulate times both of its word lengths")
def mac_bit_operations(cost: "Cost") -> int:
    """The measure of, among others, van Baalen et al., "Bayesian Bits", 2020: MACs · b_w · b_a."""
    return sum(products.bit_operations for node in cost.nodes for products in node.macs)


@named_cost("dsp", "DSP48E2", "DSP48E2 slices (estimate), a multiplier for each product of one output position")
def dsp(cost: "Cost") -> int:
    return sum(node.dsps for node in cost.nodes)


@named_cost("dsp-cycles", "DSP cycles", "cycles of a DSP48E2 (estimate) for one image, shared out among the slices")
def dsp_cycles(cost: "Cost") -> int:
    return sum(products.dsp_cycles for node in cost.nodes for products in (*node.macs, *node.products))


@named_cost("bram", "BRAM36", "RAMB36E2 blocks (estimate) for parameters, tables and the largest live set")
def bram(cost: "Cost") -> float:
    stored = (*cost.of_kind("parameter"), *cost.of_kind("table"))
    found = sum(site.brams for site in stored) + cost.live_brams
    return found if found % 1 else int(found)
