"""Movement: what passes codes on, puts them elsewhere, joins them, or takes them from outside (B5)."""

from itertools import product
from math import prod
from operator import mul

from bittrue.definition.dyadic import code_of, fraction_bits_of
from bittrue.definition.meaning import Codes, meaning
from bittrue.errors import BittrueError
from bittrue.program import Bypass, Concatenate, Move, Pad, Quantize, Reshape, Select, Step


@meaning.rule(Quantize, Bypass)
def _(instruction: Quantize | Bypass, step: Step, inputs: tuple[Codes, ...]) -> None:
    """float32 values come from outside, and are exact numbers only there."""


@meaning.rule(Reshape)
def _(instruction: Reshape, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    if len(x.codes) != prod(step.type.shape):
        raise BittrueError(
            f"Step '{step.name}' puts {len(x.codes)} codes into the shape {step.type.shape}; lower the network again."
        )
    return Codes(step.type.shape, x.fraction_bits, x.codes)


@meaning.rule(Pad)
def _(instruction: Pad, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    bits = max(x.binary_point, fraction_bits_of(instruction.value))
    fill = code_of(instruction.value, bits, step)
    ranges = [range(-before, size + after) for size, (before, after) in zip(x.shape, instruction.padding, strict=True)]
    codes: list[int] = []
    for position in product(*ranges):
        flat, inside = 0, True
        for index, size in zip(position, x.shape, strict=True):
            flat, inside = flat * size + index, inside and 0 <= index < size
        codes.append(x.codes[flat] << bits - x.binary_point if inside else fill)
    return Codes(tuple(len(axis) for axis in ranges), bits, codes)


@meaning.rule(Move)
def _(instruction: Move, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    if prod(instruction.sizes) != prod(step.type.shape):
        raise BittrueError(
            f"Step '{step.name}' moves {prod(instruction.sizes)} codes into the shape {step.type.shape}; "
            "lower the network again."
        )
    codes = []
    for place in product(*map(range, instruction.sizes)):
        source = instruction.offset + sum(map(mul, place, instruction.strides))
        if not 0 <= source < len(x.codes):
            raise BittrueError(f"Step '{step.name}' reads outside of its input; lower the network again.")
        codes.append(x.codes[source])
    return Codes(step.type.shape, x.fraction_bits, codes)


@meaning.rule(Select)
def _(instruction: Select, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    read = [
        range(size) if indices is None else indices for size, indices in zip(x.shape, instruction.indices, strict=True)
    ]
    codes: list[int] = []
    for position in product(*read):
        flat = 0
        for index, size in zip(position, x.shape, strict=True):
            if not -1 <= index < size:
                raise BittrueError(f"Step '{step.name}' reads place {index} of {size}; lower the network again.")
            flat = flat * size + index
        codes.append(0 if -1 in position else x.codes[flat])
    return Codes(tuple(map(len, read)), x.fraction_bits, codes)


@meaning.rule(Concatenate)
def _(instruction: Concatenate, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    first = inputs[0].shape
    axis = instruction.axis % len(first)
    around = {operand.shape[:axis] + operand.shape[axis + 1 :] for operand in inputs}
    if len(around) > 1:
        shapes = " and ".join(str(operand.shape) for operand in inputs)
        raise BittrueError(f"Step '{step.name}' joins shapes {shapes} along axis {axis}; lower the network again.")
    bits = max(operand.binary_point for operand in inputs)
    codes: list[int] = []
    for outer in range(prod(first[:axis])):
        for operand in inputs:
            run = prod(operand.shape[axis:])
            part = operand.codes[outer * run : (outer + 1) * run]
            codes.extend(code << bits - operand.binary_point for code in part)
    joined = sum(operand.shape[axis] for operand in inputs)
    return Codes((*first[:axis], joined, *first[axis + 1 :]), bits, codes)
