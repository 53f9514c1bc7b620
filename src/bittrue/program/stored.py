"""Which values of a program are stored between its steps, and how long each is needed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from bittrue.program.fixed_network import FixedNetwork, Step
from bittrue.program.instructions import Clip, Instruction, Lookup, Reshape, ScaleOffset

ONE_CODE: frozenset[type[Instruction]] = frozenset({Clip, Lookup, Reshape, ScaleOffset})
"""Instructions that compute each code from the one at its own place. Such a step can follow the one before it number by
number, so that what lies in between is stored nowhere."""


@dataclass(frozen=True, eq=False)
class Group:
    """Steps that are computed together, number by number; only the last one's codes are stored."""

    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        return self.steps[-1]

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.steps[0].inputs


@dataclass(frozen=True, eq=False)
class Grouping:
    """groups: in the order in which they run. aliases: for each step whose codes are those of another, that one's
    name."""

    groups: tuple[Group, ...]
    aliases: Mapping[str, str]

    @cached_property
    def last_read(self) -> Mapping[str, int]:
        """For each stored value that is read, the place of the last group that does."""
        return {
            self.aliases.get(name, name): moment for moment, group in enumerate(self.groups) for name in group.inputs
        }


def grouped(program: FixedNetwork) -> Grouping:
    """The groups of a program: a step joins the one before it where it computes each code from the one at its own
    place, is that step's only reader, and the codes in between are exact (what is rounded is stored, as in hardware). A
    step that changes no code becomes an alias. The network's input is in no group."""
    readers = Counter(name for step in program.steps for name in step.inputs)
    readers[program.output] += 1
    groups: dict[str, list[Step]] = {}
    aliases: dict[str, str] = {}
    for step in program.steps[1:]:
        if step.name != program.output and _changes_nothing(step, program):
            (source,) = step.inputs
            aliases[step.name] = aliases.get(source, source)
            continue
        before = step.inputs[0]
        joins = (
            type(step.instruction) in ONE_CODE
            and before in groups
            and readers[before] == 1
            and groups[before][-1].quantizer is None
        )
        groups[step.name] = [*groups.pop(before), step] if joins else [step]
    return Grouping(tuple(Group(tuple(steps)) for steps in groups.values()), aliases)


def _changes_nothing(step: Step, program: FixedNetwork) -> bool:
    if not isinstance(step.instruction, Reshape):
        return False
    kind = program.by_name[step.inputs[0]].type
    same_codes = (kind.fraction_bits, kind.low, kind.high) == (step.type.fraction_bits, step.type.low, step.type.high)
    return same_codes and kind.low is not None and kind.high is not None
