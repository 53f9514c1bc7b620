"""The definition of rounding and overflow, in integers and fractions (rules B3 and B4).

Slow and obvious on purpose: every other implementation is compared with this one, so it shares code with none and uses
the standard library alone.
"""

from fractions import Fraction
from math import ceil, floor, trunc

from bittrue.fixed.format import Overflow, Quantizer, Rounding

_HALF = Fraction(1, 2)


def decode(code: int, fraction_bits: int) -> Fraction:
    """The value code · 2^(−fraction_bits)."""
    return code * Fraction(2) ** -fraction_bits


def round_to_code(value: Fraction, fraction_bits: int, rounding: Rounding) -> int:
    """value · 2^fraction_bits, rounded to an integer."""
    scaled = value * Fraction(2) ** fraction_bits
    below = floor(scaled)
    rest = scaled - below
    if rounding is Rounding.FLOOR:
        return below
    if rounding is Rounding.TRUNCATE:
        return trunc(scaled)
    if rest != _HALF:
        return below if rest < _HALF else below + 1
    match rounding:
        case Rounding.NEAREST_EVEN:
            return below if below % 2 == 0 else below + 1
        case Rounding.NEAREST_UP:
            return ceil(scaled)
        case Rounding.NEAREST_DOWN:
            return floor(scaled)
        case Rounding.NEAREST_AWAY:
            return ceil(scaled) if scaled > 0 else floor(scaled)
        case Rounding.NEAREST_TO_ZERO:
            return trunc(scaled)


def overflows(code: int, quantizer: Quantizer) -> bool:
    """Whether a rounded code lies outside the quantizer's limits."""
    return not quantizer.min_code <= code <= quantizer.max_code


def overflow_code(code: int, quantizer: Quantizer) -> int:
    """What the quantizer's overflow mode makes of a rounded code."""
    if not overflows(code, quantizer):
        return code
    match quantizer.overflow:
        case Overflow.SATURATE | Overflow.SATURATE_SYMMETRIC:
            return quantizer.min_code if code < quantizer.min_code else quantizer.max_code
        case Overflow.SATURATE_ZERO:
            return 0
        case Overflow.WRAP:
            return (code - quantizer.min_code) % (1 << quantizer.format.word_length) + quantizer.min_code
        case Overflow.UNBOUNDED:
            return code


def quantize(value: Fraction, quantizer: Quantizer) -> int:
    """The code of a real value: rounded first, then the overflow mode."""
    return overflow_code(round_to_code(value, quantizer.format.fraction_bits, quantizer.rounding), quantizer)


def requantize(code: int, fraction_bits: int, quantizer: Quantizer) -> int:
    """The code, in the quantizer's format, of the value code · 2^(−fraction_bits)."""
    return quantize(decode(code, fraction_bits), quantizer)
