"""The kernels of MultiplyAccumulate: an exact sum, or an accumulator's."""

from collections.abc import Iterator

import numpy as np

from bittrue.fixed import Overflow, Quantizer, Rounding, integers
from bittrue.program import CodeType, MultiplyAccumulate, Step
from bittrue.simulation.carrier import Carrier, bound_bits, carrier_for
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, held, prove_step, quantizer_reach
from bittrue.simulation.sums.accumulators import accumulated_sum, never_acts, ordered_reach, wraps_once
from bittrue.simulation.sums.choice import kernel_bound
from bittrue.simulation.sums.products import ProductSums, product_sums
from bittrue.simulation.wide import WideKernel, WideResult, rounded_to, wide_kernel
from bittrue.simulation.wide_windows import taps


@kernel.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    sums = product_sums(instruction, step, types[0])
    quantizer, accumulator = step.quantizer, instruction.accumulator
    if accumulator is not None:
        return lambda inputs: accumulated_sum(sums, accumulator, inputs[0])
    if quantizer is not None and quantizer.rounding is Rounding.NEAREST_EVEN:
        return lambda inputs: sums.rounded_sum(inputs[0], quantizer)
    return lambda inputs: sums.exact_sum(inputs[0])


@wide_kernel.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    sums = _WideSums(instruction, types[0].binary_point)
    accumulator = instruction.accumulator
    if accumulator is None:
        return lambda inputs: WideResult(sums.exact(inputs[0]))
    shift = accumulator.format.fraction_bits - sums.fraction_bits
    if shift < 0 or accumulator.overflow is not Overflow.WRAP:
        return lambda inputs: sums.accumulated(inputs[0], accumulator)

    def wrapped_once(inputs: tuple[np.ndarray, ...]) -> WideResult:
        total = sums.exact(inputs[0]) << shift
        inner = {"accumulator": integers.count_overflows(total, accumulator)}
        return WideResult(integers.apply_overflow(total, accumulator), inner)

    return wrapped_once


class _WideSums:
    """The sums of a MultiplyAccumulate in Python integers, group by group of channels.

    fraction_bits: of the exact ones.
    """

    def __init__(self, instruction: MultiplyAccumulate, input_fraction_bits: int) -> None:
        groups, outputs = instruction.groups, instruction.weight.shape[-1]
        product_bits = np.broadcast_to(
            [input_fraction_bits + bits for bits in instruction.weight_fraction_bits], outputs
        )
        self._instruction = instruction
        self._product_bits = np.split(product_bits.astype(object), groups)
        self._columns = np.split(instruction.weight.reshape(-1, outputs).astype(object), groups, axis=1)
        self.fraction_bits = int(product_bits.max())
        bias = np.zeros(outputs, np.int64)
        if instruction.bias is not None:
            bias = instruction.bias
            self.fraction_bits = max(self.fraction_bits, instruction.bias_fraction_bits)
        self._biases = np.split(bias.astype(object), groups)

    def _groups(self, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """For each group: inputs (batch, *positions, products) in the stated order, weights (products, outputs), the
        products' fraction bits and the biases."""
        instruction = self._instruction
        patches = np.split(x, instruction.groups, axis=-1)
        if instruction.strides:
            geometry = (instruction.weight.shape[:-2], instruction.strides, instruction.padding, instruction.dilation)
            patches = [np.concatenate(list(taps(part, *geometry, 0)), axis=-1) for part in patches]
        return zip(patches, self._columns, self._product_bits, self._biases, strict=True)

    def exact(self, x: np.ndarray) -> np.ndarray:
        bias_shift = (
            self.fraction_bits - self._instruction.bias_fraction_bits if self._instruction.bias is not None else 0
        )
        totals = [
            (patches @ weight << self.fraction_bits - bits) + (bias << bias_shift)
            for patches, weight, bits, bias in self._groups(x)
        ]
        return np.concatenate(totals, axis=-1)

    def accumulated(self, x: np.ndarray, accumulator: Quantizer) -> WideResult:
        """aᵢ = Q(aᵢ₋₁ + pᵢ) in the stated order."""
        outside = 0

        def quantized(codes: np.ndarray, fraction_bits: int) -> np.ndarray:
            nonlocal outside
            rounded = rounded_to(codes, fraction_bits, accumulator)
            outside += integers.count_overflows(rounded, accumulator)
            return integers.apply_overflow(rounded, accumulator)

        finest = max(self.fraction_bits, accumulator.format.fraction_bits)
        left = finest - accumulator.format.fraction_bits
        totals = []
        for patches, weight, bits, bias in self._groups(x):
            first = np.broadcast_to(bias, (*patches.shape[:-1], len(bias)))
            total = quantized(first, self._instruction.bias_fraction_bits)
            for index in range(len(weight)):
                product = patches[..., index, np.newaxis] * (weight[index] << finest - bits)
                if self._instruction.quantized_products:
                    product = quantized(product, finest) << left
                total = quantized((total << left) + product, finest)
            totals.append(total)
        return WideResult(np.concatenate(totals, axis=-1), {"accumulator": outside})


@prove_step.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    sums = product_sums(instruction, step, types[0])
    accumulator = instruction.accumulator
    low = -bounds[0] if types[0].low is None else types[0].low
    high = bounds[0] if types[0].high is None else types[0].high
    if not (accumulator is None or never_acts(sums, accumulator, low, high) or wraps_once(sums, accumulator)):
        reach = ordered_reach(sums, accumulator, bounds[0])
        return held(step, reach, "{carrier}, product by product")
    least = _reach(sums, accumulator, max(bounds[0], 1), low, high)
    if not Carrier.INT64.holds(quantizer_reach(step, -least, least)):
        return carried(step, least)
    strategy = sums.strategy(low, high)
    reach = _reach(sums, accumulator, bounds[0], low, high)
    margin = strategy.kernel_bits - bound_bits(kernel_bound[type(strategy)](strategy, sums, low, high))
    if accumulator is not None:
        margin = min(margin, carrier_for(reach, step.name).bits - bound_bits(reach))
    return LayerProof(step.name, strategy.label, bound_bits(reach), margin)


def _reach(sums: ProductSums, accumulator: Quantizer | None, largest_input: int, low: int, high: int) -> int:
    """What no number of a sum can exceed: of the exact one, or of an accumulator that never acts or wraps once, at the
    accumulator's fraction bits."""
    bound = sums.bound(largest_input)
    if accumulator is None:
        return bound
    aligned = bound << accumulator.format.fraction_bits - sums.fraction_bits
    if never_acts(sums, accumulator, low, high):
        return aligned
    return max(aligned, accumulator.max_code, -accumulator.min_code)
