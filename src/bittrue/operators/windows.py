"""Geometry of windows over spatial axes, and torch's kernels for them on channels-last tensors."""

from collections.abc import Callable

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


def ceiled_padding(
    shape: Shape, window: tuple[int, ...], strides: tuple[int, ...], padding: Padding, dilation: tuple[int, ...]
) -> Padding:
    """The padding with which windows reach every position, as the ceil_mode of ONNX and PyTorch has it.

    The last window on an axis may hang over the end, but starts inside the input or in the padding before it.
    """
    padded = []
    for size, reach, stride, (before, after), step in zip(shape, window, strides, padding, dilation, strict=True):
        span = step * (reach - 1) + 1
        positions = -(-(size + before + after - span) // stride) + 1
        if (positions - 1) * stride >= size + before:
            positions -= 1
        padded.append((before, max((positions - 1) * stride + span - size - before, 0)))
    return tuple(padded)


def window_counts(
    shape: Shape,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    margin: Padding | None = None,
) -> np.ndarray:
    """For each output position, how many of its window's positions lie inside the input (B10), or in the `margin`
    around it."""
    counts = np.ones((), np.int64)
    sizes = window_shape(shape, window, strides, padding, dilation)
    margins = margin or ((0, 0),) * len(window)
    for size, reach, stride, (before, _), step, (left, right), positions in zip(
        shape, window, strides, padding, dilation, margins, sizes, strict=True
    ):
        start = np.arange(positions) * stride - before
        first = np.maximum(-((start + left) // step), 0)  # the first and the last tap that lie inside
        last = np.minimum((size + right - 1 - start) // step, reach - 1)
        counts = np.multiply.outer(counts, np.maximum(last - first + 1, 0))
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


def transposed_weight(weight: torch.Tensor, groups: int) -> torch.Tensor:
    """(*kernel, in / groups, out) → torch's (in, out / groups, *kernel) for transposed convolutions."""
    *kernel, per_group, out = weight.shape
    rank = len(kernel)
    split = weight.reshape(*kernel, per_group, groups, out // groups)
    moved = split.permute(rank + 1, rank, rank + 2, *range(rank))
    return moved.reshape(per_group * groups, out // groups, *kernel)


def convolve_transposed(
    x: torch.Tensor, weight: torch.Tensor, strides: tuple[int, ...], dilation: tuple[int, ...], groups: int
) -> torch.Tensor:
    """The full transposed convolution of a channels-last tensor with a weight from `transposed_weight`; the result is
    channels last."""
    kernel = functional.conv_transpose2d if len(strides) == 2 else functional.conv_transpose1d
    return channels_last(kernel(channels_first(x), weight, None, strides, 0, 0, groups, dilation))


def window_extremum(
    x: torch.Tensor,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    *,
    minimum: bool = False,
) -> torch.Tensor:
    """Maxima, or minima, over windows of a channels-last tensor; padded positions take no part."""
    if tuple(x.shape[1:-1]) == window and not any(map(any, padding)):
        axes = tuple(range(1, x.dim() - 1))
        return x.amin(axes, keepdim=True) if minimum else x.amax(axes, keepdim=True)
    if x.is_floating_point() and len(window) <= 2 and not minimum:
        first = pad_spatial(channels_first(x), padding, float("-inf"))
        kernel = functional.max_pool2d if len(window) == 2 else functional.max_pool1d
        return channels_last(kernel(first, window, strides, 0, dilation))
    limits = torch.finfo(x.dtype) if x.is_floating_point() else torch.iinfo(x.dtype)
    padded = _padded(x, padding, limits.max if minimum else limits.min)
    return _by_axis(padded, window, strides, dilation, torch.minimum if minimum else torch.maximum)


def window_sum(
    x: torch.Tensor,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
) -> torch.Tensor:
    """Sums over windows of a channels-last tensor, padded positions counting 0; every partial sum is one of the
    window's."""
    return _by_axis(_padded(x, padding, 0), window, strides, dilation, torch.add)


def window_rows(
    x: torch.Tensor,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
) -> torch.Tensor:
    """The numbers of each window of a channels-last tensor in a row, row-major over the window, with 0 in the padding:
    (batch, *positions, channels, taps)."""
    x = _padded(x, padding, 0)
    for axis, (reach, stride, step) in enumerate(zip(window, strides, dilation, strict=True), start=1):
        x = x.unfold(axis, step * (reach - 1) + 1, stride)[..., ::step]
    return x.flatten(len(window) + 2)


def _padded(x: torch.Tensor, padding: Padding, value: float) -> torch.Tensor:
    for axis, (before, after) in enumerate(padding, start=1):
        if before or after:
            shape = list(x.shape)
            shape[axis] += before + after
            wider = x.new_full(shape, value)
            wider.narrow(axis, before, x.shape[axis]).copy_(x)
            x = wider
    return x


def _by_axis(
    x: torch.Tensor,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    combine: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """What `combine` makes of each window, one axis after the other; x is padded, and never written to."""
    for axis, (reach, stride, step) in enumerate(zip(window, strides, dilation, strict=True), start=1):
        if reach == 1 and stride == 1:
            continue
        if reach == x.shape[axis]:
            x = _WHOLE[combine](x, axis)
            continue
        positions = (x.shape[axis] - step * (reach - 1) - 1) // stride + 1
        span = (positions - 1) * stride + 1
        total = x.narrow(axis, 0, span)[_stepped(axis, stride)].clone()
        for tap in range(1, reach):
            combine(total, x.narrow(axis, tap * step, span)[_stepped(axis, stride)], out=total)
        x = total
    return x


_WHOLE: dict[Callable[..., torch.Tensor], Callable[[torch.Tensor, int], torch.Tensor]] = {
    torch.add: lambda x, axis: x.sum(axis, keepdim=True, dtype=x.dtype),
    torch.maximum: lambda x, axis: x.amax(axis, keepdim=True),
    torch.minimum: lambda x, axis: x.amin(axis, keepdim=True),
}
"""The same over all of one axis."""


def select(x: torch.Tensor, indices: tuple[tuple[int, ...] | None, ...]) -> torch.Tensor:
    """The places of a tensor (batch, *shape) that are read on each axis of the shape, and 0 where an index is −1."""
    for axis, read in enumerate(indices, start=1):
        if read is None:
            continue
        places = torch.tensor(read, dtype=torch.int64)
        inside = (places >= 0).nonzero().squeeze(-1)
        found = x.index_select(axis, places[inside])
        if len(inside) < len(read):
            shape = list(x.shape)
            shape[axis] = len(read)
            found = x.new_zeros(shape).index_copy_(axis, inside, found)
        x = found
    return x


def _stepped(axis: int, stride: int) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(None, None, stride),)
