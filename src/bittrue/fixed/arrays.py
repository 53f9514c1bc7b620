"""Parameters as integer arrays: torch's quantizer applied piece by piece, so that large weights stay small in
memory."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from bittrue.errors import CarrierError
from bittrue.fixed import integers
from bittrue.fixed.dyadic import CODE_BITS, narrow
from bittrue.fixed.format import Overflow, Quantizer
from bittrue.fixed.tensor import apply_overflow_, count_overflows, extremes, quantize, scale_and_round_

_PIECE = 1 << 17
"""Numbers handled at once: what is made of them on the way stays in the processor's cache."""

_FLOAT32_BITS = 23
"""A float32 below two to this, times two, rounded to an integer, is exact, and so is each step to it."""

_BEYOND = 1 << 24
_SATURATING = (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC)

_SUMMED_IN = ((8, torch.float32, 24), (40, torch.float64, 53), (62, torch.int64, 62))
"""Types to add codes in, fastest first: up to which code length, and the bits that a sum may have."""


def quantize_array(values: np.ndarray, quantizers: Sequence[Quantizer]) -> tuple[np.ndarray, int]:
    """The codes of trained values, in the smallest integer type that holds them, and how many overflowed.

    values: float32 or float64 of any shape. quantizers: one for all, or one for each index of the last axis.
    Codes of more than 62 bits are Python integers in an array of the dtype object.
    """
    if len(set(quantizers)) == 1:
        return _quantize_flat(values, quantizers[0])
    columns = values.reshape(-1, values.shape[-1])
    codes, overflows, apart = _quantize_columns(columns, quantizers)
    parts = {channel: _quantize_flat(columns[:, channel], quantizers[channel]) for channel in apart}
    joined = codes.astype(np.result_type(codes, *(part for part, _ in parts.values())), copy=False)
    for channel, (part, outside) in parts.items():
        joined[:, channel] = part
        overflows += outside
    return joined.reshape(values.shape), overflows


def _quantize_columns(columns: np.ndarray, quantizers: Sequence[Quantizer]) -> tuple[np.ndarray, int, list[int]]:
    """The codes of all columns together, how many overflowed, and the columns that aren't in it, which hold zeros:
    those for which float32 is too short, whose rounding mode is another, and that overflow otherwise than by
    saturation."""
    rounding = quantizers[0].rounding
    largest = np.maximum(columns.max(0, initial=0), -columns.min(0, initial=0)).tolist()
    together = np.array(
        [
            columns.dtype == np.float32 and quantizer.rounding is rounding and _is_small(most, quantizer)
            for most, quantizer in zip(largest, quantizers, strict=True)
        ]
    )
    scales = [each.format.fraction_bits if own else 0 for each, own in zip(quantizers, together, strict=True)]
    factors = torch.exp2(torch.tensor(scales, dtype=torch.float32))
    # No code reaches 2^24 here, so that a limit beyond is none.
    least = torch.tensor([max(quantizer.min_code, -_BEYOND) for quantizer in quantizers], dtype=torch.float32)
    most = torch.tensor([min(quantizer.max_code, _BEYOND) for quantizer in quantizers], dtype=torch.float32)
    outside = torch.zeros(len(quantizers), dtype=torch.int64)
    pieces = []
    rows = max(_PIECE // len(quantizers), 1)
    for start in range(0, max(len(columns), 1), rows):
        codes = scale_and_round_(torch.from_numpy(columns[start : start + rows]).float() * factors, 0, rounding)
        codes[:, torch.from_numpy(~together)] = 0
        held = torch.clamp(codes, least, most)
        if not torch.equal(codes, held):
            outside += (codes != held).sum(0)
        pieces.append(_narrowed(held))
    counts = outside.numpy()
    together &= (counts == 0) | np.array([quantizer.overflow in _SATURATING for quantizer in quantizers])
    widest = np.result_type(*pieces)
    joined = np.concatenate([piece.astype(widest, copy=False) for piece in pieces])
    if not together.all():
        joined[:, ~together] = 0
        joined = narrow(joined)
    return joined, int(counts[together].sum()), np.flatnonzero(~together).tolist()


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
    if piece.dtype == torch.float32 and _is_small(max(map(abs, extremes(piece))), quantizer):
        small = scale_and_round_(piece, quantizer.format.fraction_bits, quantizer.rounding)
        outside = count_overflows(small, quantizer)
        return _narrowed(apply_overflow_(small.double(), quantizer) if outside else small), outside
    try:
        codes = quantize(piece, Quantizer(quantizer.format, quantizer.rounding, Overflow.UNBOUNDED))
        outside = count_overflows(codes, quantizer)
        if outside:
            codes = quantize(piece, quantizer)
    except CarrierError:  # a code that float64 doesn't hold
        return _quantize_wide(values, quantizer)
    if codes.numel() and float(codes.abs().max()) >= 2.0**CODE_BITS:
        return _quantize_wide(values, quantizer)
    return _narrowed(codes), outside


def _is_small(largest: float, quantizer: Quantizer) -> bool:
    """Whether float32 has room for all that is computed on the way to the codes of float32 values up to `largest`."""
    bits = quantizer.format.fraction_bits
    return math.isfinite(largest) and 0 <= bits <= 100 and math.frexp(largest)[1] + bits <= _FLOAT32_BITS


def _narrowed(codes: torch.Tensor) -> np.ndarray:
    """Codes of at most 62 bits from any carrier, as `narrow` has them."""
    low, high = extremes(codes)
    for kind in (torch.int8, torch.int16, torch.int32):
        if torch.iinfo(kind).min <= low and high <= torch.iinfo(kind).max:
            return codes.to(kind).numpy()
    return codes.to(torch.int64).numpy()


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
