"""Kernels of MultiplyAccumulate: sums of products, exact on the carrier that the proof of B14 allows."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.fixed.tensor import apply_overflow_, round_shift_
from bittrue.operators.windows import convolution_weight, convolve, window_shape
from bittrue.program import CodeType, MultiplyAccumulate, Step
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.values import Codes, Result

_MOST_FOLDED = 64
"""How far a shift may move into the weights: no product or sum can leave float32's range by it."""


@dataclass(frozen=True, eq=False)
class ProductSums:
    """A MultiplyAccumulate with its weights aligned to the finest binary point G, and the bounds that prove it.

    shifts: for each output channel, how far its weights' products are shifted left to reach G (length 1: the same for all).
    """

    instruction: MultiplyAccumulate
    input_fraction_bits: int
    _weights: dict[tuple[Carrier, int], torch.Tensor] = field(default_factory=dict)

    @cached_property
    def fraction_bits(self) -> int:
        finest = self.input_fraction_bits + max(self.instruction.weight_fraction_bits)
        if self.instruction.bias is not None:
            finest = max(finest, self.instruction.bias_fraction_bits)
        return finest

    @cached_property
    def shifts(self) -> list[int]:
        return [self.fraction_bits - self.input_fraction_bits - bits for bits in self.instruction.weight_fraction_bits]

    @cached_property
    def magnitudes(self) -> list[int]:
        """For each output channel c: 2^shift · Σ|w|, so that a sum's bound is this times max|x|, plus the bias."""
        columns = torch.from_numpy(self.instruction.weight).reshape(-1, self.instruction.weight.shape[-1])
        largest = max(-int(columns.min()), int(columns.max()))
        sums: list[int]
        if largest * len(columns) < 1 << 62:
            sums = columns.to(torch.int64).abs_().sum(0).tolist()
        else:
            sums = [sum(abs(code) for code in column) for column in columns.T.tolist()]
        shifts = self.shifts * (len(sums) // len(self.shifts))
        return [total << shift for total, shift in zip(sums, shifts, strict=True)]

    @cached_property
    def biases(self) -> list[int]:
        """The bias of each output channel at G."""
        if self.instruction.bias is None:
            return [0] * len(self.magnitudes)
        shift = self.fraction_bits - self.instruction.bias_fraction_bits
        return [code << shift for code in self.instruction.bias.tolist()]

    def bound(self, largest_input: int) -> int:
        """What no partial sum, in any order and in any channel, can exceed for inputs of absolute value ≤ largest_input."""
        return max(
            (magnitude * largest_input + abs(bias) for magnitude, bias in zip(self.magnitudes, self.biases, strict=True)),
            default=0,
        )

    def weight(self, carrier: Carrier, shift: int = 0) -> torch.Tensor:
        """The aligned weights times 2^(−shift), as the carrier's kernel wants them, laid out once."""
        if (carrier, shift) not in self._weights:
            aligned = torch.from_numpy(self.instruction.weight).to(carrier.dtype)
            if any(self.shifts):
                aligned = aligned * torch.tensor([1 << left for left in self.shifts], dtype=carrier.dtype)
            laid_out = convolution_weight(aligned) if self.instruction.strides else aligned.T.contiguous()
            self._weights[carrier, shift] = laid_out.mul_(2.0**-shift) if shift else laid_out
        return self._weights[carrier, shift]

    def bias(self, carrier: Carrier, shift: int = 0) -> torch.Tensor | None:
        if self.instruction.bias is None:
            return None
        bias = torch.tensor(self.biases, dtype=carrier.dtype)
        return bias.mul_(2.0**-shift) if shift else bias

    def exact_sum(self, codes: Codes, what: str) -> Result:
        """The exact sums at G, on the narrowest carrier that the inputs' bounds allow."""
        bound = self.bound(codes.bound)
        return Result(self._compute(codes, carrier_for(bound, what), 0), -bound, bound)

    def rounded_sum(self, codes: Codes, quantizer: Quantizer, what: str) -> Result:
        """The sums, rounded by a quantizer that rounds to nearest even.

        A power of two in the weights takes the place of the shift: a float carrier holds the scaled sums as exactly.
        """
        shift = self.fraction_bits - quantizer.format.fraction_bits
        bound = self.bound(codes.bound)
        carrier = carrier_for(bound, what)
        if carrier is Carrier.INT64 or not 0 < shift <= _MOST_FOLDED:
            return Result(self._compute(codes, carrier, 0), -bound, bound)
        limit = (bound >> shift) + 1
        return Result(self._compute(codes, carrier, shift).round_(), -limit, limit, rounded=True)

    def _compute(self, codes: Codes, carrier: Carrier, shift: int) -> torch.Tensor:
        x = codes.tensor.to(carrier.dtype)
        instruction = self.instruction
        if carrier is Carrier.INT64:
            return integer_sums(x, self)
        weight, bias = self.weight(carrier, shift), self.bias(carrier, shift)
        if not instruction.strides:
            return torch.nn.functional.linear(x, weight, bias)
        geometry = (instruction.strides, instruction.padding, instruction.dilation, instruction.groups)
        return convolve(x, weight, bias, *geometry)


def integer_sums(x: torch.Tensor, sums: ProductSums) -> torch.Tensor:
    """Sums of products in int64: slow, for codes that no float carrier holds."""
    patches = gather_patches(x, sums.instruction)
    weight = torch.from_numpy(sums.instruction.weight.astype(np.int64))
    weight = weight * torch.tensor([1 << shift for shift in sums.shifts])
    groups = sums.instruction.groups
    per_group = weight.shape[-1] // groups
    kernel_weight = weight.reshape(-1, weight.shape[-1])
    parts = [
        patches[..., group, :] @ kernel_weight[:, group * per_group : (group + 1) * per_group] for group in range(groups)
    ]
    return torch.cat(parts, -1) + torch.tensor(sums.biases)


def gather_patches(x: torch.Tensor, instruction: MultiplyAccumulate) -> torch.Tensor:
    """The inputs of each sum, in the stated order: (batch, *positions, groups, kernel rows · columns · channels in a group)."""
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
        taps.append(view.unflatten(-1, (groups, -1)))
    return torch.cat(taps, -1)


def wraps_once(accumulator: Quantizer, fraction_bits: int) -> bool:
    """Whether the accumulator may wrap once at the end with the same bits (B6)."""
    return accumulator.overflow is Overflow.WRAP and accumulator.format.fraction_bits >= fraction_bits


@kernel.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    assert types[0].fraction_bits is not None
    sums = ProductSums(instruction, types[0].fraction_bits)
    quantizer = step.quantizer
    if instruction.accumulator is None and quantizer is not None and quantizer.rounding is Rounding.NEAREST_EVEN:
        return lambda inputs: sums.rounded_sum(inputs[0], quantizer, step.name)
    if instruction.accumulator is None:
        return lambda inputs: sums.exact_sum(inputs[0], step.name)
    if wraps_once(instruction.accumulator, sums.fraction_bits):
        return lambda inputs: _wrapped_sum(sums, inputs[0], step.name)
    return lambda inputs: _ordered_sum(sums, inputs[0], step.name)


def _wrapped_sum(sums: ProductSums, codes: Codes, what: str) -> Result:
    accumulator = sums.instruction.accumulator
    assert accumulator is not None
    exact = sums.exact_sum(codes, what)
    shift = accumulator.format.fraction_bits - sums.fraction_bits
    carrier = carrier_for(max(max(-exact.low, exact.high) << shift, -accumulator.min_code), what)
    total = exact.tensor.to(carrier.dtype)
    total = apply_overflow_(total * (1 << shift) if shift else total, accumulator)
    return Result(total, accumulator.min_code, accumulator.max_code)


def _ordered_sum(sums: ProductSums, codes: Codes, what: str) -> Result:
    """aᵢ = Q(aᵢ₋₁ + pᵢ) in the stated order, in int64: as many passes over the output as a sum has products."""
    instruction, accumulator = sums.instruction, sums.instruction.accumulator
    assert accumulator is not None
    product_bits = [sums.input_fraction_bits + bits for bits in instruction.weight_fraction_bits]
    finest = max(*product_bits, accumulator.format.fraction_bits)
    patches = gather_patches(codes.tensor.to(torch.int64), instruction)
    columns = torch.from_numpy(instruction.weight.reshape(-1, instruction.weight.shape[-1]).astype(np.int64))
    per_group = columns.shape[-1] // instruction.groups
    grouped = columns.unflatten(-1, (instruction.groups, per_group))
    product_shift = torch.tensor([1 << (finest - bits) for bits in product_bits]).expand(columns.shape[-1])
    product_shift = product_shift.reshape(instruction.groups, per_group)
    largest = codes.bound * int(columns.abs().max()) * int(product_shift.max())
    limit = max(accumulator.max_code, -accumulator.min_code) << (finest - accumulator.format.fraction_bits)
    carrier_for(largest + limit, what)
    bias = instruction.bias if instruction.bias is not None else np.zeros(columns.shape[-1], np.int64)
    total = _quantized(torch.from_numpy(bias.astype(np.int64)), instruction.bias_fraction_bits, accumulator)
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
