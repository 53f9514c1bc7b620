"""What a quantizer changes of float values, as sums of squares, on NumPy alone: a plan is made without torch."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from bittrue.fixed import integers
from bittrue.fixed.format import Overflow, Quantizer, Rounding

_PIECE = 1 << 18
"""Numbers whose errors are added at once: 2 MiB of float64, which stay in the processor's cache."""

_EXACT_BITS = 53
"""Integers of no more bits are exact in float64."""

_LARGEST_SHIFT = 1000
"""Powers of two up to this one, either way, are normal float64 numbers."""

_ROUNDED: dict[Rounding, Callable[[np.ndarray], np.ndarray]] = {
    Rounding.NEAREST_EVEN: np.rint,
    # Doubling is exact, and the integers next to 2x decide every tie; ⌊x + ½⌋ would round the sum.
    Rounding.NEAREST_UP: lambda codes: np.ceil(np.floor(2 * codes) / 2),
    Rounding.NEAREST_DOWN: lambda codes: np.floor(np.ceil(2 * codes) / 2),
    Rounding.NEAREST_AWAY: lambda codes: np.copysign(np.ceil(np.floor(2 * np.abs(codes)) / 2), codes),
    Rounding.NEAREST_TO_ZERO: lambda codes: np.copysign(np.floor(np.ceil(2 * np.abs(codes)) / 2), codes),
    Rounding.FLOOR: np.floor,
    Rounding.TRUNCATE: np.trunc,
}


def squared_error(values: np.ndarray, quantizer: Quantizer) -> float:
    """The sum of the squares of what a quantizer changes of float values, in float64."""
    total = 0.0
    for piece in _pieces(values):
        errors = np.ldexp(_codes(piece, quantizer), -quantizer.format.fraction_bits)
        errors -= piece
        total += float(np.square(errors, out=errors).sum())
    return total


def clipping_error(values: np.ndarray, quantizer: Quantizer) -> float:
    """The sum of the squares of how far float values lie beyond a quantizer's limits, in float64."""
    low, high = (math.ldexp(code, -quantizer.format.fraction_bits) for code in (quantizer.min_code, quantizer.max_code))
    total = 0.0
    for piece in _pieces(values):
        beyond = np.clip(piece, low, high)
        beyond -= piece
        total += float(np.square(beyond, out=beyond).sum())
    return total


def _pieces(values: np.ndarray) -> Iterator[np.ndarray]:
    """The values in float64, some at a time."""
    flat = np.ascontiguousarray(values).reshape(-1)
    for start in range(0, flat.size, _PIECE):
        yield flat[start : start + _PIECE].astype(np.float64)


def _codes(values: np.ndarray, quantizer: Quantizer) -> np.ndarray:
    """The codes in float64, of Python integers where float64 doesn't hold them or the scaled values."""
    fraction_bits = quantizer.format.fraction_bits
    largest = float(np.abs(values).max(initial=0))
    # FLOOR alone tells a product that underflows from zero.
    underflows = fraction_bits < 0 and quantizer.rounding is Rounding.FLOOR
    if math.frexp(largest)[1] + fraction_bits > _EXACT_BITS or abs(fraction_bits) > _LARGEST_SHIFT or underflows:
        codes = integers.quantize_reals(values, fraction_bits, quantizer.rounding)
        return integers.apply_overflow(codes, quantizer).astype(np.float64)
    return _limited(_ROUNDED[quantizer.rounding](np.ldexp(values, fraction_bits)), quantizer)


def _limited(codes: np.ndarray, quantizer: Quantizer) -> np.ndarray:
    """The overflow mode on codes that float64 holds; those of words that it doesn't hold never overflow."""
    if quantizer.overflow in (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC):
        limited: np.ndarray = np.clip(codes, quantizer.min_code, quantizer.max_code)
        return limited
    if integers.count_overflows(codes, quantizer) == 0:
        return codes
    wrapped = integers.apply_overflow(codes.astype(np.int64).astype(object), quantizer)
    return wrapped.astype(np.float64)
