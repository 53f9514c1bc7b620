"""Parameters as integer arrays: torch's quantizer applied piece by piece, so that large weights stay small in
memory."""

from collections.abc import Sequence

import numpy as np
import torch

from bittrue.errors import CarrierError
from bittrue.fixed import integers
from bittrue.fixed.dyadic import CODE_BITS, narrow
from bittrue.fixed.format import Overflow, Quantizer
from bittrue.fixed.tensor import count_overflows, quantize

_PIECE = 1 << 22
"""Numbers quantized at once: 32 MiB of float64 codes."""

_SUMMED_IN = ((8, torch.float32, 24), (40, torch.float64, 53), (62, torch.int64, 62))
"""Types to add codes in, fastest first: up to which code length, and the bits that a sum may have."""


def quantize_array(values: np.ndarray, quantizers: Sequence[Quantizer]) -> tuple[np.ndarray, int]:
    """The codes of trained values, in the smallest integer type that holds them, and how many overflowed.

    values: float32 or float64 of any shape. quantizers: one for all, or one for each index of the last axis.
    Codes of more than 62 bits are Python integers in an array of the dtype object.
    """
    if len(quantizers) == 1:
        return _quantize_flat(values, quantizers[0])
    parts = [_quantize_flat(values[..., channel], quantizer) for channel, quantizer in enumerate(quantizers)]
    return np.stack([codes for codes, _ in parts], axis=-1), sum(overflows for _, overflows in parts)


def _quantize_flat(values: np.ndarray, quantizer: Quantizer) -> tuple[np.ndarray, int]:
    flat = np.ascontiguousarray(values).reshape(-1)
    pieces, overflows = [], 0
    for start in range(0, max(flat.size, 1), _PIECE):
        codes, outside = _quantize_piece(flat[start : start + _PIECE], quantizer)
        pieces.append(codes)
        overflows += outside
    widest = np.result_type(*pieces)
    return np.concatenate([piece.astype(widest, copy=False) for piece in pieces]).reshape(values.shape), overflows


def _quantize_piece(values: np.ndarray, quantizer: Quantizer) -> tuple[np.ndarray, int]:
    piece = torch.tensor(values)
    try:
        codes = quantize(piece, Quantizer(quantizer.format, quantizer.rounding, Overflow.UNBOUNDED))
        outside = count_overflows(codes, quantizer)
        if outside:
            codes = quantize(piece, quantizer)
    except CarrierError:  # a code that float64 doesn't hold
        return _quantize_wide(values, quantizer)
    if codes.numel() and float(codes.abs().max()) >= 2.0**CODE_BITS:
        return _quantize_wide(values, quantizer)
    return narrow(codes.to(torch.int64).numpy()), outside


def _quantize_wide(values: np.ndarray, quantizer: Quantizer) -> tuple[np.ndarray, int]:
    codes = integers.quantize_reals(values, quantizer.format.fraction_bits, quantizer.rounding)
    outside = integers.count_overflows(codes, quantizer)
    return narrow(integers.apply_overflow(codes, quantizer)), outside


def signed_sums(codes: np.ndarray) -> tuple[list[int], list[int]]:
    """For each index of the last axis the sum of the positive codes and that of the negative ones' absolute values."""
    columns = codes.reshape(-1, codes.shape[-1])
    largest = max(-int(columns.min(initial=0)), int(columns.max(initial=0)))
    if largest * len(columns) >= 1 << 62:
        channels = columns.T.tolist()
        above = [sum(code for code in channel if code > 0) for channel in channels]
        return above, [-sum(code for code in channel if code < 0) for channel in channels]
    kind, bits = next((kind, bits) for longest, kind, bits in _SUMMED_IN if largest < 1 << longest)
    # Of this many rows every sum is a number that the type holds exactly.
    rows = max(min(_PIECE // columns.shape[1], (1 << bits) // max(largest, 1)), 1)
    magnitudes, total = np.zeros((2, columns.shape[1]), np.int64)
    for start in range(0, len(columns), rows):
        piece = torch.from_numpy(columns[start : start + rows]).to(kind)
        total += piece.sum(0).to(torch.int64).numpy()
        magnitudes += piece.abs().sum(0).to(torch.int64).numpy()
    return ((magnitudes + total) // 2).tolist(), ((magnitudes - total) // 2).tolist()
