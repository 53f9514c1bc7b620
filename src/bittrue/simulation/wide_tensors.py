"""Products and quotients of two values in Python integers."""

import numpy as np

from bittrue.fixed import Overflow, Quantizer, integers
from bittrue.operators.broadcasting import spread
from bittrue.program import CodeType, Divide, MultiplyTensors, Step
from bittrue.simulation.tensor_products import quotient_shift, refuse_zero
from bittrue.simulation.wide import WideKernel, WideResult, wide_kernel


@wide_kernel.rule(MultiplyTensors)
def _(instruction: MultiplyTensors, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    if not instruction.matrices:
        return lambda inputs: WideResult(np.multiply(*spread(inputs)))
    accumulator = instruction.accumulator
    if accumulator is None:
        return lambda inputs: WideResult(np.matmul(*spread(inputs)))
    product_bits = sum(kind.fraction_bits for kind in types if kind.fraction_bits is not None)
    shift = accumulator.format.fraction_bits - product_bits
    if accumulator.overflow is not Overflow.WRAP or shift < 0:
        return lambda inputs: _accumulated(instruction, accumulator, product_bits, *spread(inputs))

    def wrapped_once(inputs: tuple[np.ndarray, ...]) -> WideResult:
        total = np.matmul(*spread(inputs)) << shift
        inner = {"accumulator": integers.count_overflows(total, accumulator)}
        return WideResult(integers.apply_overflow(total, accumulator), inner)

    return wrapped_once


def _accumulated(
    instruction: MultiplyTensors, accumulator: Quantizer, product_bits: int, x: np.ndarray, w: np.ndarray
) -> WideResult:
    """aᵢ = Q(aᵢ₋₁ + pᵢ) with k ascending."""
    outside = 0

    def quantized(codes: np.ndarray, fraction_bits: int) -> np.ndarray:
        nonlocal outside
        shift = fraction_bits - accumulator.format.fraction_bits
        rounded = integers.round_shift(codes, shift, accumulator.rounding)
        outside += integers.count_overflows(rounded, accumulator)
        return integers.apply_overflow(rounded, accumulator)

    finest = max(product_bits, accumulator.format.fraction_bits)
    left = finest - accumulator.format.fraction_bits
    total: np.ndarray | None = None
    for index in range(x.shape[-1]):
        product = x[..., index, np.newaxis] * w[..., index, np.newaxis, :] << finest - product_bits
        if instruction.quantized_products:
            product = quantized(product, finest) << left
        total = quantized(product if total is None else (total << left) + product, finest)
    assert total is not None
    return WideResult(total, {"accumulator": outside})


@wide_kernel.rule(Divide)
def _(instruction: Divide, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    shift = quotient_shift(instruction, step, types)
    assert step.quantizer is not None
    rounding = step.quantizer.rounding
    constant = None if instruction.divisor is None else instruction.divisor.astype(object)[np.newaxis]

    def divide(inputs: tuple[np.ndarray, ...]) -> WideResult:
        x, d = spread([inputs[0], inputs[1] if constant is None else constant])
        refuse_zero(bool((d == 0).any()), step.name)
        numerator, denominator = x << max(shift, 0), d << max(-shift, 0)
        signed = np.where(denominator < 0, -numerator, numerator)
        return WideResult(integers.divide_rounded(signed, abs(denominator), rounding))

    return divide
