"""Parameters as integer arrays: torch's quantizer applied piece by piece, so that large weights stay small in
memory."""

from collections.abc import Sequence

import numpy as np
import torch

from bittrue.errors import CarrierError
from bittrue.fixed.dyadic import CODE_BITS, narrow
from bittrue.fixed.format import Overflow, Quantizer
from bittrue.fixed.tensor import count_overflows, quantize

_PIECE = 1 << 22
"""Numbers quantized at once: 32 MiB of float64 codes."""


def quantize_array(values: np.ndarray, quantizers: Sequence[Quantizer]) -> tuple[np.ndarray, int]:
    """The codes of trained values, in the smallest integer type that holds them, and how many overflowed.

    values: float32 or float64 of any shape. quantizers: one for all, or one for each index of the last axis.
    Raises CarrierError where an unbounded code exceeds 62 bits.
    """
    if len(quantizers) == 1:
        return _quantize_flat(values, quantizers[0])
    codes = np.empty(values.shape, np.int64)
    overflows = 0
    for channel, quantizer in enumerate(quantizers):
        codes[..., channel], count = _quantize_flat(values[..., channel], quantizer)
        overflows += count
    return narrow(codes), overflows


def _quantize_flat(values: np.ndarray, quantizer: Quantizer) -> tuple[np.ndarray, int]:
    flat = np.ascontiguousarray(values).reshape(-1)
    unlimited = Quantizer(quantizer.format, quantizer.rounding, Overflow.UNBOUNDED)
    pieces, overflows = [], 0
    for start in range(0, max(flat.size, 1), _PIECE):
        piece = torch.tensor(flat[start : start + _PIECE])
        codes = quantize(piece, unlimited)
        outside = count_overflows(codes, quantizer)
        if outside:
            overflows += outside
            codes = quantize(piece, quantizer)
        if codes.numel() and float(codes.abs().max()) >= 2.0**CODE_BITS:
            raise CarrierError(f"a code needs more than {CODE_BITS} bits; give the site fewer fraction bits.")
        pieces.append(narrow(codes.to(torch.int64).numpy()))
    widest = np.result_type(*pieces)
    return np.concatenate([piece.astype(widest, copy=False) for piece in pieces]).reshape(values.shape), overflows
