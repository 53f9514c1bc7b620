"""Which input positions stand under a window that slides over the spatial axes."""

from collections.abc import Sequence
from itertools import product

Taps = list[int | None]
"""The flat spatial positions under one window in row-major order; None where it covers padding."""


def slide(
    spatial: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
) -> tuple[tuple[int, ...], list[Taps]]:
    """The output's spatial shape, and the taps of each output position in row-major order.

    All arguments have one entry a spatial axis. Tap k of output p lies at p·stride + k·dilation − padding before.
    """
    axes = [_slide_axis(*axis) for axis in zip(spatial, window, strides, padding, dilation, strict=True)]
    taps = [[_flat(tap, spatial) for tap in product(*position)] for position in product(*axes)]
    return tuple(len(axis) for axis in axes), taps


def pooled_shape(spatial: tuple[int, ...], channels: int, claimed: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a pooling's result; it may leave out axes of size 1, as `claimed` does."""
    whole = (*spatial, channels)
    return claimed if _without_ones(claimed) == _without_ones(whole) else whole


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]


def _slide_axis(size: int, window: int, stride: int, padding: tuple[int, int], dilation: int) -> list[Taps]:
    before, after = padding
    positions = (before + size + after - dilation * (window - 1) - 1) // stride + 1
    reach = [[p * stride + k * dilation - before for k in range(window)] for p in range(positions)]
    return [[tap if 0 <= tap < size else None for tap in taps] for taps in reach]


def _flat(tap: tuple[int | None, ...], spatial: Sequence[int]) -> int | None:
    flat = 0
    for position, size in zip(tap, spatial, strict=True):
        if position is None:
            return None
        flat = flat * size + position
    return flat
