"""A FixedNetwork as C: its functions, the constants that they read, and the call that runs them in order."""

from dataclasses import dataclass

from bittrue.errors import BittrueError

# Imported for the rules that they register.
from bittrue.exports.c import (  # noqa: F401
    activation,
    arithmetic,
    convolution,
    functions,
    gaps,
    layer_normalization,
    movement,
    pooling,
    softmax,
)
from bittrue.exports.c.buffers import Buffers, allocate
from bittrue.exports.c.draft import Constant, Draft
from bittrue.exports.c.helpers import Helper
from bittrue.exports.c.table import export_c
from bittrue.exports.job import stop_before
from bittrue.exports.names import identifier, step_names
from bittrue.exports.storage import Storage, storage_of
from bittrue.program import FixedNetwork, Group, Grouping, Step, grouped


@dataclass(frozen=True, eq=False)
class Function:
    """A group as a C function. fails: whether it gives back 1 where a divisor is 0, instead of nothing."""

    group: Group
    draft: Draft

    @property
    def name(self) -> str:
        return self.draft.names[self.group.last.name]


@dataclass(frozen=True, eq=False)
class CProgram:
    """name: the prefix of everything that is global, and the name of the call."""

    name: str
    program: FixedNetwork
    grouping: Grouping
    functions: tuple[Function, ...]
    buffers: Buffers

    @property
    def constants(self) -> tuple[Constant, ...]:
        return tuple(constant for function in self.functions for constant in function.draft.constants)

    @property
    def helpers(self) -> tuple[Helper, ...]:
        """In an order in which each is defined before it is called."""
        found = {helper for function in self.functions for helper in function.draft.helpers}
        return tuple(sorted(found, key=lambda helper: (len(helper.needs), helper.name)))

    @property
    def input(self) -> Step:
        return self.program.steps[0]

    @property
    def output(self) -> Step:
        return self.program.by_name[self.program.output]

    def storage_of(self, name: str) -> Storage:
        return storage_of(self.program.by_name[name])


def c_program(program: FixedNetwork, name: str) -> CProgram:
    """The functions of a program. name: of the network; what C can't have in a name becomes `_`.

    Raises: BittrueError for an instruction that C can't have, with its node and what to do; CarrierError for numbers
    that 64 bits don't hold.
    """
    prefix = identifier(name)
    names = step_names(program, prefix, ("input", "output", "observe"))
    grouping = grouped(program)
    made = []
    for group in grouping.groups:
        inputs = tuple(program.by_name[source].type for source in group.inputs)
        draft = Draft(names, group.steps, inputs)
        instruction = group.steps[0].instruction
        gap = export_c.gap(type(instruction))
        if gap is not None:
            what = f"C doesn't compute a {type(instruction).__name__}"
            hint = stop_before(program, group.steps[0])
            raise BittrueError(f"node {group.steps[0].node}: {what}; {gap}{hint}.")
        export_c[type(instruction)](instruction, draft)
        made.append(Function(group, draft))
    return CProgram(prefix, program, grouping, tuple(made), allocate(program, grouping))
