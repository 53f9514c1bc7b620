"""Sites: the numbers that hardware stores or passes on (B5), found per operator by the rules of the `sites` table."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from bittrue.errors import PlanError
from bittrue.network import Network, Node, Parameter
from bittrue.plan.options import PlanOptions
from bittrue.rules import RuleTable
from bittrue.wording import excerpt


@dataclass(frozen=True, eq=False)
class Site:
    """One number, or array of numbers, that gets a format.

    name: `node.role`; layers that share a parameter share the site. values: a parameter's values as trained (float64
    where they are computed, like a batch norm's scale); None for data. channels: the output channels of a weight,
    which may each have a binary point of their own; None elsewhere. finite: whether the number always has a finite
    code, so that EXACT is allowed. bounds: what the number can't exceed whatever the data (a softmax: 0 to 1).
    optional: a plan may leave it out, and it is then EXACT.
    span_of: a site whose largest minus smallest value bounds this one. measure: for a number inside a node, what it is
    in the float network, from the node's input (a tensor, batch axis first).
    """

    name: str
    node: str
    role: str
    values: np.ndarray | None = None
    channels: int | None = None
    finite: bool = True
    optional: bool = False
    bounds: tuple[float, float] | None = None
    span_of: str | None = None
    measure: Callable[[Any], Any] | None = None


sites: RuleTable[Callable[..., tuple[Site, ...]]] = RuleTable("sites")
"""Rules `(operator, node, options) -> sites`, the output's first."""


class Grouping(Enum):
    """What a node does at fused rounding points (B12).

    START: convolution, dense, add. FOLLOW: batch norm and exact activations, which join a group. PASS: the result's
    codes are the input's own (maxima, movement), so no rounding is due. END: always rounds (averages, tables,
    concatenation, the input).
    """

    START = "start"
    FOLLOW = "follow"
    PASS = "pass"
    END = "end"


grouping: RuleTable[Callable[..., Grouping]] = RuleTable("grouping")
"""Rules `(operator) -> Grouping`."""


def output_site(node: Node, *, finite: bool = True, bounds: tuple[float, float] | None = None) -> Site:
    return Site(f"{node.name}.output", node.name, "output", finite=finite, bounds=bounds)


def parameter_site(node: Node, role: str, parameter: Parameter, channels: int | None = None) -> Site:
    return Site(parameter.name, node.name, role, values=parameter.value, channels=channels)


_FOUND: WeakKeyDictionary[Network, dict[PlanOptions, dict[str, Site]]] = WeakKeyDictionary()
"""What a search asks again for each of its plans."""


def sites_of(network: Network, options: PlanOptions) -> dict[str, Site]:
    """All sites of a network under `options`, by name, in the order of the nodes; a shared parameter's once."""
    known = _FOUND.setdefault(network, {})
    if options not in known:
        found: dict[str, Site] = {}
        for node in network.nodes:
            for site in sites[type(node.operator)](node.operator, node, options):
                found.setdefault(site.name, site)
        known[options] = found
    return dict(known[options])


def group_inner_nodes(network: Network) -> frozenset[str]:
    """Nodes inside a fused group, whose output is no rounding point (B12): those with one reader, which joins their
    group."""
    in_group: set[str] = set()
    inner: set[str] = set()
    for node in network.nodes:
        kind = grouping[type(node.operator)](node.operator)
        if kind is Grouping.START or (kind is Grouping.FOLLOW and node.inputs[0] in inner):
            in_group.add(node.name)
        readers = network.consumers[node.name]
        if node.name in in_group and len(readers) == 1 and node.name != network.output:
            reader = network.by_name[readers[0]].operator
            if grouping[type(reader)](reader) is Grouping.FOLLOW:
                inner.add(node.name)
    return frozenset(inner)


def unknown_site(name: str, known: Iterable[str]) -> PlanError:
    """The error for a site that doesn't exist, with the nearest names."""
    near = difflib.get_close_matches(name, list(known), n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "`bittrue inspect` lists the sites."
    return PlanError(f"there is no site {excerpt(name)}; {hint}")
