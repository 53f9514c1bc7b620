"""What an export is made from, and what it makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bittrue.data import Dataset
from bittrue.errors import BittrueError
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.program import FixedNetwork


@dataclass(frozen=True, eq=False)
class Job:
    """One export: what all of its targets read.

    program: the network under the plan, as far as it goes onto the device. images: those that vectors are made of, or
    None.
    """

    network: Network
    plan: Plan
    program: FixedNetwork
    images: Dataset | None

    @property
    def name(self) -> str:
        return self.network.name

    @property
    def on_host(self) -> tuple[str, ...]:
        """The nodes that the device doesn't compute."""
        computed = {step.name for step in self.program.steps}
        return tuple(node.name for node in self.network.nodes if node.name not in computed)


@dataclass(frozen=True)
class Target:
    """A kind of export: a folder of its own, named as it is.

    check: raises BittrueError for what the target can't have, before anything is written. write: writes into the folder
    that it is given; its result says which of the files hold the codes of a site, by the site's name.
    """

    name: str
    what: str
    needs_images: bool
    check: Callable[[Job], None]
    write: Callable[[Job, Path], Mapping[str, str]]


def until(program: FixedNetwork, node: str) -> FixedNetwork:
    """The part of a program that ends with a node.

    Raises: BittrueError for a name that no node has.
    """
    if node not in program.by_name:
        raise BittrueError(f"There is no node '{node[:80]}' to stop at: choose one of {', '.join(_last(program))}.")
    wanted = {node}
    for step in reversed(program.steps):
        if step.name in wanted:
            wanted.update(step.inputs)
    steps = tuple(step for step in program.steps if step.name in wanted or step is program.steps[0])
    return replace(program, steps=steps, output=node)


def _last(program: FixedNetwork) -> list[str]:
    """The last few nodes, where a device usually stops."""
    return [step.name for step in program.steps if step.site is not None][-8:]
