"""Modules of several streams: sums, extrema and products, element by element."""

from functools import reduce
from math import prod

import numpy as np

from bittrue.errors import BittrueError
from bittrue.exports.verilog.draft import Draft, one_by_one
from bittrue.exports.verilog.flow import Flow
from bittrue.exports.verilog.movement import reordered
from bittrue.exports.verilog.table import export_verilog, finish
from bittrue.program import Add, Extremum, MultiplyTensors


def _operands(draft: Draft) -> tuple[list[Flow], str]:
    """The operands, each repeated to the result's shape, and the name of the stream that joins them."""
    shape = draft.step.exact.shape
    flows = []
    for place, own in enumerate(draft.shapes):
        x = draft.input(place)
        if prod(own) == prod(shape):
            draft.needed.append(one_by_one(prod(shape)))
        else:
            aligned = np.arange(prod(own)).reshape((1,) * (len(shape) - len(own)) + own)
            x = reordered(draft, x, place, f"place{place + 1}", np.broadcast_to(aligned, shape).reshape(-1), 0)
        flows.append(x)
    draft.cycles = max(draft.cycles, prod(shape))
    count = len(flows)
    both = draft.fresh("operands")
    draft.line(f"logic {both}_valid;")
    draft.line(f"logic {both}_ready;")
    signals = {
        "in_valid": "{" + ", ".join(f"{x.name}_valid" for x in reversed(flows)) + "}",
        "in_ready": "{" + ", ".join(f"{x.name}_ready" for x in reversed(flows)) + "}",
        "out_valid": f"{both}_valid",
        "out_ready": f"{both}_ready",
    }
    draft.instance("join", {"WRITERS": count}, signals)
    return flows, both


def _combined(draft: Draft, joined: str, name: str, text: str, fraction_bits: int, low: int, high: int) -> Flow:
    """The stream of a result that is computed from the operands at once."""
    made = draft.flow(name, fraction_bits, low, high)
    draft.line(f"assign {made.name}_valid = {joined}_valid;")
    draft.line(f"assign {joined}_ready = {made.name}_ready;")
    draft.line(f"assign {made.data} = {text};")
    draft.line()
    return made


def _aligned(draft: Draft, flows: list[Flow]) -> list[Flow]:
    """The operands' words with the largest of their fraction bits, wide enough for each of them."""
    finest = max(x.fraction_bits for x in flows)
    found = []
    for x in flows:
        shift = finest - x.fraction_bits
        made = Flow(draft.fresh(f"{x.name}_aligned"), finest, x.low << shift, x.high << shift)
        draft.line(f"logic signed [{made.width - 1}:0] {made.data};")
        draft.line(
            f"assign {made.data} = $signed({{{x.data}, {shift}'b0}});" if shift else f"assign {made.data} = {x.data};"
        )
        found.append(made)
    draft.line()
    return found


@export_verilog.rule(Add)
def add(instruction: Add, draft: Draft) -> None:
    flows, joined = _operands(draft)
    aligned = _aligned(draft, flows)
    low, high = sum(x.low for x in aligned), sum(x.high for x in aligned)
    text = " + ".join(x.data for x in aligned)
    finish(draft, _combined(draft, joined, "sum", text, aligned[0].fraction_bits, low, high))


@export_verilog.rule(Extremum)
def extremum(instruction: Extremum, draft: Draft) -> None:
    flows, joined = _operands(draft)
    sign, choose = (">", max) if instruction.largest else ("<", min)

    def better(a: Flow, b: Flow) -> Flow:
        low, high = choose(a.low, b.low), choose(a.high, b.high)
        made = Flow(draft.fresh("better"), a.fraction_bits, low, high)
        draft.line(f"logic signed [{made.width - 1}:0] {made.data};")
        draft.line(f"assign {made.data} = {a.data} {sign} {b.data} ? {a.data} : {b.data};")
        return made

    best = reduce(better, _aligned(draft, flows))
    finish(draft, _combined(draft, joined, "best", best.data, best.fraction_bits, best.low, best.high))


@export_verilog.rule(MultiplyTensors)
def multiply_tensors(instruction: MultiplyTensors, draft: Draft) -> None:
    if instruction.matrices:
        raise BittrueError(
            f"node {draft.step.node}: a matrix product of two values has no module, which multiplies by constants; "
            "stop before it with --until."
        )
    (x, w), joined = _operands(draft)
    ends = [a * b for a in (x.low, x.high) for b in (w.low, w.high)]
    bits = x.fraction_bits + w.fraction_bits
    draft.multiply(x.operand, w.operand)
    finish(draft, _combined(draft, joined, "product", f"{x.data} * {w.data}", bits, min(ends), max(ends)))
