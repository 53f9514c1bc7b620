"""Sums of products with constant weights: convolutions of any rank and dense layers (B6)."""

from collections.abc import Iterator, Sequence
from itertools import chain
from math import prod
from operator import mul
from typing import TypeVar

from bittrue.definition.accumulator import accumulate, limited
from bittrue.definition.meaning import Codes, meaning
from bittrue.definition.windows import Taps, slide
from bittrue.errors import BittrueError
from bittrue.fixed.format import Overflow
from bittrue.fixed.reference import decode
from bittrue.program import MultiplyAccumulate, Step

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


def _of_channel(values: Sequence[T], channel: int) -> T:
    """The entry of a channel, or the only one that serves all."""
    return values[0] if len(values) == 1 else values[channel]
