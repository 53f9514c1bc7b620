"""Reductions over any axes: mean, sum, maximum, minimum."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.operators.pooling import finish_sum, window_accumulator_site
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.shapes import Padding, Shape


@dataclass(frozen=True, eq=False)
class Reduction:
    """axes: the axes that are reduced, counted from 0 without the batch axis; keepdims leaves them with size 1."""

    axes: tuple[int, ...]
    keepdims: bool = False


@dataclass(frozen=True, eq=False)
class ReduceMean(Reduction, Operator):
    """y = mean of x over `axes`; the exact sum, divided as a rational number and rounded once (B10)."""


@dataclass(frozen=True, eq=False)
class ReduceSum(Reduction, Operator):
    """y = Σ x over `axes`."""


@dataclass(frozen=True, eq=False)
class ReduceMaximum(Reduction, Operator):
    """y = max x over `axes`."""


@dataclass(frozen=True, eq=False)
class ReduceMinimum(Reduction, Operator):
    """y = min x over `axes`."""


Reducing = ReduceMean | ReduceSum | ReduceMaximum | ReduceMinimum


@shape_of.rule(ReduceMean, ReduceSum, ReduceMaximum, ReduceMinimum)
def _(operator: Reducing, shapes: tuple[Shape, ...]) -> Shape:
    shape, axes = shapes[0], operator.axes
    if not axes or len(set(axes)) < len(axes) or not all(0 <= axis < len(shape) for axis in axes):
        raise ModelError(f"an input of {format_shape(shape)} can't be reduced over the axes {axes}.")
    kept = [1 if axis in axes else size for axis, size in enumerate(shape)]
    return tuple(size for axis, size in enumerate(kept) if operator.keepdims or axis not in axes)


@sites.rule(ReduceMaximum, ReduceMinimum)
def _(operator: ReduceMaximum | ReduceMinimum, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node),)


@sites.rule(ReduceMean, ReduceSum)
def _(operator: ReduceMean | ReduceSum, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node), window_accumulator_site(node))


@grouping.rule(ReduceMean, ReduceSum)
def _(operator: ReduceMean | ReduceSum) -> Grouping:
    return Grouping.END


@grouping.rule(ReduceMaximum, ReduceMinimum)
def _(operator: ReduceMaximum | ReduceMinimum) -> Grouping:
    return Grouping.PASS


@output_kind.rule(ReduceMean, ReduceMaximum, ReduceMinimum)
def _(operator: Operator) -> OutputKind:
    return OutputKind.SAME


@output_kind.rule(ReduceSum)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


@float_value.rule(ReduceMean)
def _(operator: ReduceMean) -> FloatFunction:
    return _over(operator, torch.mean)


@float_value.rule(ReduceSum)
def _(operator: ReduceSum) -> FloatFunction:
    return _over(operator, torch.sum)


@float_value.rule(ReduceMaximum)
def _(operator: ReduceMaximum) -> FloatFunction:
    return _over(operator, torch.amax)


@float_value.rule(ReduceMinimum)
def _(operator: ReduceMinimum) -> FloatFunction:
    return _over(operator, torch.amin)


def _over(operator: Reducing, reduce: Callable[..., torch.Tensor]) -> FloatFunction:
    axes = tuple(axis + 1 for axis in operator.axes)
    return lambda x: reduce(x, axes, keepdim=operator.keepdims)


@lower.rule(ReduceMean, ReduceSum)
def _(operator: ReduceMean | ReduceSum, context: LoweringContext) -> None:
    source, geometry = _windows(operator, context)
    positions = tuple(
        size // reach for size, reach in zip(context.type_of(source).shape[:-1], geometry[0], strict=True)
    )
    count = np.full(positions, np.prod(geometry[0], dtype=np.int64))
    divisor = count if isinstance(operator, ReduceMean) else np.ones_like(count)
    finish_sum(context, source, program.WindowSum(*geometry, divisor), count)


@lower.rule(ReduceMaximum, ReduceMinimum)
def _(operator: ReduceMaximum | ReduceMinimum, context: LoweringContext) -> None:
    source, geometry = _windows(operator, context)
    kind = context.type_of(source)
    instruction = program.WindowExtremum(*geometry, isinstance(operator, ReduceMinimum))
    context.finish(instruction, (source,), kind.binary_point, kind.bounds)


Geometry = tuple[tuple[int, ...], tuple[int, ...], Padding, tuple[int, ...]]


def _windows(operator: Reducing, context: LoweringContext) -> tuple[str, Geometry]:
    """The step to read, and the window, strides, padding and dilation that cover the reduced axes.

    Windows slide over all axes but the last: where that one is reduced, another of size 1 is put behind it.
    """
    (kind,) = context.input_types
    (source,) = context.node.inputs
    spatial = kind.shape[:-1]
    if len(kind.shape) - 1 in operator.axes:
        spatial = kind.shape
        source = context.emit(program.Reshape(), (source,), kind.binary_point, kind.bounds, shape=(*kind.shape, 1))
    window = tuple(size if axis in operator.axes else 1 for axis, size in enumerate(spatial))
    ones = (1,) * len(window)
    return source, (window, ones, ((0, 0),) * len(window), ones)


@bypass.rule(ReduceMean, ReduceSum, ReduceMaximum, ReduceMinimum)
def _(operator: Reducing, context: LoweringContext) -> Operator:
    return operator
