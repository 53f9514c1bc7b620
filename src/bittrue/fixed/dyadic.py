"""Floating-point numbers as the exact dyadic numbers they are."""

import numpy as np

from bittrue.errors import CarrierError

CODE_BITS = 62
"""Codes of parameters are held in int64, with room for a sign and one addition."""


def exact_codes(values: np.ndarray, site: str) -> tuple[np.ndarray, int]:
    """The codes of all values under the fewest fraction bits F (possibly negative) that hold each of them exactly.

    Returns (int64 codes of the values' shape, F). Raises CarrierError that names `site` where a code exceeds 62 bits.
    """
    wide = values.astype(np.float64)
    mantissa, exponent = np.frexp(wide)
    integers = np.ldexp(mantissa, 53).astype(np.int64)
    lowest_set = np.where(integers == 0, np.int64(1), integers & -integers)
    trailing = np.log2(lowest_set.astype(np.float64)).astype(np.int64)
    needed = np.where(integers == 0, np.int64(-(1 << 20)), 53 - exponent - trailing)
    fraction_bits = int(needed.max(initial=-(1 << 20)))
    if fraction_bits == -(1 << 20):
        return np.zeros(values.shape, np.int64), 0
    top = int((exponent + fraction_bits).max())
    if top > CODE_BITS:
        raise CarrierError(
            f"site {site}: EXACT needs {top} bits a number, more than the {CODE_BITS} at hand; give the site a format."
        )
    return np.ldexp(wide, fraction_bits).astype(np.int64), fraction_bits


def narrow(codes: np.ndarray) -> np.ndarray:
    """The same integers in the smallest signed type that holds them, so that large networks stay small in memory."""
    low, high = int(codes.min(initial=0)), int(codes.max(initial=0))
    for kind in (np.int8, np.int16, np.int32):
        info = np.iinfo(kind)
        if info.min <= low and high <= info.max:
            return codes.astype(kind)
    return codes.astype(np.int64)
