"""Accumulators with a quantizer of their own (B6): sums of products rounded and limited as they grow, in the stated
order."""

import numpy as np
import torch

from bittrue.fixed import Overflow, Quantizer
from bittrue.fixed.tensor import apply_overflow_, round_shift_
from bittrue.simulation.carrier import carrier_for
from bittrue.simulation.products import ProductSums, gather_patches
from bittrue.simulation.values import Codes, Result


def wraps_once(accumulator: Quantizer, fraction_bits: int) -> bool:
    """Whether the accumulator may wrap once at the end with the same bits (B6)."""
    return accumulator.overflow is Overflow.WRAP and accumulator.format.fraction_bits >= fraction_bits


def wrapped_sum(sums: ProductSums, codes: Codes) -> Result:
    accumulator = sums.instruction.accumulator
    assert accumulator is not None
    exact = sums.exact_sum(codes)
    shift = accumulator.format.fraction_bits - sums.fraction_bits
    reach = max(accumulator.max_code, -accumulator.min_code)
    carrier = carrier_for(max(max(-exact.low, exact.high) << shift, reach), sums.what)
    total = exact.tensor.to(carrier.dtype)
    total = apply_overflow_(total * (1 << shift) if shift else total, accumulator)
    return Result(total, accumulator.min_code, accumulator.max_code)


def ordered_sum(sums: ProductSums, codes: Codes) -> Result:
    """aᵢ = Q(aᵢ₋₁ + pᵢ) in the stated order, in int64: as many passes over the output as a sum has products."""
    instruction, accumulator = sums.instruction, sums.instruction.accumulator
    assert accumulator is not None
    product_bits = [sums.input_fraction_bits + bits for bits in instruction.weight_fraction_bits]
    finest = max(*product_bits, accumulator.format.fraction_bits)
    patches = gather_patches(codes.tensor.to(torch.int64), instruction)
    columns = torch.from_numpy(instruction.weight.reshape(-1, instruction.weight.shape[-1]).astype(np.int64))
    per_group = columns.shape[-1] // instruction.groups
    grouped = columns.reshape(-1, instruction.groups, per_group)
    # A shift beyond 62 bits is refused below, unless all products are zero.
    product_shift = torch.tensor([1 << min(finest - bits, 62) for bits in product_bits]).expand(columns.shape[-1])
    product_shift = product_shift.reshape(instruction.groups, per_group)
    largest = codes.bound * int(columns.abs().max()) * int(product_shift.max())
    bias = instruction.bias if instruction.bias is not None else np.zeros(columns.shape[-1], np.int64)
    total = _quantized(torch.from_numpy(bias.astype(np.int64)), instruction.bias_fraction_bits, accumulator)
    unit = 1 << (finest - accumulator.format.fraction_bits)
    limit = max(accumulator.max_code, -accumulator.min_code) * unit
    if accumulator.overflow is Overflow.UNBOUNDED:
        # Nothing holds the total back: every product, and the roundings of it and of the total, may add to it.
        limit = int(total.abs().max()) * unit + columns.shape[0] * (largest + 2 * unit)
    carrier_for(largest + limit, sums.what)
    total = total.reshape(instruction.groups, per_group).expand(*patches.shape[:-1], per_group).clone()
    for index in range(columns.shape[0]):
        product = patches[..., index].unsqueeze(-1) * grouped[index] * product_shift
        if instruction.quantized_products:
            product = _quantized(product, finest, accumulator) << (finest - accumulator.format.fraction_bits)
        total <<= finest - accumulator.format.fraction_bits
        total = _quantized(total + product, finest, accumulator)
    flat = total.flatten(-2)
    bound = int(flat.abs().max()) if accumulator.overflow is Overflow.UNBOUNDED else None
    return Result(
        flat,
        accumulator.min_code if bound is None else -bound,
        accumulator.max_code if bound is None else bound,
    )


def _quantized(codes: torch.Tensor, fraction_bits: int, quantizer: Quantizer) -> torch.Tensor:
    rounded = round_shift_(codes.clone(), fraction_bits - quantizer.format.fraction_bits, quantizer.rounding)
    return apply_overflow_(rounded, quantizer)
