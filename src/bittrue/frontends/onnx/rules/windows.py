"""ONNX's pooling, and the geometry of windows: kernel, strides, dilation, pads and auto_pad."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import prod

from bittrue.errors import ModelError
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import NodeUse, Rule, Tensor, Value
from bittrue.frontends.onnx.layout import Layout
from bittrue.frontends.onnx.lookahead import feeds_an_image
from bittrue.frontends.onnx.rows import OnnxOperator, Table
from bittrue.network import Operator, format_shape
from bittrue.operators import (
    AdaptiveAveragePooling,
    AdaptiveMaxPooling,
    AveragePooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    MaxPooling,
)
from bittrue.shapes import Padding, Shape

DOMAIN = "bittrue"
"""Of the operators that `frontends.torch` has the exporter write where ONNX has none."""

DIVISOR = "divisor"
"""The attribute by which its AveragePool differs from ONNX's: what a window's sum is divided by."""

MAXIMUM_POSITIONS = 1 << 24
"""Of a window over an image; a description with more is damaged or hostile."""


@dataclass(frozen=True)
class Window:
    """One entry a spatial axis."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Padding

    def without(self, axis: int) -> "Window":
        """The window over the other axis of two."""
        own = slice(1 - axis, 2 - axis)
        return Window(self.size[own], self.strides[own], self.dilation[own], self.padding[own])


