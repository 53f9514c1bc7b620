"""Bilinear resize with the bits of `tf.image.resize` (rule B11).

Half-pixel centres, no antialiasing. Every operation is one NumPy ufunc on float32, so each result is rounded to float32
and no multiplication is fused with an addition. Source: TensorFlow's resize_bilinear_op.cc (HalfPixelScaler,
compute_lerp).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Taps(NamedTuple):
    """For each output position along one axis: the two source positions and the float32 weight of the second."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    lerp: NDArray[np.float32]


@lru_cache(maxsize=64)
def taps(source: int, target: int) -> Taps:
    """Where each of `target` positions reads among `source` positions, computed in float32."""
    half = np.float32(0.5)
    position = (np.arange(target, dtype=np.float32) + half) * (np.float32(source) / np.float32(target)) - half
    floor = np.floor(position)
    found = Taps(
        low=np.maximum(floor, 0).astype(np.intp),
        high=np.minimum(np.ceil(position), source - 1).astype(np.intp),
        lerp=position - floor,
    )
    for array in found:
        array.flags.writeable = False  # shared by every caller through the cache
    return found


def resize_bilinear(images: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize `images` (N, H, W, C) to (N, `height`, `width`, C).

    Along the width first, then down, as B11 has it. A source row is interpolated along the width once, not once for
    every output row that reads it: the same operands give the same bits. Images of the asked size are returned as they
    are.
    """
    count, source_height, source_width, channels = images.shape
    if (source_height, source_width) == (height, width):
        return images
    columns, rows = taps(source_width, width), taps(source_height, height)
    result = np.empty((count, height, width * channels), np.float32)
    bottom = np.empty((height, width * channels), np.float32)
    # One image at a time: its few buffers stay in the processor's cache.
    for image, top in zip(images, result, strict=True):
        left = image.take(columns.low, axis=1)
        across = image.take(columns.high, axis=1)
        across -= left
        across *= columns.lerp[:, None]
        across += left
        lines = across.reshape(source_height, width * channels)
        # mode="clip" only spares take() a buffer: no index is out of range.
        lines.take(rows.low, axis=0, out=top, mode="clip")
        lines.take(rows.high, axis=0, out=bottom, mode="clip")
        bottom -= top
        bottom *= rows.lerp[:, None]
        top += bottom
    return result.reshape(count, height, width, channels)
