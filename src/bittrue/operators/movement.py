"""Operators that move values: identity, reshape, transpose, slice, take, broadcast, pad, concatenate.

What reads its input at other addresses is an affine address generator, the instruction Move; places in any order are
the instruction Select.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import isfinite, prod

import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.broadcasting import broadcast_shape
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.operators.windows import channels_first, channels_last, pad_spatial
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.program import Bounds
from bittrue.program.bounds import hull
from bittrue.shapes import Padding, Shape


@dataclass(frozen=True, eq=False)
class Identity(Operator):
    """Passes its input on: dropout at inference, a linear activation."""


@dataclass(frozen=True, eq=False)
class Flatten(Operator):
    """All axes in one, row-major over (height, width, channels)."""


@dataclass(frozen=True, eq=False)
class Reshape(Operator):
    """The same values, row-major, in another shape (batch axis left out, no −1)."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Transpose(Operator):
    """Axis k of the output is axis axes[k] of the input; axes are counted without the batch axis, from 0."""

    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Slice(Operator):
    """x[…, start:end:step, …] along each of `axes`, with the meaning that Python gives to negative numbers and to ends
    beyond the axis. axes are counted without the batch axis, from 0."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    steps: tuple[int, ...]
    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Take(Operator):
    """The places `indices` of `axis`, in this order, each as often as it stands there; axes are counted without the
    batch axis, from 0."""

    indices: tuple[int, ...]
    axis: int


@dataclass(frozen=True, eq=False)
class Broadcast(Operator):
    """The input repeated to `shape` (batch axis left out), by NumPy's rules."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class ZeroPadding(Operator):
    """Zeros around the spatial axes: (before, after) for each."""

    padding: Padding


@dataclass(frozen=True, eq=False)
class Pad(Operator):
    """`value` around the input: (before, after) for each axis, channels included.

    The value is an exact number, which the output's quantizer rounds with the rest.
    """

    padding: Padding
    value: float = 0.0


@dataclass(frozen=True, eq=False)
class Concatenate(Operator):
    """Inputs one after the other along `axis`, counted without the batch axis, from 0."""

    axis: int


# Shapes


@shape_of.rule(Identity)
def _(operator: Identity, shapes: tuple[Shape, ...]) -> Shape:
    return shapes[0]


@shape_of.rule(Flatten)
def _(operator: Flatten, shapes: tuple[Shape, ...]) -> Shape:
    return (prod(shapes[0]),)


@shape_of.rule(Reshape)
def _(operator: Reshape, shapes: tuple[Shape, ...]) -> Shape:
    if prod(operator.shape) != prod(shapes[0]):
        raise ModelError(f"{format_shape(shapes[0])} can't be reshaped to {format_shape(operator.shape)}.")
    return operator.shape


@shape_of.rule(Transpose)
def _(operator: Transpose, shapes: tuple[Shape, ...]) -> Shape:
    if sorted(operator.axes) != list(range(len(shapes[0]))):
        raise ModelError(f"the axes of {format_shape(shapes[0])} can't be put into the order {operator.axes}.")
    return tuple(shapes[0][axis] for axis in operator.axes)


@shape_of.rule(Slice)
def _(operator: Slice, shapes: tuple[Shape, ...]) -> Shape:
    axes = operator.axes
    lengths = {len(operator.starts), len(operator.ends), len(operator.steps), len(axes), len(set(axes))}
    if len(lengths) > 1 or not set(axes) <= set(range(len(shapes[0]))) or 0 in operator.steps:
        raise ModelError(f"the slice doesn't fit an input of {format_shape(shapes[0])}.")
    sizes = tuple(len(found) for found in _ranges(operator, shapes[0]))
    if 0 in sizes:
        raise ModelError(f"the slice leaves nothing of an input of {format_shape(shapes[0])}.")
    return sizes


def _ranges(operator: Slice, shape: Shape) -> list[range]:
    """The indices that are read, axis by axis."""
    found = [range(size) for size in shape]
    for axis, *ends in zip(operator.axes, operator.starts, operator.ends, operator.steps, strict=True):
        found[axis] = found[axis][slice(*ends)]
    return found


