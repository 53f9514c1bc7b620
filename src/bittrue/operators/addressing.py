"""Operators that read their input at other addresses: transpose, slice, take, broadcast, nearest upsampling.

Each is an affine address generator, the instruction Move; places in any order are the instruction Select.
"""

from dataclasses import dataclass
from itertools import chain

import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.broadcasting import broadcast_shape
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.shapes import Shape


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
class UpsamplingNearest(Operator):
    """Each position repeated factors[k] times along spatial axis k."""

    factors: tuple[int, ...]


Addressing = Transpose | Slice | Take | Broadcast | UpsamplingNearest


# Shapes


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


@shape_of.rule(UpsamplingNearest)
def _(operator: UpsamplingNearest, shapes: tuple[Shape, ...]) -> Shape:
    return upsampled_shape(shapes[0], operator.factors)


def upsampled_shape(shape: Shape, factors: tuple[int, ...]) -> Shape:
    """The shape with its spatial axes made longer; raises ModelError where the factors don't fit."""
    if len(shape) != len(factors) + 1 or min(factors) < 1:
        raise ModelError(f"factors of {format_shape(factors)} don't fit an input of {format_shape(shape)}.")
    return (*(size * factor for size, factor in zip(shape, factors, strict=False)), shape[-1])


# Sites and groups


@sites.rule(Transpose, Slice, Take, Broadcast, UpsamplingNearest)
def _(operator: Operator, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node),)


@grouping.rule(Transpose, Slice, Take, Broadcast, UpsamplingNearest)
def _(operator: Operator) -> Grouping:
    return Grouping.PASS


@output_kind.rule(Transpose, Slice, Take, Broadcast, UpsamplingNearest)
def _(operator: Operator) -> OutputKind:
    return OutputKind.SAME


# Float values


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


@float_value.rule(UpsamplingNearest)
def _(operator: UpsamplingNearest) -> FloatFunction:
    def repeat(x: torch.Tensor) -> torch.Tensor:
        for axis, factor in enumerate(operator.factors, start=1):
            x = x.repeat_interleave(factor, axis)
        return x

    return repeat


# Lowering


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


@lower.rule(UpsamplingNearest)
def _(operator: UpsamplingNearest, context: LoweringContext) -> None:
    *spatial, channels = context.input_types[0].shape
    *strides, last = row_major(context.input_types[0].shape)
    sizes = chain.from_iterable(zip(spatial, operator.factors, strict=True))
    repeated = chain.from_iterable((stride, 0) for stride in strides)
    _finish(program.Move((*sizes, channels), (*repeated, last)), context)


def _finish(move: program.Move, context: LoweringContext) -> None:
    (kind,) = context.input_types
    context.finish(move, context.node.inputs, kind.binary_point, kind.bounds)


@bypass.rule(Transpose, Slice, Take, Broadcast, UpsamplingNearest)
def _(operator: Addressing, context: LoweringContext) -> Operator:
    return operator
