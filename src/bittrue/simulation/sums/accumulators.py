"""Accumulators with a quantizer of their own (B6): sums of products rounded and limited as they grow, in the stated
order.

Where the formats show that no partial sum can leave the accumulator, and it has a bit for every fraction bit, it never
acts and the exact sum is the result; where it may wrap once at the end, it does. All others take their products one
after the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

import torch

from bittrue.fixed import Overflow, Quantizer, decode, overflow_code, overflows, round_to_code
from bittrue.fixed.tensor import apply_overflow_, count_overflows, round_shift_
from bittrue.operators.windows import window_shape
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.sums.bounds import SumBounds
from bittrue.simulation.sums.products import ProductSums
from bittrue.simulation.sums.sum_kernels import gather_patches
from bittrue.simulation.values import Codes, Result

_CACHED_SUMS = 1 << 18
"""How many sums grow together: few enough to stay in the processor's cache, one image's at least."""


def accumulated_sum(sums: ProductSums, accumulator: Quantizer, codes: Codes) -> Result:
    """The codes of the accumulator, and how many of its quantizations overflowed."""
    if never_acts(sums, accumulator, codes.low, codes.high):
        return _aligned(sums, accumulator, codes)
    if wraps_once(sums, accumulator):
        return _wrapped(sums, accumulator, codes)
    return _ordered(sums, accumulator, codes)


def never_acts(sums: SumBounds, accumulator: Quantizer, low: int, high: int) -> bool:
    """Whether no partial sum in any order, for inputs from `low` to `high`, is rounded or overflows."""
    shift = accumulator.format.fraction_bits - sums.fraction_bits
    if shift < 0:
        return False
    least, most = sums.partial_sums(low, high)
    return accumulator.min_code <= least << shift and most << shift <= accumulator.max_code


def wraps_once(sums: ProductSums, accumulator: Quantizer) -> bool:
    """Whether the accumulator may wrap once at the end with the same bits (B6)."""
    return accumulator.overflow is Overflow.WRAP and accumulator.format.fraction_bits >= sums.fraction_bits


def ordered_reach(sums: ProductSums, accumulator: Quantizer, largest_input: int) -> int:
    """What no number of an ordered sum can exceed, in units of the finest bit of products and accumulator."""
    instruction = sums.instruction
    finest = _finest(sums, accumulator)
    unit = 1 << finest - accumulator.format.fraction_bits
    columns = instruction.weight.reshape(-1, instruction.weight.shape[-1])
    ends = zip(columns.min(axis=0).tolist(), columns.max(axis=0).tolist(), _shifts(sums, finest), strict=True)
    largest: int = largest_input * max(max(-low, high) << shift for low, high, shift in ends)
    if accumulator.overflow is Overflow.UNBOUNDED:
        # Nothing holds the total back: every product, and the roundings of it and of the total, may add to it.
        first: int = max(abs(code) for code in _first_codes(sums, accumulator)[0])
        return first * unit + (len(columns) + 1) * (largest + 2 * unit)
    limit = max(accumulator.max_code, -accumulator.min_code) * unit
    return limit + max(largest, limit if instruction.quantized_products else 0)


def running_sums(sums: ProductSums, codes: Codes) -> Iterator[torch.Tensor]:
    """The exact partial sums in the stated order, from the bias alone to all products, at the fraction bits of `sums`.

    Some images after the other; within them each is the tensor before with one product added in place: (images,
    *positions, groups, outputs in a group).
    """
    carrier = carrier_for(sums.bound(codes.bound), sums.what)
    for tensor in torch.split(codes.tensor, _images_at_a_time(sums, codes.tensor)):
        patches, weights = _factors(sums, tensor, sums.fraction_bits, carrier)
        total = _start(sums.biases, patches)
        yield total
        for index, weight in enumerate(weights):
            yield total.addcmul_(patches[..., index, :], weight)


@dataclass(frozen=True, eq=False)
class Quantization:
    """The numbers that an accumulator's quantizer takes in at one moment, for all sums of some images.

    first_image: of the batch. product: after how many products, the bias alone being 0; None for the final sums, where
    it may wrap once at the end. exact: (images, *positions, channels) at `fraction_bits`. rounded: at those of the
    accumulator, not yet limited.
    """

    first_image: int
    product: int | None
    exact: torch.Tensor
    fraction_bits: int
    rounded: torch.Tensor


def quantizations(sums: ProductSums, accumulator: Quantizer, codes: Codes) -> Iterator[Quantization]:
    """Every quantization of an accumulator that may overflow or round, in the stated order.

    Where it never acts, or may wrap once at the end, the final sums alone. Raises CarrierError where no torch carrier
    holds its numbers.
    """
    bits = accumulator.format.fraction_bits
    acts = not never_acts(sums, accumulator, codes.low, codes.high)
    if not acts or wraps_once(sums, accumulator):
        exact = sums.exact_sum(codes).tensor.to(torch.int64)
        carrier_for(sums.bound(codes.bound) << bits - sums.fraction_bits, sums.what)
        yield Quantization(0, None, exact, sums.fraction_bits, exact << bits - sums.fraction_bits)
        return
    carrier_for(ordered_reach(sums, accumulator, codes.bound), sums.what)
    finest = _finest(sums, accumulator)
    lost = finest - bits
    biases = torch.tensor(sums.biases)
    rounded_biases = torch.tensor(_rounded_biases(sums, accumulator))
    image = 0
    for tensor in torch.split(codes.tensor, _images_at_a_time(sums, codes.tensor)):
        patches, weights = _factors(sums, tensor, finest, Carrier.INT64)
        shape = (*patches.shape[:-3], len(biases))
        total = rounded_biases.expand(shape)
        yield Quantization(image, 0, biases.expand(shape), sums.fraction_bits, total)
        total = apply_overflow_(total.clone(), accumulator)
        for index, weight in enumerate(weights):
            product = (patches[..., index, :] * weight).flatten(-2)
            if sums.instruction.quantized_products:
                rounded = round_shift_(product.clone(), lost, accumulator.rounding)
                yield Quantization(image, index + 1, product, finest, rounded)
                product = apply_overflow_(rounded.clone(), accumulator) << lost
            exact = (total << lost) + product
            total = round_shift_(exact.clone(), lost, accumulator.rounding)
            yield Quantization(image, index + 1, exact, finest, total)
            total = apply_overflow_(total.clone(), accumulator)
        image += len(tensor)


def _aligned(sums: ProductSums, accumulator: Quantizer, codes: Codes) -> Result:
    exact = sums.exact_sum(codes)
    shift = accumulator.format.fraction_bits - sums.fraction_bits
    low, high = exact.low << shift, exact.high << shift
    carrier = carrier_for(max(-low, high), sums.what)
    tensor = exact.tensor.to(carrier.dtype) * carrier.factor(shift) if shift else exact.tensor
    return replace(exact, tensor=tensor, low=low, high=high, inner_overflows={"accumulator": 0})


def _wrapped(sums: ProductSums, accumulator: Quantizer, codes: Codes) -> Result:
    exact = sums.exact_sum(codes)
    shift = accumulator.format.fraction_bits - sums.fraction_bits
    reach = max(accumulator.max_code, -accumulator.min_code)
    carrier = carrier_for(max(max(-exact.low, exact.high) << shift, reach), sums.what)
    total = exact.tensor.to(carrier.dtype)
    total = total * carrier.factor(shift) if shift else total
    inner = {"accumulator": count_overflows(total, accumulator)}
    total = apply_overflow_(total, accumulator)
    return Result(total, accumulator.min_code, accumulator.max_code, inner_overflows=inner)


def _ordered(sums: ProductSums, accumulator: Quantizer, codes: Codes) -> Result:
    """aᵢ = Q(aᵢ₋₁ + pᵢ): as many passes over the sums as each has products."""
    carrier = carrier_for(ordered_reach(sums, accumulator, codes.bound), sums.what)
    finest = _finest(sums, accumulator)
    lost = finest - accumulator.format.fraction_bits
    first, first_outside = _first_codes(sums, accumulator)
    parts, outside = [], 0
    for tensor in torch.split(codes.tensor, _images_at_a_time(sums, codes.tensor)):
        patches, weights = _factors(sums, tensor, finest, carrier)
        total = _start(first, patches)
        outside += first_outside * (total.numel() // len(first))
        for index, weight in enumerate(weights):
            if sums.instruction.quantized_products:
                product = round_shift_(patches[..., index, :] * weight, lost, accumulator.rounding)
                outside += _limit_(product, accumulator)
                total += product
            else:
                total = total.mul_(1 << lost) if lost else total
                total = round_shift_(total.addcmul_(patches[..., index, :], weight), lost, accumulator.rounding)
            outside += _limit_(total, accumulator)
        parts.append(total.flatten(-2))
    totals = torch.cat(parts)
    low, high = accumulator.min_code, accumulator.max_code
    if accumulator.overflow is Overflow.UNBOUNDED:
        low, high = (int(end) for end in torch.aminmax(totals))
    return Result(totals, low, high, inner_overflows={"accumulator": outside})


def _limit_(codes: torch.Tensor, accumulator: Quantizer) -> int:
    """The overflow mode in place; how many codes lay outside."""
    outside = count_overflows(codes, accumulator)
    if outside:
        apply_overflow_(codes, accumulator)
    return outside


def _finest(sums: ProductSums, accumulator: Quantizer) -> int:
    """The fraction bits that hold every product and the accumulator."""
    product_bits = sums.input_fraction_bits + max(sums.instruction.weight_fraction_bits)
    return max(product_bits, accumulator.format.fraction_bits)


def _shifts(sums: ProductSums, fraction_bits: int) -> list[int]:
    """For each output channel, how far its products are shifted left to reach `fraction_bits`."""
    shifts = [fraction_bits - sums.input_fraction_bits - bits for bits in sums.instruction.weight_fraction_bits]
    channels: int = sums.instruction.weight.shape[-1]
    return shifts * (channels // len(shifts))


def _first_codes(sums: ProductSums, accumulator: Quantizer) -> tuple[list[int], int]:
    """a₀ = Q(bias) of each output channel, and how many of them overflowed."""
    rounded = _rounded_biases(sums, accumulator)
    outside = sum(overflows(code, accumulator) for code in rounded)
    return [overflow_code(code, accumulator) for code in rounded], outside


def _rounded_biases(sums: ProductSums, accumulator: Quantizer) -> list[int]:
    """The bias of each output channel at the accumulator's fraction bits, not yet limited."""
    instruction = sums.instruction
    biases = [0] * instruction.weight.shape[-1] if instruction.bias is None else instruction.bias.tolist()
    bits, rounding = accumulator.format.fraction_bits, accumulator.rounding
    return [round_to_code(decode(code, instruction.bias_fraction_bits), bits, rounding) for code in biases]


