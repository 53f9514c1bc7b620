"""What a design takes of a device, by the rule of `analysis/cost`, and the bits that it stores."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bittrue.analysis.cost.hardware import Family
from bittrue.exports.verilog.design import Design, Module
from bittrue.exports.verilog.draft import Products, Word


@dataclass(frozen=True)
class Array:
    """Words of a memory. written: by the design; else a file fills it."""

    words: int
    width: int
    written: bool

    @property
    def bits(self) -> int:
        return self.words * self.width


@dataclass(frozen=True)
class Resources:
    """Multipliers and memory blocks of a family, and the bits in all arrays."""

    multipliers: int
    memories: float
    bits: int


def arrays_of(module: Module) -> tuple[Array, ...]:
    """The files that it reads, and what it holds of its input."""
    files = [Array(len(memory.image.lines), memory.image.width, False) for memory in module.draft.memories]
    return (*files, *(Array(buffer.words, buffer.width, True) for buffer in module.draft.buffers))


def queues_of(design: Design) -> tuple[Array, ...]:
    """Those of the top module, in the order of its edges."""
    steps = {step.name: step for step in design.stored}
    return tuple(Array(edge.queue, Word.of(steps[edge.source]).width, True) for edge in design.edges if edge.queue)


def resources(products: Iterable[Products], arrays: Sequence[Array], family: Family) -> Resources:
    return Resources(
        sum(each.count * family.multipliers(each.data, each.factor) for each in products),
        sum(family.memories(array.words, array.width, written=array.written) for array in arrays),
        sum(array.bits for array in arrays),
    )


def resources_of(module: Module, family: Family) -> Resources:
    return resources(module.draft.products, arrays_of(module), family)
