"""Builds a Network node by node: names made valid and unique, shapes inferred, what no output needs left out."""

import re
from collections.abc import Callable

from bittrue.errors import ModelError
from bittrue.network.graph import Network, Node, Operator
from bittrue.rules import RuleTable
from bittrue.shapes import Shape

shape_of: RuleTable[Callable[..., Shape]] = RuleTable("shape")
"""Rules `(operator, input shapes) -> output shape`; a rule raises ModelError where the shapes don't fit."""


class NetworkBuilder:
    """Collects nodes for one Network. Front ends call `add` in an order in which inputs come first."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: dict[str, Node] = {}
        self._taken: set[str] = set()

    def unique_name(self, wanted: str) -> str:
        """`wanted` with characters outside [A-Za-z0-9_] replaced by `_`, and `_2`, `_3`, … added on a clash (B5)."""
        base = re.sub(r"[^A-Za-z0-9_]", "_", wanted) or "node"
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name

    def add(self, name: str, operator: Operator, *inputs: str) -> str:
        """Add a node under a name from `unique_name`; returns that name."""
        shapes = tuple(self._nodes[source].shape for source in inputs)
        try:
            shape = shape_of[type(operator)](operator, shapes)
        except ModelError as error:
            raise ModelError(f"layer {name}: {error}") from None
        self._nodes[name] = Node(name, operator, inputs, shape)
        return name

    def shape(self, name: str) -> Shape:
        return self._nodes[name].shape

    def finish(self, output: str) -> Network:
        """The Network that computes `output`; nodes it doesn't need are left out (the input stays)."""
        needed = {output, next(iter(self._nodes))}
        for node in reversed(self._nodes.values()):
            if node.name in needed:
                needed.update(node.inputs)
        return Network(self._name, tuple(node for node in self._nodes.values() if node.name in needed), output)
