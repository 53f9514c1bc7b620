"""What was made of layers under the plan before: a layer isn't repaired again whose own words, and everything before
it, are the same.

Plans that a search tries differ in a few sites. Up to the first of them all layers see the same inputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import is_

from bittrue.network import Network, Node, Operator
from bittrue.plan import PlanOptions, Spec, Word
from bittrue.repairs.draft import Draft
from bittrue.repairs.layer import Change


@dataclass(frozen=True, eq=False)
class _Known:
    """What a node's repair depends on beside its inputs, and the changes that were made."""

    operators: Sequence[Operator]
    options: PlanOptions
    specs: Mapping[str, Spec]
    changes: Sequence[Change]

    def is_of(self, other: "_Known") -> bool:
        same = len(self.operators) == len(other.operators) and all(map(is_, self.operators, other.operators))
        return same and self.options == other.options and self.specs == other.specs


class Memory:
    """Of repairs of one network with the same images and seed: by the names of those that go through it together."""

    def __init__(self) -> None:
        self._walks: dict[str, dict[str, _Known]] = {}

    def walk(self, what: str) -> "WalkMemory":
        """For one pass; what it remembers takes the place of what the pass before did."""
        before = self._walks.get(what, {})
        now = self._walks[what] = {}
        return WalkMemory(before, now)


class WalkMemory:
    """Of one pass through a network, node by node."""

    def __init__(self, before: Mapping[str, _Known], now: dict[str, _Known]) -> None:
        self._before, self._now, self._is_same = before, now, True

    def changes(self, draft: Draft, node: Node, made: Callable[[], Sequence[Change]]) -> Sequence[Change]:
        """Those of before where all has been the same up to here, else what `made` makes.

        node: of the target network. The draft is as the nodes before have left it.
        """
        group = _group(draft, node)
        operators = [network.by_name[own.name].operator for own in group for network in (draft.target, draft.network)]
        asked = _Known(operators, draft.options, _specs(draft, group), ())
        known = self._before.get(node.name)
        self._is_same = self._is_same and known is not None and known.is_of(asked)
        changes = known.changes if self._is_same and known is not None else made()
        self._now[node.name] = _Known(asked.operators, asked.options, asked.specs, changes)
        return changes


def _group(draft: Draft, node: Node) -> list[Node]:
    """The node and those that it is rounded with: a batch norm among them may take up its factors."""
    network: Network = draft.target
    found = [node]
    while draft.sites.get(f"{found[-1].name}.output") is Word.EXACT and len(network.consumers[found[-1].name]) == 1:
        found.append(network.by_name[network.consumers[found[-1].name][0]])
    return found


def _specs(draft: Draft, group: Sequence[Node]) -> dict[str, Spec]:
    parameters = {parameter.name for node in group for _, parameter in node.operator.parameters()}
    names = {node.name for node in group}
    # How the last node of the group is rounded is its own concern.
    other = f"{group[-1].name}.output" if len(group) > 1 else None
    return {
        site: spec
        for site, spec in draft.sites.items()
        if site != other and (site in parameters or site.rpartition(".")[0] in names)
    }
