"""C of movement: codes at other addresses, alone or among zeros, and one after the other (B5)."""

from fractions import Fraction
from math import prod

import numpy as np

from bittrue.exports.c.draft import Draft
from bittrue.exports.c.integers import literal
from bittrue.exports.c.table import export_c, finish
from bittrue.exports.c.windows import flat
from bittrue.program import Concatenate, Move, Pad, Select


@export_c.rule(Move)
def move(instruction: Move, draft: Draft) -> None:
    with draft.nest("p", instruction.sizes) as positions:
        terms = [f"{p} * {literal(stride)}" for p, stride in zip(positions, instruction.strides, strict=True) if stride]
        source = " + ".join([*([str(instruction.offset)] if instruction.offset or not terms else []), *terms])
        finish(draft, flat(positions, instruction.sizes), draft.code(0, source))


@export_c.rule(Pad)
def pad(instruction: Pad, draft: Draft) -> None:
    shape, target = draft.inputs[0].shape, draft.step.type.shape
    bits = draft.step.exact.binary_point
    fill = int(instruction.value * Fraction(2) ** bits)
    with draft.nest("p", target) as positions:
        places = [
            f"({p} - {before})" if before else p for p, (before, _) in zip(positions, instruction.padding, strict=True)
        ]
        inside = [
            condition
            for p, size, (before, after) in zip(positions, shape, instruction.padding, strict=True)
            for condition, needed in ((f"{p} >= {before}", before), (f"{p} < {before + size}", after))
            if needed
        ]
        x = draft.code(0, flat(places, shape))
        shift = bits - x.fraction_bits
        low, high = min(x.low << shift, fill), max(x.high << shift, fill)
        moved = f"{x.to(draft.type_for(low, high))} * {literal(1 << shift)}"
        chosen = f"{' && '.join(inside)} ? {moved} : {literal(fill)}" if inside else moved
        finish(draft, flat(positions, target), draft.variable(chosen, bits, low, high))


@export_c.rule(Select)
def select(instruction: Select, draft: Draft) -> None:
    shape, target = draft.inputs[0].shape, draft.step.type.shape
    sizes = tuple(
        size if places is None else len(places) for size, places in zip(shape, instruction.indices, strict=True)
    )
    has_zeros = any(-1 in places for places in instruction.indices if places is not None)
    with draft.nest("p", sizes) as positions:
        reads = []
        for axis, (position, places) in enumerate(zip(positions, instruction.indices, strict=True)):
            if places is None:
                reads.append(position)
            else:
                table = draft.constant(draft.step, f"places_{axis}", np.array(places, np.int64))
                reads.append(f"{table.name}[{position}]")
        x = draft.code(0, flat(reads, shape))
        if has_zeros:
            known = " && ".join(
                f"{read} >= 0"
                for read, places in zip(reads, instruction.indices, strict=True)
                if places and -1 in places
            )
            x = draft.variable(f"{known} ? {x.text} : 0", x.fraction_bits, min(x.low, 0), max(x.high, 0))
        finish(draft, flat(positions, target if len(target) == len(sizes) else sizes), x)


@export_c.rule(Concatenate)
def concatenate(instruction: Concatenate, draft: Draft) -> None:
    axis = instruction.axis % len(draft.step.type.shape)
    bits = draft.step.exact.binary_point
    outer = prod(draft.step.type.shape[:axis])
    whole = prod(draft.step.type.shape[axis:])
    start = 0
    for place, kind in enumerate(draft.inputs):
        run = prod(kind.shape[axis:])
        with draft.loop("o", outer), draft.loop("i", run):
            x = draft.shifted(draft.code(place, f"o * {run} + i"), bits)
            finish(draft, f"o * {whole} + {start} + i", x)
        start += run