@shape_of.rule(Take)
def _(operator: Take, shapes: tuple[Shape, ...]) -> Shape:
    (shape,) = shapes
    axis, indices = operator.axis, operator.indices
    if not 0 <= axis < len(shape) or not indices or not set(indices) <= set(range(shape[axis])):
        raise ModelError(f"the places don't fit axis {axis} of an input of {format_shape(shape)}.")
    return (*shape[:axis], len(indices), *shape[axis + 1 :])


@shape_of.rule(Broadcast)
def _(operator: Broadcast, shapes: tuple[Shape, ...]) -> Shape:
    if broadcast_shape([shapes[0], operator.shape], "broadcast") != operator.shape:
        raise ModelError(f"{format_shape(shapes[0])} can't be broadcast to {format_shape(operator.shape)}.")
    return operator.shape


@shape_of.rule(ZeroPadding)
def _(operator: ZeroPadding, shapes: tuple[Shape, ...]) -> Shape:
    *spatial, channels = shapes[0]
    if len(spatial) != len(operator.padding):
        raise ModelError(f"padding of {len(operator.padding)} axes doesn't fit an input of {format_shape(shapes[0])}.")
    padded = (size + before + after for size, (before, after) in zip(spatial, operator.padding, strict=True))
    return (*padded, channels)


@shape_of.rule(Pad)
def _(operator: Pad, shapes: tuple[Shape, ...]) -> Shape:
    if len(shapes[0]) != len(operator.padding) or min(chain.from_iterable(operator.padding), default=0) < 0:
        raise ModelError(f"padding of {operator.padding} doesn't fit an input of {format_shape(shapes[0])}.")
    if not isfinite(operator.value):
        raise ModelError(f"padding with {operator.value} is not supported, as it has no fixed-point code.")
    return tuple(size + before + after for size, (before, after) in zip(shapes[0], operator.padding, strict=True))


@shape_of.rule(Concatenate)
def _(operator: Concatenate, shapes: tuple[Shape, ...]) -> Shape:
    axis = operator.axis
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(others) != 1 or not all(0 <= axis < len(shape) for shape in shapes):
        raise ModelError(f"{' and '.join(map(format_shape, shapes))} can't be concatenated along axis {axis}.")
    joined = sum(shape[axis] for shape in shapes)
    return (*shapes[0][:axis], joined, *shapes[0][axis + 1 :])


# Sites and groups


@sites.rule(Identity, Flatten, Reshape, Transpose, Slice, Take, Broadcast, ZeroPadding, Pad, Concatenate)
def _(operator: Operator, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node),)


@grouping.rule(Concatenate)
def _(operator: Concatenate) -> Grouping:
    return Grouping.END


@grouping.rule(Identity, Flatten, Reshape, Transpose, Slice, Take, Broadcast, ZeroPadding)
def _(operator: Operator) -> Grouping:
    return Grouping.PASS


@grouping.rule(Pad)
def _(operator: Pad) -> Grouping:
    return Grouping.END if operator.value else Grouping.PASS


@output_kind.rule(Pad)
def _(operator: Pad) -> OutputKind:
    return OutputKind.OTHER if operator.value else OutputKind.SAME


@output_kind.rule(Identity, Flatten, Reshape, Transpose, Slice, Take, Broadcast, ZeroPadding, Concatenate)
def _(operator: Operator) -> OutputKind:
    return OutputKind.SAME


# Float values


@float_value.rule(Identity)
def _(operator: Operator) -> FloatFunction:
    return lambda x: x


@float_value.rule(Flatten)
def _(operator: Flatten) -> FloatFunction:
    return lambda x: x.reshape(x.shape[0], -1)


@float_value.rule(Reshape)
def _(operator: Reshape) -> FloatFunction:
    return lambda x: x.reshape(x.shape[0], *operator.shape)


@float_value.rule(Transpose)
def _(operator: Transpose) -> FloatFunction:
    return lambda x: x.permute(0, *(axis + 1 for axis in operator.axes))


@float_value.rule(Slice)
def _(operator: Slice) -> FloatFunction:
    def cut(x: torch.Tensor) -> torch.Tensor:
        for axis, found in enumerate(_ranges(operator, tuple(x.shape[1:])), start=1):
            if found != range(x.shape[axis]):
                x = x.index_select(axis, torch.tensor(found, device=x.device))
        return x

    return cut


@float_value.rule(Take)
def _(operator: Take) -> FloatFunction:
    return lambda x: x.index_select(operator.axis + 1, torch.tensor(operator.indices, device=x.device))


