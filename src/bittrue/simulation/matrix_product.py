"""Products of two values: element by element, or of matrices with their accumulators (B6)."""

from collections.abc import Sequence

import numpy as np
import torch

from bittrue.fixed import Overflow, Quantizer, integers
from bittrue.fixed.tensor import apply_overflow_, count_overflows, round_shift_
from bittrue.operators.broadcasting import spread
from bittrue.program import CodeType, MultiplyTensors, Step
from bittrue.simulation.carrier import carrier_for
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, held, prove_step
from bittrue.simulation.values import Codes, Result
from bittrue.simulation.wide import WideKernel, WideResult, rounded_to, wide_kernel


@kernel.rule(MultiplyTensors)
def _(instruction: MultiplyTensors, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    if not instruction.matrices:
        return lambda inputs: _elementwise(step.name, *inputs)
    if instruction.accumulator is None:
        return lambda inputs: _matrix_product(step.name, *inputs)
    return _AccumulatedProduct(instruction, instruction.accumulator, types, step.name)


def _elementwise(what: str, x: Codes, w: Codes) -> Result:
    low, high = _product_ends((x.low, x.high), (w.low, w.high))
    carrier = carrier_for(max(-low, high, x.bound, w.bound), what)
    first, second = spread([x.tensor.to(carrier.dtype), w.tensor.to(carrier.dtype)])
    return Result(first * second, low, high)


Ends = tuple[int, int]


def _product_bits(types: Sequence[CodeType]) -> int:
    """The fraction bits of the products."""
    return sum(kind.binary_point for kind in types)


def _product_ends(x: Ends, w: Ends) -> Ends:
    """The least and the largest product."""
    corners = [left * right for left in x for right in w]
    return min(corners), max(corners)


def _sum_ends(products: int, x: Ends, w: Ends) -> Ends:
    """The least and the largest sum of any of the products."""
    least, most = _product_ends(x, w)
    return products * min(least, 0), products * max(most, 0)


def _matrix_product(what: str, x: Codes, w: Codes) -> Result:
    """Every partial sum, in any order, lies between the sums of the products' least and largest numbers and 0."""
    low, high = _sum_ends(x.tensor.shape[-1], (x.low, x.high), (w.low, w.high))
    carrier = carrier_for(max(-low, high, x.bound, w.bound), what)
    first, second = spread([x.tensor.to(carrier.dtype), w.tensor.to(carrier.dtype)])
    return Result(torch.matmul(first, second), low, high)


class _AccumulatedProduct:
    """A matrix product whose accumulator has a quantizer of its own (B6)."""

    def __init__(
        self, instruction: MultiplyTensors, accumulator: Quantizer, types: Sequence[CodeType], what: str
    ) -> None:
        self._instruction, self._accumulator, self._what = instruction, accumulator, what
        self._shift = accumulator.format.fraction_bits - _product_bits(types)

    def __call__(self, inputs: tuple[Codes, ...]) -> Result:
        x, w = inputs
        ends = _sum_ends(x.tensor.shape[-1], (x.low, x.high), (w.low, w.high))
        if never_acts(self._accumulator, self._shift, ends):
            exact = self._aligned(x, w)
            return Result(exact, ends[0] << self._shift, ends[1] << self._shift, inner_overflows={"accumulator": 0})
        if wraps_once(self._accumulator, self._shift):
            total = self._aligned(x, w)
            inner = {"accumulator": count_overflows(total, self._accumulator)}
            total = apply_overflow_(total, self._accumulator)
            return Result(total, self._accumulator.min_code, self._accumulator.max_code, inner_overflows=inner)
        return self._ordered(x, w)

    def _aligned(self, x: Codes, w: Codes) -> torch.Tensor:
        """The exact sums at the accumulator's fraction bits."""
        exact = _matrix_product(self._what, x, w)
        reach = max(self._accumulator.max_code, -self._accumulator.min_code)
        carrier = carrier_for(max(max(-exact.low, exact.high) << self._shift, reach), self._what)
        return exact.tensor.to(carrier.dtype) * carrier.factor(self._shift)

    def _ordered(self, x: Codes, w: Codes) -> Result:
        """aᵢ = Q(aᵢ₋₁ + pᵢ): as many passes over the sums as each has products."""
        accumulator, lost = self._accumulator, max(-self._shift, 0)
        quantized = self._instruction.quantized_products
        products = x.tensor.shape[-1]
        reach = ordered_reach(accumulator, self._shift, products, x.bound * w.bound, quantized)
        carrier = carrier_for(max(reach, x.bound, w.bound), self._what)
        first, second = spread([x.tensor.to(carrier.dtype), w.tensor.to(carrier.dtype)])
        first = first * carrier.factor(max(self._shift, 0))
        total = (first[..., :1] * second[..., :1, :]).zero_()
        outside = 0
        for index in range(products):
            product = first[..., index, None] * second[..., index, None, :]
            if quantized:
                product = round_shift_(product, lost, accumulator.rounding)
                outside += count_overflows(product, accumulator)
                total.add_(apply_overflow_(product, accumulator))
            else:
                total = round_shift_(total.mul_(1 << lost).add_(product), lost, accumulator.rounding)
            outside += count_overflows(total, accumulator)
            apply_overflow_(total, accumulator)
        low, high = accumulator.min_code, accumulator.max_code
        if accumulator.overflow is Overflow.UNBOUNDED:
            low, high = (int(end) for end in torch.aminmax(total))
        return Result(total, low, high, inner_overflows={"accumulator": outside})


def never_acts(accumulator: Quantizer, shift: int, ends: Ends) -> bool:
    """Whether no partial sum is rounded or overflows; shift: from the products' fraction bits to the accumulator's."""
    return shift >= 0 and accumulator.min_code <= ends[0] << shift and ends[1] << shift <= accumulator.max_code


def wraps_once(accumulator: Quantizer, shift: int) -> bool:
    """Whether the accumulator may wrap once at the end with the same bits (B6)."""
    return shift >= 0 and accumulator.overflow is Overflow.WRAP


def ordered_reach(accumulator: Quantizer, shift: int, products: int, largest: int, quantized: bool) -> int:
    """What no number of an ordered sum can exceed, in units of the finest bit of products and accumulator."""
    unit, largest = 1 << max(-shift, 0), largest << max(shift, 0)
    if accumulator.overflow is Overflow.UNBOUNDED:
        # Nothing holds the total back: every product, and the roundings of it and of the total, may add to it.
        return (products + 1) * (largest + 2 * unit)
    limit = max(accumulator.max_code, -accumulator.min_code) * unit
    return limit + max(largest, limit if quantized else 0)


@wide_kernel.rule(MultiplyTensors)
def _(instruction: MultiplyTensors, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    if not instruction.matrices:
        return lambda inputs: WideResult(np.multiply(*spread(inputs)))
    accumulator = instruction.accumulator
    if accumulator is None:
        return lambda inputs: WideResult(np.matmul(*spread(inputs)))
    finest = _product_bits(types)
    shift = accumulator.format.fraction_bits - finest
    if not wraps_once(accumulator, shift):
        return lambda inputs: _accumulated(accumulator, finest, instruction.quantized_products, *spread(inputs))

    def wrapped_once(inputs: tuple[np.ndarray, ...]) -> WideResult:
        total = np.matmul(*spread(inputs)) << shift
        inner = {"accumulator": integers.count_overflows(total, accumulator)}
        return WideResult(integers.apply_overflow(total, accumulator), inner)

    return wrapped_once


def _accumulated(
    accumulator: Quantizer, product_bits: int, quantized_products: bool, x: np.ndarray, w: np.ndarray
) -> WideResult:
    """aᵢ = Q(aᵢ₋₁ + pᵢ) with k ascending."""
    outside = 0

    def quantized(codes: np.ndarray, fraction_bits: int) -> np.ndarray:
        nonlocal outside
        rounded = rounded_to(codes, fraction_bits, accumulator)
        outside += integers.count_overflows(rounded, accumulator)
        return integers.apply_overflow(rounded, accumulator)

    finest = max(product_bits, accumulator.format.fraction_bits)
    left = finest - accumulator.format.fraction_bits
    total = np.full(np.broadcast(x[..., :1], w[..., :1, :]).shape, 0, object)
    for index in range(x.shape[-1]):
        product = x[..., index, np.newaxis] * w[..., index, np.newaxis, :] << finest - product_bits
        if quantized_products:
            product = quantized(product, finest) << left
        total = quantized((total << left) + product, finest)
    return WideResult(total, {"accumulator": outside})


@prove_step.rule(MultiplyTensors)
def _(instruction: MultiplyTensors, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    if not instruction.matrices:
        return carried(step, max(bounds[0] * bounds[1], *bounds))
    products, accumulator = types[0].shape[-1], instruction.accumulator
    largest = bounds[0] * bounds[1]
    total = products * largest
    if accumulator is None:
        return carried(step, max(total, *bounds))
    shift = accumulator.format.fraction_bits - _product_bits(types)
    if never_acts(accumulator, shift, (-total, total)):
        return carried(step, max(total << shift, *bounds))
    if wraps_once(accumulator, shift):
        return carried(step, max(total << shift, accumulator.max_code, -accumulator.min_code, *bounds))
    reach = max(ordered_reach(accumulator, shift, products, largest, instruction.quantized_products), *bounds)
    return held(step, reach, "{carrier}, product by product")
