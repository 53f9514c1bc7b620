"""The `output_kind` table: whether an operator's outputs are probabilities, which decides how a loss is read off them
(B13)."""

from collections.abc import Callable
from enum import Enum

from bittrue.network import Network, Node
from bittrue.rules import RuleTable


class OutputKind(Enum):
    """What an operator's outputs are."""

    PROBABILITIES = "probabilities"
    SAME = "of its inputs' kind"
    """Its inputs' values, moved, chosen or averaged: probabilities where all inputs are."""
    OTHER = "other"


output_kind: RuleTable[Callable[..., OutputKind]] = RuleTable("output_kind")
"""Rules `(operator) -> OutputKind`."""


def ends_in_probabilities(network: Network) -> bool:
    """Whether the network's outputs are probabilities; logits otherwise."""
    return _gives_probabilities(network.by_name[network.output], network)


def _gives_probabilities(node: Node, network: Network) -> bool:
    kind = output_kind[type(node.operator)](node.operator)
    if kind is OutputKind.SAME:
        return all(_gives_probabilities(network.by_name[name], network) for name in node.inputs)
    return kind is OutputKind.PROBABILITIES
