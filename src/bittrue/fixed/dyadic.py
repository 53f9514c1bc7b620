"""Floating-point numbers as the exact dyadic numbers they are, and the arrays that codes are held in."""

from collections.abc import Sequence

import numpy as np

CODE_BITS = 62
"""Codes are held in int64 up to this width, with room for a sign and one addition; beyond it as Python integers."""

_SIGNIFICAND_BITS = 53
_ALL_ZERO = -(1 << 20)


def exact_codes(values: np.ndarray) -> tuple[np.ndarray, int]:
    """The codes of all values under the fewest fraction bits F (possibly negative) that hold each of them exactly.

    Returns (codes of the values' shape, F); the codes are int64, or Python integers where one exceeds 62 bits. float64
    spans 2,098 bits, so that none is longer.
    """
    wide = values.astype(np.float64)
    mantissa, exponent = np.frexp(wide)
    integers = np.ldexp(mantissa, _SIGNIFICAND_BITS).astype(np.int64)
    lowest_set = np.where(integers == 0, np.int64(1), integers & -integers)
    trailing = np.log2(lowest_set.astype(np.float64)).astype(np.int64)
    needed = np.where(integers == 0, np.int64(_ALL_ZERO), _SIGNIFICAND_BITS - exponent - trailing)
    fraction_bits = int(needed.max(initial=_ALL_ZERO))
    if fraction_bits == _ALL_ZERO:
        return np.zeros(values.shape, np.int64), 0
    top = int((exponent + fraction_bits)[integers != 0].max())
    if top <= CODE_BITS:
        return np.ldexp(wide, fraction_bits).astype(np.int64), fraction_bits
    shifts = np.where(integers == 0, 0, exponent + fraction_bits - _SIGNIFICAND_BITS)
    odd = (integers >> np.maximum(-shifts, 0)).astype(object)  # the bits shifted out are zeros
    return odd << np.maximum(shifts, 0).astype(object), fraction_bits


def integer_array(codes: Sequence[int]) -> np.ndarray:
    """Codes as an array of int64, or of Python integers where one exceeds 62 bits."""
    return np.array(codes, object if any(abs(code) >> CODE_BITS for code in codes) else np.int64)


def narrow(codes: np.ndarray) -> np.ndarray:
    """The same integers in the smallest signed type that holds them, so that large networks stay small in memory.

    Python integers (the dtype object) are left where one exceeds 62 bits.
    """
    low, high = int(codes.min(initial=0)), int(codes.max(initial=0))
    for kind in (np.int8, np.int16, np.int32):
        info = np.iinfo(kind)
        if info.min <= low and high <= info.max:
            return codes.astype(kind)
    return codes if max(-low, high) >> CODE_BITS else codes.astype(np.int64)
