"""torch's kernels for each way of computing a sum of products."""

from collections.abc import Callable
from math import prod

import numpy as np
import torch

from bittrue.operators.windows import convolution_weight, convolve, window_shape
from bittrue.program import MultiplyAccumulate
from bittrue.rules import RuleTable
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.sums.bounds import SumBounds
from bittrue.simulation.sums.digits import cut_weights
from bittrue.simulation.sums.integer_units import IntegerSums
from bittrue.simulation.sums.strategies import ChannelGroups, DigitProducts, InputParts, OneCarrier

_PIECE = 1 << 17
"""Sums added at once in float64: a megabyte, which stays in the cores' caches."""

_PART = 1 << 20
"""About how many sums a kernel leaves for others to be added to: four megabytes."""

SumKernel = Callable[[torch.Tensor, torch.dtype | None], torch.Tensor]
"""Takes codes on any carrier, channels last, and None for exact sums, or for sums rounded to nearest even a float type
that holds them."""

sum_kernel: RuleTable[Callable[..., SumKernel]] = RuleTable("sum of products")
"""Rules `(strategy, sums, shift) -> SumKernel`: lays the weights out for sums times 2^(−shift), bias included.

A float carrier holds the scaled numbers as exactly as integers. INT64 takes shift 0 only.
"""


@sum_kernel.rule(OneCarrier)
def _(strategy: OneCarrier, sums: SumBounds, shift: int) -> SumKernel:
    if strategy.carrier is Carrier.INT64:
        return lambda x, rounded: integer_sums(x.to(torch.int64), sums)
    dtype = strategy.carrier.dtype
    weight, bias = aligned_weight(sums, strategy.carrier, shift), aligned_bias(sums, dtype, shift)

    def compute(x: torch.Tensor, rounded: torch.dtype | None) -> torch.Tensor:
        result = linear(x.to(dtype), weight, bias, sums.instruction)
        return result if rounded is None else result.round_()

    return compute


@sum_kernel.rule(ChannelGroups)
def _(strategy: ChannelGroups, sums: SumBounds, shift: int) -> SumKernel:
    weights = [aligned_weight(sums, Carrier.FLOAT32, shift, slice(*group)) for group in strategy.groups]
    bias = aligned_bias(sums, torch.float64, shift)

    def compute(x: torch.Tensor, rounded: torch.dtype | None) -> torch.Tensor:
        codes = x.to(torch.float32)
        pairs = zip(strategy.groups, weights, strict=True)
        parts = (linear(codes[..., slice(*group)], weight, None, sums.instruction) for group, weight in pairs)
        total = next(parts).to(torch.float64)
        for part in parts:
            total += part
        total = total if bias is None else total.add_(bias)
        return total if rounded is None else total.round_()

    return compute


@sum_kernel.rule(InputParts)
def _(strategy: InputParts, sums: SumBounds, shift: int) -> SumKernel:
    weight, bias = aligned_weight(sums, Carrier.FLOAT32, shift), aligned_bias(sums, torch.float64, shift)
    power = 2.0**strategy.low_bits

    def parts(x: torch.Tensor) -> list[torch.Tensor]:
        """x = high · 2^low_bits + low, with 0 ≤ low < 2^low_bits: both parts in one product."""
        codes = x if x.dtype == torch.float32 else x.to(torch.float64)  # the parts fit float32, but the whole may not
        high = (codes / power).floor_()
        halves = torch.cat((high, codes - high * power)).to(torch.float32)
        products = linear(halves, weight, None, sums.instruction)
        return [products[: len(x)].mul_(power), products[len(x) :]]

    return _added(parts, bias, Carrier.FLOAT64, sums.instruction)


@sum_kernel.rule(DigitProducts)
def _(strategy: DigitProducts, sums: SumBounds, shift: int) -> SumKernel:
    digits, carrier = strategy.inputs, strategy.carrier
    kernels = [
        IntegerSums(sums.instruction, torch.from_numpy(digit), digits.zero_point)
        for digit in cut_weights(sums.instruction.weight, strategy.weights)
    ]
    # Further than the carrier is wide only zeros are shifted.
    aligned = [min(bits, carrier.bits) - shift for bits in sums.shifts]
    scales = [
        [[2.0 ** (place + weight_place + bits) for bits in aligned] for place in digits.places]
        for weight_place in strategy.weights.places
    ]
    bias = aligned_bias(sums, carrier.dtype, shift)
    alone = len(kernels) == digits.count == 1 and carrier is Carrier.FLOAT32

    def parts(x: torch.Tensor) -> list[torch.Tensor]:
        cut = digits.cut(x)
        return [
            kernel(digit, scale, bias if alone else None)
            for kernel, by_digit in zip(kernels, scales, strict=True)
            for digit, scale in zip(cut, by_digit, strict=True)
        ]

    if not alone:
        return _added(parts, bias, carrier, sums.instruction)

    def compute(x: torch.Tensor, rounded: torch.dtype | None) -> torch.Tensor:
        (result,) = parts(x)
        return result if rounded is None else result.round_()

    return compute