def _factors(
    sums: ProductSums, tensor: torch.Tensor, fraction_bits: int, carrier: Carrier
) -> tuple[torch.Tensor, torch.Tensor]:
    """The factors of the products in the stated order.

    Inputs (batch, *positions, groups, products, 1), and weights (products, groups, outputs in a group) that bring the
    product to `fraction_bits`.
    """
    instruction = sums.instruction
    powers = [carrier.factor(shift) for shift in _shifts(sums, fraction_bits)]
    weight = torch.from_numpy(instruction.weight).to(carrier.dtype) * torch.tensor(powers, dtype=carrier.dtype)
    in_order = weight.reshape(-1, instruction.groups, weight.shape[-1] // instruction.groups)
    return gather_patches(tensor.to(carrier.dtype), instruction).unsqueeze(-1), in_order


def _start(first: list[int], patches: torch.Tensor) -> torch.Tensor:
    """Each sum's first code: (batch, *positions, groups, outputs in a group)."""
    start = torch.tensor(first, dtype=patches.dtype).reshape(patches.shape[-3], -1)
    return start.expand(*patches.shape[:-3], *start.shape).clone()


def _images_at_a_time(sums: ProductSums, tensor: torch.Tensor) -> int:
    instruction = sums.instruction
    spatial, kernel = tuple(tensor.shape[1:-1]), instruction.weight.shape[:-2]
    if kernel:
        spatial = window_shape(spatial, kernel, instruction.strides, instruction.padding, instruction.dilation)
    sums_an_image: int = prod(spatial) * instruction.weight.shape[-1]
    return max(_CACHED_SUMS // sums_an_image, 1)
