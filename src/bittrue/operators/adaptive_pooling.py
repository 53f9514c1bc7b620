"""Adaptive pooling: as many windows as outputs were asked for, each over its share of the input."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import pairwise

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
from bittrue.program import Bounds
from bittrue.program.bounds import hull
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class AdaptiveAveragePooling(Operator):
    """Means over windows from ⌊i·in/out⌋ to ⌈(i+1)·in/out⌉ on each axis, as PyTorch chooses them.

    output_size: one entry a spatial axis.
    """

    output_size: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class AdaptiveMaxPooling(Operator):
    """Maxima over windows from ⌊i·in/out⌋ to ⌈(i+1)·in/out⌉ on each axis, as PyTorch chooses them.

    output_size: one entry a spatial axis.
    """

    output_size: tuple[int, ...]


Adaptive = AdaptiveAveragePooling | AdaptiveMaxPooling


@shape_of.rule(AdaptiveAveragePooling, AdaptiveMaxPooling)
def _(operator: Adaptive, shapes: tuple[Shape, ...]) -> Shape:
    *spatial, channels = shapes[0]
    if len(spatial) != len(operator.output_size) or min(operator.output_size, default=0) < 1:
        raise ModelError(
            f"an input of {format_shape(shapes[0])} can't be pooled to {format_shape(operator.output_size)} positions."
        )
    return (*operator.output_size, channels)


@sites.rule(AdaptiveMaxPooling)
def _(operator: AdaptiveMaxPooling, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node),)


@sites.rule(AdaptiveAveragePooling)
def _(operator: AdaptiveAveragePooling, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node), window_accumulator_site(node))


@grouping.rule(AdaptiveAveragePooling)
def _(operator: AdaptiveAveragePooling) -> Grouping:
    return Grouping.END


@grouping.rule(AdaptiveMaxPooling)
def _(operator: AdaptiveMaxPooling) -> Grouping:
    return Grouping.PASS


@output_kind.rule(AdaptiveAveragePooling, AdaptiveMaxPooling)
def _(operator: Operator) -> OutputKind:
    return OutputKind.SAME


def _windows(size: int, positions: int) -> list[range]:
    """The input positions under each output position, on one axis."""
    return [range(i * size // positions, -(-(i + 1) * size // positions)) for i in range(positions)]


@float_value.rule(AdaptiveAveragePooling)
def _(operator: AdaptiveAveragePooling) -> FloatFunction:
    return lambda x: _pooled(x, operator.output_size, lambda window, axis: window.mean(axis, keepdim=True))


@float_value.rule(AdaptiveMaxPooling)
def _(operator: AdaptiveMaxPooling) -> FloatFunction:
    return lambda x: _pooled(x, operator.output_size, lambda window, axis: window.amax(axis, keepdim=True))


def _pooled(
    x: torch.Tensor, output_size: tuple[int, ...], pool: Callable[[torch.Tensor, int], torch.Tensor]
) -> torch.Tensor:
    for axis, positions in enumerate(output_size, start=1):
        windows = _windows(x.shape[axis], positions)
        x = torch.cat([pool(x.narrow(axis, window.start, len(window)), axis) for window in windows], axis)
    return x


@lower.rule(AdaptiveMaxPooling)
def _(operator: AdaptiveMaxPooling, context: LoweringContext) -> None:
    (kind,) = context.input_types
    # A window that is shorter than others reads its last position again.
    source, window, strides = _laid_out(operator, context, lambda window, count: [*window] + [window[-1]] * count)
    nothing = ((0, 0),) * len(window)
    instruction = program.WindowExtremum(window, strides, nothing, (1,) * len(window))
    context.finish(instruction, (source,), kind.binary_point, kind.bounds)


@lower.rule(AdaptiveAveragePooling)
def _(operator: AdaptiveAveragePooling, context: LoweringContext) -> None:
    spatial = context.input_types[0].shape[:-1]
    # A window that is shorter than others reads zeros, which its divisor doesn't count.
    source, window, strides = _laid_out(operator, context, lambda window, count: [*window] + [-1] * count)
    lengths = [
        np.array([len(window) for window in _windows(*axis)], np.int64)
        for axis in zip(spatial, operator.output_size, strict=True)
    ]
    divisor: np.ndarray = reduce(np.multiply.outer, lengths)
    nothing = ((0, 0),) * len(window)
    instruction = program.WindowSum(window, strides, nothing, (1,) * len(window), divisor)
    finish_sum(context, source, instruction, divisor)


def _laid_out(
    operator: Adaptive, context: LoweringContext, filled: Callable[[range, int], list[int]]
) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """The step to read with windows of one size and one stride, the window and its strides.

    The input itself where its windows are such; else its positions window after window, those of shorter windows filled
    up: `filled` takes the positions and how many are missing.
    """
    (kind,) = context.input_types
    indices: list[tuple[int, ...] | None] = []
    reaches, strides = [], []
    for size, positions in zip(kind.shape[:-1], operator.output_size, strict=True):
        windows = _windows(size, positions)
        reach = max(map(len, windows))
        steps = {after.start - before.start for before, after in pairwise(windows)} or {1}
        reaches.append(reach)
        if {len(window) for window in windows} == {reach} and len(steps) == 1 and 0 not in steps:
            indices.append(None)
            strides.append(steps.pop())
        else:
            indices.append(tuple(place for window in windows for place in filled(window, reach - len(window))))
            strides.append(reach)
    source = context.node.inputs[0]
    if any(indices):
        zeros = [Bounds.exactly(Fraction(0))] if any(-1 in read for read in indices if read) else []
        bounds = hull([kind.bounds, *zeros])
        shape = tuple(size if read is None else len(read) for size, read in zip(kind.shape, indices, strict=False))
        select = program.Select((*indices, None))
        source = context.emit(select, (source,), kind.binary_point, bounds, (*shape, kind.shape[-1]))
    return source, tuple(reaches), tuple(strides)


@bypass.rule(AdaptiveAveragePooling, AdaptiveMaxPooling)
def _(operator: Adaptive, context: LoweringContext) -> Operator:
    return operator
