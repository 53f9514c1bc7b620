"""A FixedNetwork as a design: its modules, the streams between them, and how deep their queues are."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bittrue.errors import BittrueError

# Imported for the rules that they register.
from bittrue.exports.job import Job, stop_before, until
from bittrue.exports.memory.target import constant_word_lengths
from bittrue.exports.names import identifier, step_names
from bittrue.exports.storage import storage_of
from bittrue.exports.verilog import (  # noqa: F401
    activation,
    arithmetic,
    convolution,
    functions,
    gaps,
    movement,
    pooling,
)
from bittrue.exports.verilog.allocation import lanes_of_layers
from bittrue.exports.verilog.draft import Draft
from bittrue.exports.verilog.table import export_verilog
from bittrue.program import FixedNetwork, Group, Step, grouped

OUTPUT = "out"
"""The reader of the network's output, in the place of a module's name."""


@dataclass(frozen=True, eq=False)
class Module:
    """A group as a module. sources: the stored steps that its inputs read, in order."""

    group: Group
    draft: Draft
    sources: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.draft.name

    @property
    def step(self) -> Step:
        """Whose codes go out."""
        return self.group.last


@dataclass(frozen=True)
class Edge:
    """From a stored step to a reader: a module's input, or the network's output. queue: words that it must hold so that
    the readers of the step never wait for each other; 0 for a wire."""

    source: str
    reader: str
    place: int
    queue: int


@dataclass(frozen=True, eq=False)
class Design:
    """name: of the top module. names: of the steps' modules and streams."""

    name: str
    program: FixedNetwork
    names: Mapping[str, str]
    modules: tuple[Module, ...]

    @property
    def input(self) -> Step:
        return self.program.steps[0]

    @property
    def output(self) -> Step:
        return self.program.by_name[self.program.output]

    @property
    def stored(self) -> tuple[Step, ...]:
        """The steps whose codes go over streams, the input first."""
        return (self.input, *(module.step for module in self.modules))

    @property
    def library(self) -> tuple[str, ...]:
        """The library's modules that instances are of, and those that they have instances of."""
        used = {name for module in self.modules for name in module.draft.modules}
        return tuple(sorted(used | {"memory", "fork", "fifo", "tap", "register", "requantize", "lane"}))

    @property
    def cycles(self) -> int:
        """Between two images: what the slowest module takes."""
        return max(module.draft.cycles for module in self.modules)

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """In the order of the sources, then of their readers."""
        demands = self._demands()
        found = []
        for step in self.stored:
            readers = demands[step.name]
            for (reader, place), own in readers.items():
                others = [demand for key, demand in readers.items() if key != (reader, place)]
                queue = 0
                if others:
                    # What the others have had taken out when this one has taken what it needs for the word before.
                    ahead = np.max(others, axis=0)[1:] - own[:-1]
                    queue = int(ahead.max()) if ahead.max() > 1 else 0
                found.append(Edge(step.name, reader, place, queue))
        return tuple(found)

    def _demands(self) -> Mapping[str, Mapping[tuple[str, int], np.ndarray]]:
        """For each stored step and reader, how many of its words the reader must have taken before 0, 1, 2, … words of
        the network's output can go out."""
        found: dict[str, dict[tuple[str, int], np.ndarray]] = {step.name: {} for step in self.stored}
        found[self.output.name][OUTPUT, 0] = np.arange(int(np.prod(self.output.type.shape)) + 1)
        for module in reversed(self.modules):
            given = np.max(list(found[module.step.name].values()), axis=0)
            for place, (source, needed) in enumerate(zip(module.sources, module.draft.needed, strict=True)):
                found[source][module.step.name, place] = needed[given]
        return {name: dict(sorted(readers.items())) for name, readers in found.items()}


def design_of(job: Job) -> Design:
    """The modules of a job's program.

    Raises: BittrueError for an instruction that has no module, with its node and what to do; CarrierError for codes
    that nothing bounds.
    """
    program = until(job.program, job.program.output)
    grouping = grouped(program)
    if not grouping.groups:
        raise BittrueError(f"node {program.output}: it is the input, and there is nothing to compute: stop later.")
    prefix = identifier(job.name)
    names = step_names(program, prefix, ())
    lanes = lanes_of_layers(program, grouping, job.verilog)
    lengths = constant_word_lengths(job)
    modules = []
    for group in grouping.groups:
        sources = tuple(grouping.aliases.get(name, name) for name in group.inputs)
        draft = Draft(
            names[group.last.name],
            group.steps,
            tuple(program.by_name[source] for source in sources),
            tuple(program.by_name[name].type.shape for name in group.inputs),
            lanes.get(group.steps[0].name, 1),
            lengths,
        )
        for source in (*draft.sources, group.last):
            storage_of(source)
        instruction = group.steps[0].instruction
        gap = export_verilog.gap(type(instruction))
        if gap is not None:
            step = group.steps[0]
            what = f"there is no {type(instruction).__name__} in Verilog"
            raise BittrueError(f"node {step.node}: {what}; {gap}{stop_before(program, step)}.")
        export_verilog[type(instruction)](instruction, draft)
        modules.append(Module(group, draft, sources))
    return Design(prefix, program, names, tuple(modules))
