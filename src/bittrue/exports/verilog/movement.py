"""Modules of movement: codes at other places, alone or among zeros, and one after the other (B5)."""

from fractions import Fraction
from math import prod

import numpy as np

from bittrue.exports.verilog.draft import CLOCK, Buffer, Draft, Parameter, all_at_once, entering
from bittrue.exports.verilog.flow import Flow
from bittrue.exports.verilog.table import export_verilog, finish
from bittrue.program import Concatenate, Move, Pad, Select


def reordered(draft: Draft, x: Flow, place: int, role: str, places: np.ndarray, fill: int) -> Flow:
    """The words of an image of the input `place` in another order: that which stands at each of `places`, `fill` where
    it is −1. All of them come in first."""
    size = prod(draft.shapes[place])
    draft.needed.append(all_at_once(size, places.size))
    draft.cycles = max(draft.cycles, places.size)
    draft.late[place] = size
    low, high = int(min(x.low, fill)), int(max(x.high, fill))
    y = draft.flow("moved", x.fraction_bits, low, high)
    bits = max((size - 1).bit_length(), 1) + 1
    parameters: dict[str, Parameter] = {
        "WIDTH": y.width,
        "IN_WORDS": size,
        "OUT_WORDS": places.size,
        "PLACE_BITS": bits,
        "FILL": f"{y.width}'d{fill & ((1 << y.width) - 1)}",
        "PLACES": draft.memory(draft.step, role, places, bits),
    }
    draft.buffers.append(Buffer(size, y.width))
    wide = draft.fresh("word")
    draft.line(f"logic signed [{y.width - 1}:0] {wide};")
    draft.line(f"assign {wide} = {x.data};")
    return draft.stage("reorder", parameters, x, y, in_data=wide)


def _moved(draft: Draft, places: np.ndarray, fill: Fraction = Fraction(0)) -> None:
    bits = draft.step.exact.binary_point
    x = draft.input(0)
    shift = bits - x.fraction_bits
    if shift:
        x = draft.renamed(x, "shifted", f"$signed({{{x.data}, {shift}'b0}})", bits, x.low << shift, x.high << shift)
    finish(draft, reordered(draft, x, 0, "places", places.reshape(-1), int(fill * Fraction(2) ** bits)))


@export_verilog.rule(Move)
def move(instruction: Move, draft: Draft) -> None:
    places = np.full((), instruction.offset, np.int64)
    for size, stride in zip(instruction.sizes, instruction.strides, strict=True):
        places = np.add.outer(places, np.arange(size) * stride)
    _moved(draft, places)


@export_verilog.rule(Pad)
def pad(instruction: Pad, draft: Draft) -> None:
    shape = draft.shapes[0]
    inside = np.arange(prod(shape)).reshape(shape)
    _moved(draft, np.pad(inside, instruction.padding, constant_values=-1), instruction.value)


@export_verilog.rule(Select)
def select(instruction: Select, draft: Draft) -> None:
    shape = draft.shapes[0]
    chosen = np.arange(prod(shape)).reshape(shape)
    for axis, indices in enumerate(instruction.indices):
        if indices is None:
            continue
        taken = np.take(chosen, np.maximum(indices, 0), axis)
        there = np.reshape(np.array(indices) >= 0, (-1, *([1] * (len(shape) - axis - 1))))
        chosen = np.where(there, taken, -1)
    _moved(draft, chosen)


@export_verilog.rule(Concatenate)
def concatenate(instruction: Concatenate, draft: Draft) -> None:
    shape = draft.step.type.shape
    axis = instruction.axis % len(shape)
    bits = draft.step.exact.binary_point
    runs = [prod(own[axis:]) for own in draft.shapes]
    whole, outer = sum(runs), prod(shape[:axis])
    flows = []
    for place in range(len(draft.sources)):
        x = draft.input(place)
        shift = bits - x.fraction_bits
        if shift:
            x = draft.renamed(x, "shifted", f"$signed({{{x.data}, {shift}'b0}})", bits, x.low << shift, x.high << shift)
        flows.append(x)
        mine = np.zeros(whole, np.int64)
        start = sum(runs[:place])
        mine[start : start + runs[place]] = 1
        draft.needed.append(np.concatenate([[0], np.cumsum(np.tile(mine, outer))]))
    draft.cycles = prod(shape)
    y = draft.flow("joined", bits, min(x.low for x in flows), max(x.high for x in flows))
    for x in flows:
        draft.line(f"logic signed [{y.width - 1}:0] {x.name}_wide;")
        draft.line(f"assign {x.name}_wide = {x.data};")
    both = {
        f"in_{part}": "{" + ", ".join(f"{x.name}_{signal}" for x in reversed(flows)) + "}"
        for part, signal in (("valid", "valid"), ("ready", "ready"), ("data", "wide"))
    }
    lengths = "{" + ", ".join(f"32'd{run}" for run in reversed(runs)) + "}"
    parameters: dict[str, Parameter] = {"WIDTH": y.width, "WRITERS": len(flows), "RUNS": lengths}
    draft.instance("concatenate", parameters, CLOCK | both | entering(y.name, "out"))
    finish(draft, y)
