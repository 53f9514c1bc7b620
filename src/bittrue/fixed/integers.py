"""Rounding and overflow on NumPy arrays of Python integers: the bits of `bittrue.fixed.reference` for numbers of any
width.

Such arrays have the dtype object. They are slow, and what is left where no machine integer holds a number.
"""

from typing import assert_never

import numpy as np

from bittrue.fixed.format import Overflow, Quantizer, Rounding

_FLOAT_BITS = 53
"""Bits of a float64's significand."""


def divide_rounded(numerators: np.ndarray, denominators: np.ndarray | int, rounding: Rounding) -> np.ndarray:
    """numerators / denominators, rounded to integers; denominators are positive and may broadcast."""
    below: np.ndarray = numerators // denominators
    rest = numerators - below * denominators
    negative = numerators < 0
    if rounding is Rounding.FLOOR:
        return below
    if rounding is Rounding.TRUNCATE:
        truncated: np.ndarray = below + ((rest > 0) & negative)
        return truncated
    match rounding:
        case Rounding.NEAREST_EVEN:
            up_at_tie = below % 2 != 0
        case Rounding.NEAREST_UP:
            up_at_tie = np.True_
        case Rounding.NEAREST_DOWN:
            up_at_tie = np.False_
        case Rounding.NEAREST_AWAY:
            up_at_tie = ~negative
        case Rounding.NEAREST_TO_ZERO:
            up_at_tie = negative
        case _:
            assert_never(rounding)
    twice = rest * 2
    nearest: np.ndarray = below + ((twice > denominators) | ((twice == denominators) & up_at_tie))
    return nearest


def round_shift(codes: np.ndarray, shift: int, rounding: Rounding) -> np.ndarray:
    """codes · 2^(−shift), rounded to integers; a negative shift multiplies."""
    if shift <= 0:
        longer: np.ndarray = codes * (1 << -shift)
        return longer
    return divide_rounded(codes, 1 << shift, rounding)


def quantize_reals(values: np.ndarray, fraction_bits: int, rounding: Rounding) -> np.ndarray:
    """The rounded codes, not limited, of float32 or float64 numbers, each of which is exact; they must be finite."""
    significands, exponents = np.frexp(values.astype(np.float64))
    integers = np.ldexp(significands, _FLOAT_BITS).astype(np.int64).astype(object)
    shifts = exponents.astype(np.int64) + (fraction_bits - _FLOAT_BITS)
    left, right = np.maximum(shifts, 0).astype(object), np.maximum(-shifts, 0).astype(object)
    ones = np.full(values.shape, 1, object)
    return divide_rounded(integers << left, ones << right, rounding)


def count_overflows(codes: np.ndarray, quantizer: Quantizer) -> int:
    """How many rounded codes, before the overflow mode, lie outside the quantizer's limits."""
    return int(np.count_nonzero((codes < quantizer.min_code) | (codes > quantizer.max_code)))


def apply_overflow(codes: np.ndarray, quantizer: Quantizer) -> np.ndarray:
    """The quantizer's overflow mode on rounded codes."""
    least, most = quantizer.min_code, quantizer.max_code
    match quantizer.overflow:
        case Overflow.UNBOUNDED:
            return codes
        case Overflow.SATURATE | Overflow.SATURATE_SYMMETRIC:
            limited: np.ndarray = np.minimum(np.maximum(codes, least), most)
            return limited
        case Overflow.SATURATE_ZERO:
            return codes * ((codes >= least) & (codes <= most))
        case Overflow.WRAP:
            wrapped: np.ndarray = (codes - least) % (1 << quantizer.format.word_length) + least
            return wrapped


def extremes(codes: np.ndarray) -> tuple[int, int]:
    """The least and the greatest code; both 0 for none."""
    return (int(codes.min()), int(codes.max())) if codes.size else (0, 0)