def _added(
    parts: Callable[[torch.Tensor], list[torch.Tensor]],
    bias: torch.Tensor | None,
    carrier: Carrier,
    instruction: MultiplyAccumulate,
) -> SumKernel:
    """The kernel that adds sums in several float32 parts, some images at a time: fresh memory is slow, and large pieces
    of it are always fresh."""

    def compute(x: torch.Tensor, rounded: torch.dtype | None) -> torch.Tensor:
        shape = output_shape(x, instruction)
        result = torch.empty(shape, dtype=rounded or carrier.dtype)
        images = max(_PART // max(prod(shape[1:]), 1), 1)
        for start in range(0, len(x), images):
            some = slice(start, start + images)
            _add_parts(parts(x[some]), bias, rounded is not None, carrier, result[some])
        return result

    return compute


def _add_parts(
    parts: list[torch.Tensor], bias: torch.Tensor | None, rounded: bool, carrier: Carrier, result: torch.Tensor
) -> None:
    """The sum of all parts and the bias into `result`, in pieces that stay in the cache."""
    rows = [part.reshape(-1, part.shape[-1]) for part in parts]
    out = result.view(rows[0].shape)
    height = max(_PIECE // max(out.shape[1], 1), 1)
    total, addend = torch.empty((2, min(height, len(out)), out.shape[1]), dtype=carrier.dtype)
    for start in range(0, len(out), height):
        stop = min(start + height, len(out))
        piece = total[: stop - start].copy_(rows[0][start:stop])
        for other in rows[1:]:
            # Converted first: an addition of two types is slower than both together.
            piece += addend[: stop - start].copy_(other[start:stop])
        if bias is not None:
            piece += bias
        out[start:stop] = piece.round_() if rounded else piece


def output_shape(x: torch.Tensor, instruction: MultiplyAccumulate) -> tuple[int, ...]:
    """The shape of a layer's sums, (batch, *positions, outputs)."""
    positions = tuple(x.shape[1:-1])
    if instruction.strides:
        window = instruction.weight.shape[:-2]
        positions = window_shape(positions, window, instruction.strides, instruction.padding, instruction.dilation)
    return len(x), *positions, instruction.weight.shape[-1]


def linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, instruction: MultiplyAccumulate
) -> torch.Tensor:
    """A dense layer or convolution of a channels-last tensor, in the operands' type."""
    if not instruction.strides:
        return torch.nn.functional.linear(x, weight, bias)
    geometry = (instruction.strides, instruction.padding, instruction.dilation, instruction.groups)
    return convolve(x, weight, bias, *geometry)


def aligned_weight(
    sums: SumBounds, carrier: Carrier, shift: int, inputs: slice = slice(None), outputs: slice = slice(None)
) -> torch.Tensor:
    """The weights at G (of some input or output channels) times 2^(−shift), as torch's kernels want them."""
    aligned = torch.from_numpy(sums.instruction.weight[..., inputs, outputs]).to(carrier.dtype)
    if any(sums.shifts):
        powers = factors(sums, carrier)
        aligned = aligned * torch.tensor(powers if len(powers) == 1 else powers[outputs], dtype=carrier.dtype)
    laid_out = convolution_weight(aligned) if sums.instruction.strides else aligned.T.contiguous()
    return laid_out.mul_(2.0**-shift) if shift else laid_out


def factors(sums: SumBounds, carrier: Carrier) -> list[int]:
    """2^shift for each output channel."""
    return [carrier.factor(shift) for shift in sums.shifts]


def aligned_bias(sums: SumBounds, dtype: torch.dtype, shift: int) -> torch.Tensor | None:
    if sums.instruction.bias is None:
        return None
    bias = torch.tensor(sums.biases, dtype=dtype)
    return bias.mul_(2.0**-shift) if shift else bias


def integer_sums(x: torch.Tensor, sums: SumBounds) -> torch.Tensor:
    """Sums of products in int64: slow, for codes that no float carrier holds."""
    patches = gather_patches(x, sums.instruction)
    weight = torch.from_numpy(sums.instruction.weight.astype(np.int64))
    weight = weight * torch.tensor(factors(sums, Carrier.INT64))
    groups = sums.instruction.groups
    per_group = weight.shape[-1] // groups
    kernel_weight = weight.reshape(-1, weight.shape[-1])
    columns = torch.split(kernel_weight, per_group, dim=1)
    parts = [patches[..., group, :] @ columns[group] for group in range(groups)]
    return torch.cat(parts, -1) + torch.tensor(sums.biases)


def gather_patches(x: torch.Tensor, instruction: MultiplyAccumulate) -> torch.Tensor:
    """The inputs of each sum, in the stated order: (batch, *positions, groups, kernel rows · columns · channels in a
    group)."""
    groups = instruction.groups
    if not instruction.strides:
        return x.unsqueeze(-2)
    kernel_shape = instruction.weight.shape[:-2]
    spatial = tuple(x.shape[1:-1])
    positions = window_shape(spatial, kernel_shape, instruction.strides, instruction.padding, instruction.dilation)
    padded = x.new_zeros(
        (x.shape[0], *(size + sum(pair) for size, pair in zip(spatial, instruction.padding, strict=True)), x.shape[-1])
    )
    inner = padded
    for axis, (size, pair) in enumerate(zip(spatial, instruction.padding, strict=True), start=1):
        inner = inner.narrow(axis, pair[0], size)
    inner.copy_(x)
    taps = []
    for tap in np.ndindex(*kernel_shape):
        view = padded
        for axis, (offset, step, stride, count) in enumerate(
            zip(tap, instruction.dilation, instruction.strides, positions, strict=True), start=1
        ):
            start = offset * step
            view = view[(slice(None),) * axis + (slice(start, start + (count - 1) * stride + 1, stride),)]
        taps.append(view.reshape(*view.shape[:-1], groups, -1))
    return torch.cat(taps, -1)
