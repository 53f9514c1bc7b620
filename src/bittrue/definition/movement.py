"""Movement and comparison: what passes codes on, chooses among them, or takes them from outside (B5, B10)."""

from fractions import Fraction
from itertools import product
from math import prod
from operator import mul

from bittrue.definition.meaning import Codes, meaning
from bittrue.definition.windows import pooled_shape, slide
from bittrue.errors import BittrueError
from bittrue.program import Bypass, Clip, Concatenate, Move, Pad, Quantize, Reshape, Select, Step, WindowExtremum


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


@meaning.rule(Clip)
def _(instruction: Clip, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    low, high = instruction.low, instruction.high
    bounds = [bound for bound in (low, high) if bound is not None]
    # A dyadic number has the denominator 2^F, and F + 1 bits in it.
    bits = max([x.binary_point, *(bound.denominator.bit_length() - 1 for bound in bounds)])
    codes = [code << bits - x.binary_point for code in x.codes]
    if low is not None:
        low_code = _code(low, bits, step)
        codes = [max(code, low_code) for code in codes]
    if high is not None:
        high_code = _code(high, bits, step)
        codes = [min(code, high_code) for code in codes]
    return Codes(x.shape, bits, codes)


def _code(bound: Fraction, fraction_bits: int, step: Step) -> int:
    scaled = bound * Fraction(2) ** fraction_bits
    if scaled.denominator != 1:
        raise BittrueError(f"Step '{step.name}' uses {bound}, which has no code; give its site a format.")
    return scaled.numerator


@meaning.rule(WindowExtremum)
def _(instruction: WindowExtremum, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    *leading, channels = x.shape
    geometry = instruction.window, instruction.strides, instruction.padding, instruction.dilation
    spatial, taps = slide(leading, *geometry)
    choose = min if instruction.minimum else max
    codes: list[int] = []
    for position in taps:
        inside = [tap for tap in position if tap is not None]
        if not inside:
            raise BittrueError(
                f"Step '{step.name}' takes an extremum over padding alone; let the pooling pad less than its window."
            )
        codes.extend(choose(x.codes[tap * channels + channel] for tap in inside) for channel in range(channels))
    return Codes(pooled_shape(spatial, channels, step.type.shape), x.fraction_bits, codes)


@meaning.rule(Pad)
def _(instruction: Pad, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    bits = max(x.binary_point, instruction.value.denominator.bit_length() - 1)
    fill = _code(instruction.value, bits, step)
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
