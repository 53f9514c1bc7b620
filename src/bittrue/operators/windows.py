"""Geometry of windows over spatial axes, and torch's kernels for them on channels-last tensors."""

import numpy as np
import torch
from torch.nn import functional

from bittrue.errors import ModelError
from bittrue.network import format_shape
from bittrue.shapes import Padding, Shape


def window_shape(
    shape: Shape, window: tuple[int, ...], strides: tuple[int, ...], padding: Padding, dilation: tuple[int, ...]
) -> Shape:
    """The spatial shape of the output; raises ModelError where a window doesn't fit."""
    if len(shape) != len(window):
        raise ModelError(f"a window of {format_shape(window)} can't move over an input of {format_shape(shape)}.")
    sizes = []
    for size, reach, stride, (before, after), step in zip(shape, window, strides, padding, dilation, strict=True):
        positions = (size + before + after - step * (reach - 1) - 1) // stride + 1
        if positions < 1:
            raise ModelError(f"a window of {format_shape(window)} doesn't fit into an input of {format_shape(shape)}.")
        sizes.append(positions)
    return tuple(sizes)


def window_counts(shape: Shape, window: tuple[int, ...], strides: tuple[int, ...], padding: Padding) -> np.ndarray:
    """For each output position, how many of its window's positions lie inside the input (B10)."""
    ones = (1,) * len(window)
    counts = np.ones((), np.int64)
    for size, reach, stride, pad, positions in zip(
        shape, window, strides, padding, window_shape(shape, window, strides, padding, ones), strict=True
    ):
        start = np.arange(positions) * stride - pad[0]
        inside = np.minimum(start + reach, size) - np.maximum(start, 0)
        counts = np.multiply.outer(counts, np.maximum(inside, 0))
    return counts


def channels_first(x: torch.Tensor) -> torch.Tensor:
    """A channels-first view of a channels-last tensor; torch calls its layout channels_last, and no copy is made."""
    return x.movedim(-1, 1)


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """The inverse view."""
    return x.movedim(1, -1)


def convolution_weight(weight: torch.Tensor) -> torch.Tensor:
    """(*kernel, in, out) → torch's (out, in, *kernel), in the memory layout that its channels-last kernels want."""
    rank = weight.dim() - 2
    moved = weight.permute(rank + 1, rank, *range(rank))
    return moved.contiguous(memory_format=torch.channels_last) if rank == 2 else moved.contiguous()


def pad_spatial(x: torch.Tensor, padding: Padding, value: float = 0.0) -> torch.Tensor:
    """A channels-first tensor padded on its spatial axes."""
    flat = [size for pair in reversed(padding) for size in pair]
    return functional.pad(x, flat, value=value) if any(flat) else x


def convolve(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
) -> torch.Tensor:
    """Convolution of a channels-last tensor with a weight from `convolution_weight`; the result is channels last."""
    first = channels_first(x)
    symmetric = all(before == after for before, after in padding)
    if not symmetric:
        first = pad_spatial(first, padding)
    amount = [before for before, _ in padding] if symmetric else 0
    kernel = functional.conv2d if len(strides) == 2 else functional.conv1d
    return channels_last(kernel(first, weight, bias, strides, amount, dilation, groups))


def window_maximum(
    x: torch.Tensor, window: tuple[int, ...], strides: tuple[int, ...], padding: Padding
) -> torch.Tensor:
    """Maxima of a channels-last float tensor; padded positions take no part."""
    first = pad_spatial(channels_first(x), padding, float("-inf"))
    kernel = functional.max_pool2d if len(window) == 2 else functional.max_pool1d
    return channels_last(kernel(first, window, strides))


def window_sum(x: torch.Tensor, window: tuple[int, ...], strides: tuple[int, ...], padding: Padding) -> torch.Tensor:
    """Sums over windows of a channels-last tensor, padded positions counting 0; every partial sum is one of the
    window's."""
    padded = x
    for axis, (before, after) in enumerate(padding, start=1):
        if before or after:
            shape = list(padded.shape)
            shape[axis] += before + after
            wider = padded.new_zeros(shape)
            wider.narrow(axis, before, padded.shape[axis]).copy_(padded)
            padded = wider
    for axis, (reach, stride) in enumerate(zip(window, strides, strict=True), start=1):
        if reach == padded.shape[axis]:
            padded = padded.sum(axis, keepdim=True, dtype=padded.dtype)
            continue
        positions = (padded.shape[axis] - reach) // stride + 1
        total = padded.narrow(axis, 0, positions * stride - stride + 1)[_stepped(axis, stride)].clone()
        for offset in range(1, reach):
            total += padded.narrow(axis, offset, positions * stride - stride + 1)[_stepped(axis, stride)]
        padded = total
    return padded


def _stepped(axis: int, stride: int) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(None, None, stride),)