@float_value.rule(Broadcast)
def _(operator: Broadcast) -> FloatFunction:
    def broadcast(x: torch.Tensor) -> torch.Tensor:
        ones = (1,) * (len(operator.shape) - (x.dim() - 1))
        return x.reshape(len(x), *ones, *x.shape[1:]).expand(len(x), *operator.shape)

    return broadcast


@float_value.rule(ZeroPadding)
def _(operator: ZeroPadding) -> FloatFunction:
    return lambda x: channels_last(pad_spatial(channels_first(x), operator.padding))


@float_value.rule(Pad)
def _(operator: Pad) -> FloatFunction:
    flat = [size for pair in reversed(operator.padding) for size in pair]
    return lambda x: torch.nn.functional.pad(x, flat, value=operator.value)


@float_value.rule(Concatenate)
def _(operator: Concatenate) -> FloatFunction:
    return lambda *xs: torch.cat(xs, operator.axis + 1)


# Lowering


@lower.rule(Identity, Flatten, Reshape)
def _(operator: Operator, context: LoweringContext) -> None:
    (kind,) = context.input_types
    context.finish(program.Reshape(), context.node.inputs, kind.binary_point, kind.bounds)


def row_major(shape: Shape) -> tuple[int, ...]:
    """How far apart neighbours along each axis lie in the flat value."""
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size)
    return tuple(reversed(strides[: len(shape)]))


def transposition(shape: Shape, axes: tuple[int, ...]) -> program.Move:
    """The Move that puts the axes of `shape` into another order."""
    strides = row_major(shape)
    return program.Move(tuple(shape[axis] for axis in axes), tuple(strides[axis] for axis in axes))


@lower.rule(Transpose)
def _(operator: Transpose, context: LoweringContext) -> None:
    _finish(transposition(context.input_types[0].shape, operator.axes), context)


@lower.rule(Slice)
def _(operator: Slice, context: LoweringContext) -> None:
    shape = context.input_types[0].shape
    axes = list(zip(_ranges(operator, shape), row_major(shape), strict=True))
    strides = tuple(found.step * stride for found, stride in axes)
    offset = sum(found.start * stride for found, stride in axes)
    _finish(program.Move(context.node.shape, strides, offset), context)


@lower.rule(Take)
def _(operator: Take, context: LoweringContext) -> None:
    (kind,) = context.input_types
    axes = range(len(kind.shape))
    select = program.Select(tuple(operator.indices if axis == operator.axis else None for axis in axes))
    context.finish(select, context.node.inputs, kind.binary_point, kind.bounds)


@lower.rule(Broadcast)
def _(operator: Broadcast, context: LoweringContext) -> None:
    shape = context.input_types[0].shape
    repeated = (0,) * (len(operator.shape) - len(shape))
    strides = (0 if size == 1 else stride for size, stride in zip(shape, row_major(shape), strict=True))
    _finish(program.Move(operator.shape, (*repeated, *strides)), context)


def _finish(move: program.Move, context: LoweringContext) -> None:
    (kind,) = context.input_types
    context.finish(move, context.node.inputs, kind.binary_point, kind.bounds)


@lower.rule(ZeroPadding)
def _(operator: ZeroPadding, context: LoweringContext) -> None:
    _finish_padding((*operator.padding, (0, 0)), Fraction(0), context)


@lower.rule(Pad)
def _(operator: Pad, context: LoweringContext) -> None:
    _finish_padding(operator.padding, Fraction(operator.value), context)


def _finish_padding(padding: Padding, value: Fraction, context: LoweringContext) -> None:
    (kind,) = context.input_types
    bits = max(kind.binary_point, value.denominator.bit_length() - 1)
    bounds = hull([kind.bounds, Bounds.exactly(value)])
    context.finish(program.Pad(padding, value), context.node.inputs, bits, bounds)


@lower.rule(Concatenate)
def _(operator: Concatenate, context: LoweringContext) -> None:
    kinds = context.input_types
    finest = max(kind.binary_point for kind in kinds)
    context.finish(program.Concatenate(operator.axis), context.node.inputs, finest, hull(kind.bounds for kind in kinds))


@bypass.rule(Identity, Flatten, Reshape, Transpose, Slice, Take, Broadcast, ZeroPadding, Pad, Concatenate)
def _(operator: Operator, context: LoweringContext) -> Operator:
    return operator
