"""Windows over arrays of Python integers."""

from collections.abc import Iterator

import numpy as np

from bittrue.operators.windows import window_shape
from bittrue.shapes import Padding

Sizes = tuple[int, ...]


def padded(x: np.ndarray, padding: Padding, fill: int) -> np.ndarray:
    # np.pad would fill in NumPy's integers, which overflow. Axes after those of `padding` have none.
    pairs = [*padding, *((0, 0) for _ in x.shape[1 + len(padding) :])]
    sizes = (size + before + after for size, (before, after) in zip(x.shape[1:], pairs, strict=True))
    padded = np.full((len(x), *sizes), fill, object)
    inner = (slice(before, before + size) for size, (before, _) in zip(x.shape[1:], pairs, strict=True))
    padded[(slice(None), *inner)] = x
    return padded


def taps(
    x: np.ndarray, window: Sizes, strides: Sizes, padding: Padding, dilation: Sizes, fill: int
) -> Iterator[np.ndarray]:
    """For each place in the window, in row-major order, the input under it at every position: (batch, *positions,
    channels); `fill` stands in the padding."""
    positions = window_shape(tuple(x.shape[1:-1]), window, strides, padding, dilation)
    around = padded(x, padding, fill)
    for place in np.ndindex(*window):
        reach = zip(place, dilation, strides, positions, strict=True)
        yield around[
            (
                slice(None),
                *(slice(k * step, k * step + (count - 1) * stride + 1, stride) for k, step, stride, count in reach),
            )
        ]
