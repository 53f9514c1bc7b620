"""What an export is made from, and what it makes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from bittrue.data import Dataset
from bittrue.display import Table
from bittrue.errors import BittrueError
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.network import Network, Parameter
from bittrue.plan import Plan, Spec
from bittrue.program import FixedNetwork, Step

VECTOR_IMAGES = 10
"""Images that golden vectors are made of where nothing else is said."""

OUTPUT_FIRST, AS_IS = "output-first", "as-is"
"""Orders of memory images that have a name."""

SEARCHED = 64
"""Images that are searched for overflows where no trace says which overflow: as many as `bittrue trace` takes."""


@dataclass(frozen=True)
class MemoryOptions:
    """How memory images are written: formats by name, the layout of `memory.layout.Layout`; order: `output-first`, so
    that the weights of one sum follow each other, `as-is` for the arrays' own order of axes, or axes by name from the
    outermost on, with commas; an array leaves out those that it hasn't, and its other axes follow as they are."""

    formats: tuple[str, ...] = ("readmemh",)
    order: str = OUTPUT_FIRST
    words: int = 1
    first: str = "low"
    banks: int = 1
    mirrored: bool = False

    def __post_init__(self) -> None:
        if len(set(self.axes)) != len(self.axes):
            raise BittrueError(f"The memory order {self.order[:60]!r} names an axis twice: name each once.")

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes that the order names."""
        return () if self.order in (OUTPUT_FIRST, AS_IS) else tuple(axis.strip() for axis in self.order.split(","))


@dataclass(frozen=True, eq=False)
class Job:
    """One export: what all of its targets read.

    program: the network under the plan, as far as it goes onto the device. images: those that vectors are made of, or
    None. data, searched: the whole data, and the numbers of its images among which those that overflow are vectors,
    too. verilog: how much is computed side by side.
    """

    network: Network
    plan: Plan
    program: FixedNetwork
    images: Dataset | None
    memory: MemoryOptions = MemoryOptions()
    data: Dataset | None = None
    searched: Sequence[int] = ()
    verilog: VerilogOptions = field(default_factory=VerilogOptions)

    @property
    def name(self) -> str:
        return self.network.name

    def spec_of(self, name: str) -> Spec | None:
        """What the plan says of a step's constant, `node.role`, under the name of a node that shares it; None if
        nothing."""
        return self.plan.sites.get(name, self.plan.sites.get(self.stored_name(name)))

    def stored_name(self, name: str) -> str:
        """What `node.role` is called where nodes share it: by the first of them."""
        return self._shared.get(name, name)

    def parameter(self, name: str) -> Parameter | None:
        """The trained parameter `node.role`; None where it is none of the network's."""
        return self.network.parameters.get(self.stored_name(name))

    @cached_property
    def _shared(self) -> dict[str, str]:
        return {
            f"{node.name}.{role}": parameter.name
            for node in self.network.nodes
            for role, parameter in node.operator.parameters()
        }

    @property
    def on_host(self) -> tuple[str, ...]:
        """The nodes that the device doesn't compute, and the ArgMax that names classes behind them."""
        computed = {step.name for step in self.program.steps}
        last = () if self.network.argmax is None else (self.network.argmax.name,)
        return (*(node.name for node in self.network.nodes if node.name not in computed), *last)


@dataclass(frozen=True)
class Target:
    """A kind of export: a folder of its own, named as it is.

    check: raises BittrueError for what the target can't have, before anything is written. write: writes into the folder
    that it is given; its result says which of the files hold the codes of a site, by the site's name. builds: the files
    that the export's own scripts make in the folder, which another export may replace. remarks: what a reader is told.
    """

    name: str
    what: str
    needs_images: bool
    check: Callable[[Job], None]
    write: Callable[[Job, Path], Mapping[str, str]]
    builds: tuple[str, ...] = ()
    remarks: Callable[[Job], tuple[Table | str, ...]] = lambda job: ()


def until(program: FixedNetwork, node: str) -> FixedNetwork:
    """The part of a program that ends with a node.

    Raises: BittrueError for a name that no node has.
    """
    if node not in program.by_name:
        raise BittrueError(f"There is no node '{node}' to stop at: choose one of {', '.join(_last(program))}.")
    wanted = {node}
    for step in reversed(program.steps):
        if step.name in wanted:
            wanted.update(step.inputs)
    steps = tuple(step for step in program.steps if step.name in wanted or step is program.steps[0])
    return replace(program, steps=steps, output=node)


def stop_before(program: FixedNetwork, step: Step) -> str:
    """` (--until NODE)`, which leaves a step to the host; nothing where it reads the network's input."""
    source = step.inputs[0] if step.inputs else program.steps[0].name
    return "" if source == program.steps[0].name else f" (--until {source})"


def _last(program: FixedNetwork) -> list[str]:
    """The last few nodes, where a device usually stops."""
    return [step.name for step in program.steps if step.site is not None][-8:]
