"""Modules of straight pieces: clips, and scale and offset with one branch or two."""

from fractions import Fraction
from math import ceil

import numpy as np

from bittrue.analysis.cost.hardware import Operand
from bittrue.exports.verilog.draft import Draft, Parameter, literal
from bittrue.exports.verilog.flow import Flow, signed_width
from bittrue.exports.verilog.rounding import requantized
from bittrue.exports.verilog.table import computes_one_code
from bittrue.program import Clip, Reshape, ScaleOffset, Step
from bittrue.shapes import Shape


@computes_one_code(Reshape)
def reshape(instruction: Reshape, step: Step, draft: Draft, x: Flow) -> Flow:
    return requantized(draft, x, step.quantizer)


@computes_one_code(Clip)
def clip(instruction: Clip, step: Step, draft: Draft, x: Flow) -> Flow:
    bits = step.exact.binary_point
    shift = bits - x.fraction_bits
    low, high = (_code(bound, bits) for bound in (instruction.low, instruction.high))
    least, most = x.low << shift, x.high << shift
    if low is not None:
        least, most = max(least, low), max(most, low)
    if high is not None:
        least, most = min(least, high), min(most, high)
    wide = max(x.width + shift, *(_bits(bound) for bound in (low, high))) + 1
    y = draft.flow("clipped", bits, least, most)
    parameters: dict[str, Parameter] = {"IN_WIDTH": x.width, "WIDE": wide, "OUT_WIDTH": y.width, "SHIFT": shift}
    for name, bound in (("LOW", low), ("HIGH", high)):
        parameters |= {f"HAS_{name}": int(bound is not None)}
        if bound is not None:
            parameters |= {name: literal(bound, wide)}
    draft.stage("clip", parameters, x, y)
    return requantized(draft, y, step.quantizer)


def _code(bound: Fraction | None, fraction_bits: int) -> int | None:
    return None if bound is None else int(bound * Fraction(2) ** fraction_bits)


def _bits(bound: int | None) -> int:
    return 1 if bound is None else bound.bit_length() + 1


@computes_one_code(ScaleOffset)
def scale_offset(instruction: ScaleOffset, step: Step, draft: Draft, x: Flow) -> Flow:
    threshold, names = _branches(instruction, x)
    below = instruction.below
    scales = {name: below.scale if below is not None and name else instruction.scale for name in names}
    offsets = {name: below.offset if below is not None and name else instruction.offset for name in names}
    tables = iter(_tables([*scales.values(), *offsets.values()], step.type.shape))
    scales, offsets = {name: next(tables) for name in names}, {name: next(tables) for name in names}
    product_bits = x.fraction_bits + instruction.scale_fraction_bits
    bits = max(product_bits, instruction.offset_fraction_bits)
    shift, offset_shift = bits - product_bits, bits - instruction.offset_fraction_bits
    ends = [
        (end * scale << shift) + (offset << offset_shift)
        for name in names
        for scale, offset in set(zip(scales[name].tolist(), offsets[name].tolist(), strict=True))
        for end in (x.low, x.high)
    ]
    y = draft.flow("scaled", bits, min(ends), max(ends))
    parameters: dict[str, Parameter] = {
        "IN_WIDTH": x.width,
        "OUT_WIDTH": y.width,
        "SHIFT": shift,
        "OFFSET_SHIFT": offset_shift,
        "PERIOD": scales[names[0]].size,
    }
    for role, codes in (("scale", scales), ("offset", offsets)):
        signed = any(int(table.min()) < 0 for table in codes.values())
        width = max(draft.word_length(step, f"{role}{name}", table) for name, table in codes.items())
        # Both branches share the wires: codes without a sign have a bit more there beside those with one.
        width = max(width, *(signed_width(0, int(table.max())) for table in codes.values())) if signed else width
        parameters |= {f"{role.upper()}_WIDTH": width, f"{role.upper()}_SIGNED": int(signed)}
        for name, port in zip(names, ("", "_BELOW"), strict=False):
            parameters |= {f"{role.upper()}S{port}": draft.memory(step, f"{role}{name}", codes[name], width)}
    if len(names) == 2:
        parameters |= {"BRANCHES": 1, "THRESHOLD": literal(threshold, x.width)}
    scale = Operand(int(parameters["SCALE_WIDTH"]), bool(parameters["SCALE_SIGNED"]))
    draft.multiply(x.operand, scale)
    draft.stage("scale_offset", parameters, x, y)
    return requantized(draft, y, step.quantizer)


def _branches(instruction: ScaleOffset, x: Flow) -> tuple[int, tuple[str, ...]]:
    """The code at which the upper branch begins, and the branches that codes of x reach: "" and "_below"."""
    if instruction.below is None:
        return x.low, ("",)
    threshold = ceil(instruction.below.threshold * Fraction(2) ** x.fraction_bits)
    if threshold <= x.low:
        return threshold, ("",)
    return threshold, ("_below",) if threshold > x.high else ("", "_below")


def _tables(arrays: list[np.ndarray], shape: Shape) -> list[np.ndarray]:
    """The constants for the places that follow each other in a value of `shape`, as many as it takes until all of the
    arrays begin anew."""
    aligned = [array.reshape((1,) * (len(shape) - array.ndim) + array.shape) for array in arrays]
    axis = 0
    while axis < len(shape) and all(array.shape[axis] == 1 for array in aligned):
        axis += 1
    period = shape[axis:]
    return [np.broadcast_to(array.reshape(array.shape[axis:]), period).reshape(-1) for array in aligned]
