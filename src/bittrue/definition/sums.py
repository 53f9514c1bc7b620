"""Sums and products with constants: convolutions, dense layers, scales and offsets, averages and sums (B6, B7, B10)."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from math import ceil, prod
from operator import mul
from typing import Any, TypeVar

from bittrue.definition.broadcasting import broadcast
from bittrue.definition.meaning import Codes, Numbers, meaning
from bittrue.definition.windows import Taps, pooled_shape, slide
from bittrue.errors import BittrueError
from bittrue.fixed.format import Overflow, Quantizer
from bittrue.fixed.reference import decode, overflow_code, overflows, round_to_code
from bittrue.program import MultiplyAccumulate, ScaleOffset, Step, WindowSum

T = TypeVar("T")

_BLOCK = 256
"""Output positions whose windows are held at a time while the weights stream by, one output channel after the other."""


@meaning.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    *kernel, group_channels, out_channels = instruction.weight.shape
    channels = x.shape[-1]
    if channels != group_channels * instruction.groups:
        raise BittrueError(
            f"Step '{step.name}' has weights for {group_channels * instruction.groups} channels and an input of "
            f"{channels}; lower the network again."
        )
    spatial, taps = _positions(instruction, x.shape[:-1], len(kernel))
    pixels = [x.codes[start : start + channels] for start in range(0, len(x.codes), channels)]
    # One row an output channel: kernel rows, kernel columns, input channels innermost.
    weights = instruction.weight.reshape(-1, out_channels).T
    biases = [0] * out_channels if instruction.bias is None else instruction.bias.tolist()
    group_outputs = out_channels // instruction.groups
    codes: list[int] = []
    outside = 0
    for block in _blocks(taps):
        results = [[0] * out_channels for _ in block]
        for group in range(instruction.groups):
            windows = [_window(pixels, group * group_channels, group_channels, position) for position in block]
            for channel in range(group * group_outputs, (group + 1) * group_outputs):
                of_channel = weights[channel].tolist()
                for result, window in zip(results, windows, strict=True):
                    total = _dot(instruction, x.binary_point, channel, window, of_channel, biases[channel])
                    result[channel], overflowed = total
                    outside += overflowed
        codes.extend(chain.from_iterable(results))
    bits = _sum_fraction_bits(instruction, x.binary_point)
    inner = {} if instruction.accumulator is None else {"accumulator": outside}
    return Codes((*spatial, out_channels), bits, codes, inner_overflows=inner)


def _positions(
    instruction: MultiplyAccumulate, leading: tuple[int, ...], rank: int
) -> tuple[tuple[int, ...], list[Taps]]:
    if rank == 0:  # dense: every position by itself, whatever the leading axes
        return leading, [[position] for position in range(prod(leading))]
    kernel = instruction.weight.shape[:rank]
    return slide(leading, kernel, instruction.strides, instruction.padding, instruction.dilation)


def _window(pixels: list[list[int]], first: int, channels: int, position: Taps) -> list[int]:
    """The input codes under one window and of one group, in the order of the weights; zero in the padding."""
    zeros = [0] * channels
    return [code for tap in position for code in (zeros if tap is None else pixels[tap][first : first + channels])]


def _blocks(taps: list[Taps]) -> Iterator[list[Taps]]:
    return (taps[start : start + _BLOCK] for start in range(0, len(taps), _BLOCK))


def _sum_fraction_bits(instruction: MultiplyAccumulate, input_fraction_bits: int) -> int:
    if instruction.accumulator is not None:
        return instruction.accumulator.format.fraction_bits
    return _exact_fraction_bits(instruction, input_fraction_bits)


def _exact_fraction_bits(instruction: MultiplyAccumulate, input_fraction_bits: int) -> int:
    """The fraction bits that hold every product and the bias."""
    product_bits = input_fraction_bits + max(instruction.weight_fraction_bits)
    return product_bits if instruction.bias is None else max(product_bits, instruction.bias_fraction_bits)


def _dot(
    instruction: MultiplyAccumulate, input_bits: int, channel: int, window: list[int], weights: list[int], bias: int
) -> tuple[int, int]:
    """The code of a sum, and how many quantizations of its accumulator overflowed."""
    product_bits = input_bits + _of_channel(instruction.weight_fraction_bits, channel)
    bits = _exact_fraction_bits(instruction, input_bits)
    exact: int = sum(map(mul, window, weights)) << bits - product_bits
    if instruction.bias is not None:
        exact += bias << bits - instruction.bias_fraction_bits
    accumulator = instruction.accumulator
    if accumulator is None:
        return exact, 0
    first = decode(bias, instruction.bias_fraction_bits)
    code, outside = accumulate(accumulator, instruction.quantized_products, product_bits, window, weights, first)
    if accumulator.overflow is Overflow.WRAP and accumulator.format.fraction_bits >= bits:
        # It may wrap once at the end, and what overflows is then the final sum alone (B6).
        return code, limited(decode(exact, bits), accumulator)[1]
    return code, outside


def accumulate(
    accumulator: Quantizer,
    quantized_products: bool,
    product_bits: int,
    left: Sequence[int],
    right: Sequence[int],
    first: Fraction,
) -> tuple[int, int]:
    """a₀ = Q(first), aᵢ = Q(aᵢ₋₁ + pᵢ), where pᵢ itself is Q(pᵢ) if products are quantized; and how many Q
    overflowed."""
    bits = accumulator.format.fraction_bits
    total, outside = limited(first, accumulator)
    for code, weight in zip(left, right, strict=True):
        product = decode(code * weight, product_bits)
        if quantized_products:
            stored, overflowed = limited(product, accumulator)
            product, outside = decode(stored, bits), outside + overflowed
        total, overflowed = limited(decode(total, bits) + product, accumulator)
        outside += overflowed
    return total, outside


def limited(value: Fraction, quantizer: Quantizer) -> tuple[int, int]:
    """Q(value), and 1 if it overflowed, else 0."""
    rounded = round_to_code(value, quantizer.format.fraction_bits, quantizer.rounding)
    return overflow_code(rounded, quantizer), int(overflows(rounded, quantizer))


@meaning.rule(ScaleOffset)
def _(instruction: ScaleOffset, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    product_bits = x.binary_point + instruction.scale_fraction_bits
    bits = max(product_bits, instruction.offset_fraction_bits)
    upper = _constants(instruction.scale, x, step), _constants(instruction.offset, x, step)
    below = instruction.below
    # Without a lower branch, it is the upper one and any threshold will do.
    lower = (_constants(below.scale, x, step), _constants(below.offset, x, step)) if below else upper
    threshold = ceil(below.threshold * Fraction(2) ** x.binary_point) if below else 0
    codes = []
    for index, code in enumerate(x.codes):
        scale, offset = upper if code >= threshold else lower
        aligned_offset = offset[index] << bits - instruction.offset_fraction_bits
        codes.append((code * scale[index] << bits - product_bits) + aligned_offset)
    return Codes(x.shape, bits, codes)


def _constants(constants: Any, x: Codes, step: Step) -> list[int]:
    """An array of codes that broadcasts against x: one for each of x's."""
    return broadcast(constants.reshape(-1).tolist(), constants.shape, x.shape, step)


@meaning.rule(WindowSum)
def _(instruction: WindowSum, step: Step, inputs: tuple[Codes, ...]) -> Numbers:
    (x,) = inputs
    *leading, channels = x.shape
    geometry = instruction.window, instruction.strides, instruction.padding, instruction.dilation
    spatial, taps = slide(leading, *geometry)
    if instruction.divisor.shape != spatial:
        raise BittrueError(
            f"Step '{step.name}' has {spatial} windows and divisors of shape {instruction.divisor.shape}; "
            "lower the network again."
        )
    values: list[Fraction] = []
    for position, divisor in zip(taps, instruction.divisor.reshape(-1).tolist(), strict=True):
        for channel in range(channels):
            total = sum(x.codes[tap * channels + channel] for tap in position if tap is not None)
            values.append(decode(total, x.binary_point) / divisor)
    return Numbers(pooled_shape(spatial, channels, step.type.shape), list(values))


def _of_channel(values: Sequence[T], channel: int) -> T:
    """The entry of a channel, or the only one that serves all."""
    return values[0] if len(values) == 1 else values[channel]
