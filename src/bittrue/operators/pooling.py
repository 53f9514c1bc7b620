"""Pooling over windows of the spatial axes, and over all of them."""

from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.lowering import LoweringContext, bypass, lower, value_bounds
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.operators.windows import window_counts, window_maximum, window_shape, window_sum
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.shapes import Padding, Shape


@dataclass(frozen=True, eq=False)
class MaxPooling(Operator):
    """Maximum over windows; padded positions take no part (B10). Fields: one entry a spatial axis."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding


@dataclass(frozen=True, eq=False)
class AveragePooling(Operator):
    """Mean over windows, divided by the number of positions inside the input (B10).

    count_include_pad: divide by the window's size instead, padding counted (ONNX and PyTorch can say so).
    """

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding
    count_include_pad: bool = False


@dataclass(frozen=True, eq=False)
class GlobalMaxPooling(Operator):
    """Maximum over all spatial axes; keepdims leaves them with size 1."""

    keepdims: bool = False


@dataclass(frozen=True, eq=False)
class GlobalAveragePooling(Operator):
    """Mean over all spatial axes; keepdims leaves them with size 1."""

    keepdims: bool = False


Windowed = MaxPooling | AveragePooling
Global = GlobalMaxPooling | GlobalAveragePooling


@shape_of.rule(MaxPooling, AveragePooling)
def _(operator: Windowed, shapes: tuple[Shape, ...]) -> Shape:
    *spatial, channels = shapes[0]
    ones = (1,) * len(operator.window)
    counts_padding = isinstance(operator, AveragePooling) and operator.count_include_pad
    result = window_shape(tuple(spatial), operator.window, operator.strides, operator.padding, ones)
    if (
        not counts_padding
        and not window_counts(tuple(spatial), operator.window, operator.strides, operator.padding).all()
    ):
        raise ModelError(f"a window of {format_shape(operator.window)} lies in the padding alone.")
    return (*result, channels)


@shape_of.rule(GlobalMaxPooling, GlobalAveragePooling)
def _(operator: Global, shapes: tuple[Shape, ...]) -> Shape:
    *spatial, channels = shapes[0]
    if not spatial:
        raise ModelError(f"an input of {format_shape(shapes[0])} has no spatial axes to pool over.")
    return (*(1 for _ in spatial), channels) if operator.keepdims else (channels,)


@sites.rule(MaxPooling, GlobalMaxPooling, AveragePooling, GlobalAveragePooling)
def _(operator: Operator, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node),)


@grouping.rule(MaxPooling, GlobalMaxPooling)
def _(operator: Operator) -> Grouping:
    return Grouping.PASS


@grouping.rule(AveragePooling, GlobalAveragePooling)
def _(operator: Operator) -> Grouping:
    return Grouping.END


@output_kind.rule(MaxPooling, GlobalMaxPooling, AveragePooling, GlobalAveragePooling)
def _(operator: Operator) -> OutputKind:
    return OutputKind.SAME


@float_value.rule(MaxPooling)
def _(operator: MaxPooling) -> FloatFunction:
    return lambda x: window_maximum(x, operator.window, operator.strides, operator.padding)


@float_value.rule(AveragePooling)
def _(operator: AveragePooling) -> FloatFunction:
    def average(x: torch.Tensor) -> torch.Tensor:
        divisor = torch.from_numpy(_divisors(operator, tuple(x.shape[1:-1]))).to(x.device, x.dtype)
        return window_sum(x, operator.window, operator.strides, operator.padding) / divisor.unsqueeze(-1)

    return average


@float_value.rule(GlobalMaxPooling)
def _(operator: GlobalMaxPooling) -> FloatFunction:
    return lambda x: x.amax(tuple(range(1, x.dim() - 1)), keepdim=operator.keepdims)


@float_value.rule(GlobalAveragePooling)
def _(operator: GlobalAveragePooling) -> FloatFunction:
    return lambda x: x.mean(tuple(range(1, x.dim() - 1)), keepdim=operator.keepdims)


def _divisors(operator: AveragePooling, spatial: Shape) -> np.ndarray:
    if not operator.count_include_pad:
        return window_counts(spatial, operator.window, operator.strides, operator.padding)
    ones = (1,) * len(operator.window)
    positions = window_shape(spatial, operator.window, operator.strides, operator.padding, ones)
    return np.full(positions, prod(operator.window), np.int64)


@lower.rule(MaxPooling)
def _(operator: MaxPooling, context: LoweringContext) -> None:
    (kind,) = context.input_types
    instruction = program.WindowMaximum(operator.window, operator.strides, operator.padding)
    context.finish(instruction, context.node.inputs, kind.fraction_bits, *value_bounds(kind))


@lower.rule(AveragePooling)
def _(operator: AveragePooling, context: LoweringContext) -> None:
    spatial = context.input_types[0].shape[:-1]
    divisor = _divisors(operator, spatial)
    instruction = program.WindowAverage(operator.window, operator.strides, operator.padding, divisor)
    _finish_average(context, context.node.inputs[0], instruction, padded=bool(np.any(operator.padding)))


@lower.rule(GlobalMaxPooling)
def _(operator: GlobalMaxPooling, context: LoweringContext) -> None:
    (kind,) = context.input_types
    instruction = program.WindowMaximum(*_whole(kind.shape[:-1]))
    context.finish(instruction, context.node.inputs, kind.fraction_bits, *value_bounds(kind))


@lower.rule(GlobalAveragePooling)
def _(operator: GlobalAveragePooling, context: LoweringContext) -> None:
    window, strides, padding = _whole(context.input_types[0].shape[:-1])
    one_position = (1,) * len(window)
    instruction = program.WindowAverage(window, strides, padding, np.full(one_position, prod(window), np.int64))
    _finish_average(context, context.node.inputs[0], instruction, padded=False)


def _whole(spatial: Shape) -> tuple[Shape, Shape, Padding]:
    """The one window (window, strides, padding) that covers all positions."""
    return spatial, (1,) * len(spatial), ((0, 0),) * len(spatial)


def _finish_average(context: LoweringContext, source: str, instruction: program.WindowAverage, *, padded: bool) -> None:
    kind = context.type_of(source)
    assert kind.fraction_bits is not None
    low, high = value_bounds(kind)
    if padded:
        low, high = (None if low is None else min(low, Fraction(0))), (None if high is None else max(high, Fraction(0)))
    divisors = np.unique(instruction.divisor)
    dyadic = all(int(divisor).bit_count() == 1 for divisor in divisors)
    bits = kind.fraction_bits + int(divisors.max()).bit_length() - 1 if dyadic else None
    context.finish(instruction, (source,), bits, low, high)


@bypass.rule(MaxPooling, AveragePooling, GlobalMaxPooling, GlobalAveragePooling)
def _(operator: Operator, context: LoweringContext) -> Operator:
    return operator
