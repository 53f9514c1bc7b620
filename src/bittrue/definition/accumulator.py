"""A sum whose every partial sum is quantized (B6)."""

from collections.abc import Sequence
from fractions import Fraction

from bittrue.fixed.format import Quantizer
from bittrue.fixed.reference import decode, overflow_code, overflows, round_to_code


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
