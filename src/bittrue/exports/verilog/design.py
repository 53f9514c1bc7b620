"""A FixedNetwork as a design: its modules, the streams between them, and how deep their queues are."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

import numpy as np

from bittrue.errors import BittrueError

# Imported for the rules that they register.
from bittrue.exports.job import Job, stop_before, until
from bittrue.exports.memory.target import constant_word_lengths
from bittrue.exports.names import step_names
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
from bittrue.exports.verilog.allocation import engines_of_layers, layers_of
from bittrue.exports.verilog.draft import Draft, one_by_one
from bittrue.exports.verilog.engine import ONE
from bittrue.exports.verilog.keywords import module_name
from bittrue.exports.verilog.library import with_parts
from bittrue.exports.verilog.table import export_verilog
from bittrue.program import FixedNetwork, Group, Step, grouped

OUTPUT = "the output"
"""The reader of the network's output, in the place of a module's name: no node has a name with a space."""


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
        return with_parts(used | {"fork", "fifo", "tap"})

    @property
    def cycles(self) -> int:
        """Between two images: what the slowest module takes."""
        return max(self.cycles_of.values())

    @cached_property
    def cycles_of(self) -> Mapping[str, int]:
        """Of each module, by its step: from one image to the next, if nothing else were slower. What can't come in
        while an image is computed is waited for, as fast as the module before it gives words."""
        words = {self.input.name: 1.0}
        found = {}
        for module in self.modules:
            draft = module.draft
            waits = [late * words[module.sources[place]] for place, late in draft.late.items()]
            found[module.step.name] = draft.cycles + ceil(max(waits, default=0))
            words[module.step.name] = max(draft.cycles / draft.size, 1.0)
        return found

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """In the order of the sources, then of their readers."""
        found = []
        for step in self.stored:
            readers = self._readers[step.name]
            queues = self._queues(step.name) if len(readers) > 1 else (0,)
            found += [Edge(step.name, *reader, queue) for reader, queue in zip(readers, queues, strict=True)]
        return tuple(found)

    @cached_property
    def _readers(self) -> Mapping[str, tuple[tuple[str, int], ...]]:
        """Of each stored step: by name, and by the place of the input."""
        found: dict[str, list[tuple[str, int]]] = {step.name: [] for step in self.stored}
        for module in self.modules:
            for place, source in enumerate(module.sources):
                found[source].append((module.step.name, place))
        found[self.output.name].append((OUTPUT, 0))
        return {name: tuple(readers) for name, readers in found.items()}

    @cached_property
    def _meetings(self) -> Mapping[str, frozenset[str]]:
        """Of each stored step and the output: the steps that every way from it to the output goes through, itself
        among them."""
        found = {OUTPUT: frozenset({OUTPUT})}
        for step in reversed(self.stored):
            ways = [found[reader] for reader, _ in self._readers[step.name]]
            found[step.name] = frozenset.intersection(*ways) | {step.name}
        return found

    def _queues(self, source: str) -> tuple[int, ...]:
        """How deep the queue of each reader of a step must be, 0 where a wire does.

        The readers' streams meet again in some step first, which gives its words one by one. A reader's queue holds
        what the others must have taken for the n-th of them and it needn't have taken for the one before; and what
        they can take beside that, so that all modules on their ways work at once.
        """
        order = [*(step.name for step in self.stored), OUTPUT]
        meeting = min(self._meetings[source] - {source}, key=order.index)
        demands = self._demands(source, meeting)
        queues = []
        for place, own in enumerate(demands):
            others = np.max([*demands[:place], *demands[place + 1 :]], axis=0)
            ahead = int((others[1:] - own[:-1]).max())
            readers = [reader for other, reader in enumerate(self._readers[source]) if other != place]
            spare = ceil(max(self._spare(*reader, meeting) for reader in readers))
            queues.append(ahead + spare if ahead > 1 else 0)
        return tuple(queues)

    def _spare(self, reader: str, place: int, meeting: str) -> float:
        """How many words a module's input, and the modules behind it as far as the meeting, can take beside those that
        they need, in words of that input."""
        if reader in (meeting, OUTPUT):
            return 0.0
        draft = next(module.draft for module in self.modules if module.step.name == reader)
        behind = max(self._spare(*each, meeting) for each in self._readers[reader])
        return draft.spare.get(place, 0) + behind * prod(draft.shapes[place]) / draft.size

    def _demands(self, source: str, meeting: str) -> list[np.ndarray]:
        """For each reader of a step, how many words it must have taken before 0, 1, 2, … words of the step where they
        meet can be given."""
        needed = {module.step.name: module.draft.needed for module in self.modules}
        size = prod(self.output.type.shape if meeting == OUTPUT else self.program.by_name[meeting].type.shape)
        needed[OUTPUT] = [one_by_one(size)]
        given = {meeting: one_by_one(size)}
        for name in reversed([step.name for step in self.stored]):
            if name in given or source not in self._before[name]:
                continue
            asked = [needed[reader][place][given[reader]] for reader, place in self._readers[name] if reader in given]
            if asked:
                given[name] = np.max(asked, axis=0)
        return [needed[reader][place][given[reader]] for reader, place in self._readers[source]]

    @cached_property
    def _before(self) -> Mapping[str, frozenset[str]]:
        """The stored steps that each one depends on."""
        found = {self.input.name: frozenset[str]()}
        for module in self.modules:
            found[module.step.name] = frozenset(module.sources).union(*(found[source] for source in module.sources))
        return found


def design_of(job: Job) -> Design:
    """The modules of a job's program.

    Raises: BittrueError for an instruction that has no module, with its node and what to do; CarrierError for codes
    that nothing bounds.
    """
    program = until(job.program, job.program.output)
    grouping = grouped(program)
    if not grouping.groups:
        raise BittrueError(f"node {program.output}: it is the input, and there is nothing to compute: stop later.")
    prefix = module_name(job.name)
    names = step_names(program, prefix, ("axis",))
    engines = engines_of_layers(layers_of(program, grouping), job.verilog)
    lengths = constant_word_lengths(job)
    modules = []
    for group in grouping.groups:
        sources = tuple(grouping.aliases.get(name, name) for name in group.inputs)
        draft = Draft(
            names[group.last.name],
            group.steps,
            tuple(program.by_name[source] for source in sources),
            tuple(program.by_name[name].type.shape for name in group.inputs),
            engines.get(group.steps[0].name, ONE),
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