def window(use: NodeUse, size: tuple[int, ...]) -> Window:
    """The window of a convolution or a pooling node over the image that it reads first."""
    node, spatial = use.node, use.tensor(0).shape[2:]
    axes = len(size)
    if len(spatial) != axes:
        raise ModelError(
            f"a window of {format_shape(size)} can't move over an input of {format_shape(use.tensor(0).shape)}"
        )
    ones = (1,) * axes
    strides = node.integers("strides", ()) or ones
    dilation = node.integers("dilations", ()) or ones
    pads = node.integers("pads", ()) or (0,) * (2 * axes)
    stated = node.integers("kernel_shape", size)
    if {len(strides), len(dilation)} != {axes} or len(pads) != 2 * axes or stated != size:
        raise ModelError("its strides, dilations, pads and kernel shape don't fit each other: export the model again")
    if min((*size, *strides, *dilation)) < 1 or min(pads) < 0:
        raise ModelError("its strides, dilations and kernel shape must be positive, and its pads not negative")
    padding = tuple(zip(pads[:axes], pads[axes:], strict=True))
    automatic = node.text("auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        totals = (same_padding(*axis) for axis in zip(spatial, size, strides, dilation, strict=True))
        upper = automatic == "SAME_UPPER"
        padding = tuple((total // 2, -(-total // 2)) if upper else (-(-total // 2), total // 2) for total in totals)
    elif automatic == "VALID":
        padding = ((0, 0),) * axes
    elif automatic != "NOTSET":
        raise ModelError(f"its auto_pad {automatic!r} is unknown: export the model again")
    reaches = zip(spatial, size, strides, dilation, padding, strict=True)
    positions = [(whole + sum(pads) - step * (reach - 1)) // stride for whole, reach, stride, step, pads in reaches]
    if prod(max(count, 1) for count in positions) > MAXIMUM_POSITIONS:
        raise ModelError(
            f"{format_shape(tuple(positions))} is more than one image's values can be: export the model again"
        )
    return Window(size, strides, dilation, padding)


def same_padding(size: int, window: int, stride: int, dilation: int) -> int:
    """The zeros that make ⌈size / stride⌉ windows fit."""
    last_start = (-(-size // stride) - 1) * stride
    return max(last_start + (window - 1) * dilation + 1 - size, 0)


def channels_last(use: NodeUse, x: Tensor) -> Tensor:
    """An image (1, channels, *spatial) as the network has it. Raises: ModelError where it is no single image."""
    rank = len(x.shape)
    if rank not in (3, 4) or x.shape[0] != 1:
        raise ModelError(
            f"an input of {format_shape(x.shape)} is no image of one or two spatial axes: reshape it to "
            "one; over a third axis pool afterwards"
        )
    return use.in_file_order(x, (*range(2, rank), 1))


def image_layout(shape: Shape) -> Layout:
    """The layout of an image of the network's shape (*spatial, channels)."""
    rank = len(shape) + 1
    return Layout.of_axes((1, shape[-1], *shape[:-1]), (*range(2, rank), 1))


def added_axis(x: Tensor, geometry: Window) -> int | None:
    """Which of two spatial axes was added to steps of vectors, as tf2onnx does for layers of one dimension; None where
    the value is an image, or the window isn't 1 there."""
    for added in (0, 1) if len(x.shape) == 4 else ():
        steps = x.layout.axes == (x.layout.atoms(3 - added), x.layout.atoms(1))
        if steps and x.shape[2 + added] == 1 and geometry.size[added] == 1 and geometry.padding[added] == (0, 0):
            return added
    return None


def steps_layout(shape: Shape, added: int) -> Layout:
    """The layout of steps of vectors (steps, channels) with the file's spatial axis `added` of size 1."""
    steps, channels = shape
    return Layout.of_axes((1, channels, *((1, steps) if added == 0 else (steps, 1))), (3 - added, 1))


def _pool(use: NodeUse, operator: Operator) -> Tensor:
    number = use.add(operator, channels_last(use, use.tensor(0)))
    return Tensor(number, image_layout(use.shape_of(number)))


def _pool_windows(use: NodeUse, operator: Callable[[Window], Operator], geometry: Window) -> Tensor:
    """The pooling that `operator` makes of a window, over an image or over steps."""
    x = use.tensor(0)
    added = added_axis(x, geometry)
    if added is not None:
        number = use.add(operator(geometry.without(added)), x)
        return Tensor(number, steps_layout(use.shape_of(number), added))
    return _pool(use, operator(geometry))


def _kernel(use: NodeUse) -> tuple[int, ...]:
    size = use.node.integers("kernel_shape", ())
    if not size:
        raise ModelError("it has no kernel shape: export the model again")
    return size


def _max_pool(use: NodeUse) -> Value:
    if len(use.node.outputs) > 1 and use.node.outputs[1]:
        raise ModelError("its second output, the places of the maxima, is not supported: leave out what reads it")
    geometry = window(use, _kernel(use))
    edges = use.conversion.edges.get(use.node.inputs[0])
    if edges is not None:
        geometry = replace(geometry, padding=_with_edges(use, geometry, edges))
    ceil = _reaches_beyond(use, geometry)

    def operator(geometry: Window) -> Operator:
        places = geometry.size, geometry.strides, geometry.padding
        return MaxPooling(*places, dilation=geometry.dilation, ceil_mode=ceil)

    return _pool_windows(use, operator, geometry)


def _with_edges(use: NodeUse, geometry: Window, edges: Padding) -> Padding:
    """The padding where the input's edges are repeated before. Raises: ModelError where that is no padding alone."""
    plain = use.node.text("auto_pad", "NOTSET") in ("NOTSET", "VALID") and not any(map(any, geometry.padding))
    inside = all(max(pads) < size for pads, size in zip(edges, geometry.size, strict=True))
    if not plain or not inside or set(geometry.dilation) != {1}:
        raise ModelError(
            "its input's edges are repeated, which is not supported with pads or dilation of its own: "
            "concatenate slices of its edges"
        )
    return edges


def _average_pool(use: NodeUse) -> Value:
    ceil = _reaches_beyond(use, window(use, _kernel(use)))
    divisor = use.node.integer(DIVISOR, 0) if use.node.domain == DOMAIN else None
    if divisor is not None and not 1 <= divisor <= MAXIMUM_POSITIONS:
        raise ModelError(f"it divides by {divisor}, which is not supported: use 1 to {MAXIMUM_POSITIONS:,}")

    def operator(geometry: Window) -> Operator:
        count = bool(use.node.integer("count_include_pad", 0)) and any(map(any, geometry.padding))
        places = geometry.size, geometry.strides, geometry.padding, count
        return AveragePooling(*places, dilation=geometry.dilation, ceil_mode=ceil, divisor=divisor)

    return _pool_windows(use, operator, window(use, _kernel(use)))


def _reaches_beyond(use: NodeUse, geometry: Window) -> bool:
    """Whether the node rounds the number of windows up, and not to a whole number anyway."""
    axes = zip(
        use.tensor(0).shape[2:], geometry.size, geometry.strides, geometry.dilation, geometry.padding, strict=True
    )
    rest = [(size + sum(pads) - step * (reach - 1) - 1) % stride for size, reach, stride, step, pads in axes]
    return bool(use.node.integer("ceil_mode", 0)) and any(rest)


def pooled(use: NodeUse, x: Tensor, kind: type[GlobalAveragePooling] | type[GlobalMaxPooling], shape: Shape) -> Tensor:
    """All spatial axes of an image pooled to one value a channel; `shape`: the file's result."""
    keepdims = feeds_an_image(use)
    number = use.add(kind(keepdims), x)
    channels = ((0,),) if x.shape[1] != 1 else ((),)
    axes = (*((),) * (len(x.layout.axes) - 1), *channels) if keepdims else channels
    return Tensor(number, Layout(shape, tuple(size for size in shape if size != 1), axes))


def _adaptive(
    use: NodeUse,
    whole: type[GlobalAveragePooling] | type[GlobalMaxPooling],
    even: type[AveragePooling] | type[MaxPooling],
    uneven: type[AdaptiveAveragePooling] | type[AdaptiveMaxPooling],
) -> Value:
    """Windows that cover the image in `output_size` steps: all of it, equal ones, or PyTorch's, which overlap."""
    x = channels_last(use, use.tensor(0))
    spatial, output_size = x.shape[2:], use.node.integers("output_size", ())
    if len(output_size) != len(spatial) or min(output_size) < 1:
        raise ModelError(f"its output size {output_size} doesn't fit an image of {format_shape(spatial)}")
    if set(output_size) == {1}:
        return pooled(use, x, whole, (*x.shape[:2], *output_size))
    if any(size % count for size, count in zip(spatial, output_size, strict=True)):
        return _pool(use, uneven(output_size))
    window = tuple(size // count for size, count in zip(spatial, output_size, strict=True))
    return _pool(use, even(window, window, ((0, 0),) * len(window)))


def _windows(rule: Rule) -> OnnxOperator:
    return OnnxOperator(rule, axes=Axes.IMAGE)


PYTORCH_OPERATORS: Table = {
    "AdaptiveAveragePool": _windows(
        partial(_adaptive, whole=GlobalAveragePooling, even=AveragePooling, uneven=AdaptiveAveragePooling)
    ),
    "AveragePool": _windows(_average_pool),
    "AdaptiveMaxPool": _windows(partial(_adaptive, whole=GlobalMaxPooling, even=MaxPooling, uneven=AdaptiveMaxPooling)),
}

OPERATORS: Table = {
    "AveragePool": _windows(_average_pool),
    "MaxPool": _windows(_max_pool),
}
