"""Which steps of a program the compiled library computes together: chains whose inner values nobody else reads."""

from collections import Counter
from collections.abc import Iterable, Mapping

from bittrue.program import Add, FixedNetwork, Lookup, MultiplyAccumulate, Step
from bittrue.program.functions import BatchNorm
from bittrue.simulation.compiled import library
from bittrue.simulation.compiled.costs import multiplies_slowly
from bittrue.simulation.compiled.group import Group, is_open
from bittrue.simulation.compiled.library import Unit
from bittrue.simulation.compiled.sources import source_of
from bittrue.simulation.compiled.stages import is_sum_of_two, stages_of
from bittrue.simulation.proof import LayerProof


def groups(
    program: FixedNetwork, unit: Unit | None, alone: bool, like: Mapping[str, Group] | None = None
) -> dict[str, Group]:
    """The groups of a program, by the name of the last step. alone: each step by itself, so that every value is
    there. like: another program's, which are shared where they compute the same, laid out as they are."""
    if unit is None:
        return {}
    chains = _chains(program, alone=alone)
    reading = {program.output, *read_in_short_words((step for chain in chains for step in chain), unit)}
    types = {step.name: step.type for step in program.steps}
    own = {chain[-1].name: Group(types, chain, unit, in_short_words=chain[-1].name in reading) for chain in chains}
    return {name: group.shared_with((like or {}).get(name)) for name, group in own.items()}


def read_in_short_words(steps: Iterable[Step], unit: Unit) -> set[str]:
    """What these steps of groups read; where torch multiplies, it wants a carrier."""
    on_torch = multiplies_slowly(unit.name)
    reading = (step for step in steps if not (on_torch and isinstance(step.instruction, MultiplyAccumulate)))
    return {name for step in reading for name in step.inputs}


def _chains(program: FixedNetwork, *, alone: bool) -> list[list[Step]]:
    readers = Counter(name for step in program.steps for name in step.inputs)
    readers[program.output] += 1
    following = {name: step for step in program.steps for name in step.inputs}
    chains, taken = list[list[Step]](), set[str]()
    for first in program.steps:
        if first.name in taken or type(first.instruction) not in source_of or not _computable(program, first):
            continue
        chain = [first]
        while not alone and readers[chain[-1].name] == 1 and chain[-1].name in following:
            step = following[chain[-1].name]
            if type(step.instruction) not in stages_of or not _computable(program, step) or step.name in taken:
                break
            longer = [*chain, step]
            if sum(is_open(longer, place) for place in range(1, len(longer))) > 1:
                break  # of two measures at once nothing is supposed
            chain = longer
        taken.update(step.name for step in chain)
        chains.append(chain)
    return chains


def _computable(program: FixedNetwork, step: Step) -> bool:
    """Whether a step and all that it reads have codes."""
    types = tuple(program.by_name[name].type for name in step.inputs)
    if isinstance(step.instruction, Add) and not is_sum_of_two(step, types):
        return False
    if isinstance(step.instruction, Lookup) and not isinstance(step.instruction.function, BatchNorm):
        return False
    return not (step.type.is_float or any(kind.is_float for kind in types))


def proofs(program: FixedNetwork) -> dict[str, LayerProof]:
    """The proofs of sums of products that the library computes, by step."""
    found = (group.proof() for group in groups(program, library.unit(), False).values())
    return {proof.node: proof for proof in found if proof is not None}
