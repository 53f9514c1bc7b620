"""Activations of straight pieces: the ReLU family, clip, absolute value."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.fixed.dyadic import integer_array
from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, Parameter, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, parameter_site, sites
from bittrue.program import Bounds
from bittrue.program.bounds import hull
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class ReLU(Operator):
    """max_value where x ≥ max_value; x where threshold ≤ x < max_value; negative_slope·(x − threshold) below (as in
    Keras).

    max_value: None for no upper bound. LeakyReLU is a negative_slope.
    """

    max_value: float | None = None
    negative_slope: float = 0.0
    threshold: float = 0.0


@dataclass(frozen=True, eq=False)
class PReLU(Operator):
    """x where x ≥ 0, slope·x below.

    slope: one number for all, of shape (1,), or numbers for the last axes of the input, in their shape: (channels,) for
    one a channel, the input's own shape for one a position.
    """

    slope: Parameter


@dataclass(frozen=True, eq=False)
class Clip(Operator):
    """min(max(x, low), high); None for no bound on that side."""

    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class Absolute(Operator):
    """|x|."""


@shape_of.rule(ReLU, Clip, Absolute)
def _(operator: Operator, shapes: tuple[Shape, ...]) -> Shape:
    return shapes[0]


@shape_of.rule(PReLU)
def _(operator: PReLU, shapes: tuple[Shape, ...]) -> Shape:
    slopes = operator.slope.value.shape
    if slopes != (1,) and (not slopes or slopes != shapes[0][-len(slopes) :]):
        raise ModelError(f"slopes of {format_shape(slopes)} don't fit an input of {format_shape(shapes[0])}.")
    return shapes[0]


# Sites and groups


@sites.rule(ReLU)
def _(operator: ReLU, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    numbers = []
    if operator.negative_slope != 0:
        numbers.append(("slope", operator.negative_slope))
    if operator.max_value is not None:
        numbers.append(("bound", operator.max_value))
    if operator.threshold != 0:
        numbers.append(("threshold", operator.threshold))
    return (
        output_site(node),
        *(Site(f"{node.name}.{role}", node.name, role, values=np.array([number])) for role, number in numbers),
    )


@sites.rule(PReLU)
def _(operator: PReLU, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return output_site(node), parameter_site(node, "slope", operator.slope)


@sites.rule(Clip)
def _(operator: Clip, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    """A bound of 0 is exact in every format."""
    bounds = [(role, bound) for role, bound in (("low", operator.low), ("high", operator.high)) if bound]
    return (
        output_site(node),
        *(Site(f"{node.name}.{role}", node.name, role, values=np.array([bound])) for role, bound in bounds),
    )


@sites.rule(Absolute)
def _(operator: Absolute, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node),)


@grouping.rule(ReLU, PReLU, Clip, Absolute)
def _(operator: Operator) -> Grouping:
    return Grouping.FOLLOW


@output_kind.rule(ReLU, PReLU, Clip, Absolute)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


# Float values


@float_value.rule(ReLU)
def _(operator: ReLU) -> FloatFunction:
    slope, threshold, most = operator.negative_slope, operator.threshold, operator.max_value

    def relu(x: torch.Tensor) -> torch.Tensor:
        if threshold == 0:
            y = torch.relu(x) if slope == 0 else torch.where(x >= 0, x, x * slope)
        else:
            y = torch.where(x >= threshold, x, (x - threshold) * slope)
        return y if most is None else torch.clamp(y, max=most)

    return relu


@float_value.rule(PReLU)
def _(operator: PReLU) -> FloatFunction:
    slope = torch.from_numpy(np.ascontiguousarray(operator.slope.value, np.float32))
    return lambda x: torch.where(x >= 0, x, x * slope)


@float_value.rule(Clip)
def _(operator: Clip) -> FloatFunction:
    low, high = operator.low, operator.high
    return lambda x: x if low is None and high is None else torch.clamp(x, low, high)


@float_value.rule(Absolute)
def _(operator: Absolute) -> FloatFunction:
    return torch.abs


# Lowering


def _numbers(operator: ReLU, context: LoweringContext) -> tuple[Fraction | None, Fraction, Fraction]:
    """(max_value, negative_slope, threshold) as their sites round them."""
    most = None if operator.max_value is None else context.number("bound", operator.max_value)
    slope = context.number("slope", operator.negative_slope) if operator.negative_slope != 0 else Fraction(0)
    threshold = context.number("threshold", operator.threshold) if operator.threshold != 0 else Fraction(0)
    return most, slope, threshold


@lower.rule(ReLU)
def _(operator: ReLU, context: LoweringContext) -> None:
    (kind,) = context.input_types
    most, slope, threshold = _numbers(operator, context)
    source, bits, bounds = context.node.inputs[0], kind.binary_point, kind.bounds
    if slope == 0 and threshold == 0:
        clip = program.Clip(Fraction(0), most)
    else:
        scale_bits, offset_bits = _fraction_bits(slope), _fraction_bits(slope * threshold)
        codes = 1 << scale_bits, int(slope * 2**scale_bits), int(-slope * threshold * 2**offset_bits)
        one, scale_below, offset_below = (integer_array([code]) for code in codes)
        below = program.Below(threshold, scale_below, offset_below)
        branches = program.ScaleOffset(one, scale_bits, np.zeros(1, np.int64), offset_bits, below)
        bits = max(bits + scale_bits, offset_bits)
        bounds = _branches(bounds, slope, threshold)
        if most is None:
            context.finish(branches, (source,), bits, bounds)
            return
        source = context.emit(branches, (source,), bits, bounds)
        clip = program.Clip(None, most)
    bits = max([bits, *(_fraction_bits(bound) for bound in (clip.low, clip.high) if bound is not None)])
    context.finish(clip, (source,), bits, bounds.clipped(clip.low, clip.high))


def _branches(x: Bounds, slope: Fraction, threshold: Fraction) -> Bounds:
    """Of x above the threshold and slope·(x − threshold) below it."""
    if x.ends is None:
        return Bounds()
    low, high = x.ends
    ends = [low, high, Fraction(0), threshold, slope * (low - threshold)]
    return Bounds(min(ends), max(ends))


def _fraction_bits(number: Fraction) -> int:
    """The fewest fraction bits ≥ 0 that hold a dyadic number."""
    return number.denominator.bit_length() - 1


@lower.rule(PReLU)
def _(operator: PReLU, context: LoweringContext) -> None:
    """Slopes for more than the last axis are those of the channels of a value in which these axes are one."""
    (kind,) = context.input_types
    rounded = context.parameter(operator.slope)
    (slope_bits,) = rounded.fraction_bits
    scale_bits = max(slope_bits, 0)
    slopes = [code << scale_bits - slope_bits for code in rounded.codes.ravel().tolist()]
    zero = np.zeros(1, np.int64)
    below = program.Below(Fraction(0), integer_array(slopes), zero)
    branches = program.ScaleOffset(integer_array([1 << scale_bits]), scale_bits, zero, 0, below)
    bits = max(kind.binary_point + scale_bits, 0)  # the offset's own are 0
    ends = [Fraction(slope, 1 << scale_bits) for slope in slopes]
    bounds = hull(_branches(kind.bounds, slope, Fraction(0)) for slope in (min(ends), max(ends)))
    shape, axes = context.node.shape, operator.slope.value.ndim
    if axes == 1:
        context.finish(branches, context.node.inputs, bits, bounds)
        return
    joined = (*shape[:-axes], prod(shape[-axes:]))
    source = context.emit(program.Reshape(), context.node.inputs, kind.binary_point, kind.bounds, joined)
    scaled = context.emit(branches, (source,), bits, bounds, joined)
    context.finish(program.Reshape(), (scaled,), bits, bounds)


def _limits(operator: Clip, context: LoweringContext) -> tuple[Fraction | None, Fraction | None]:
    """(low, high) as their sites round them."""
    low, high = (
        None if bound is None else context.number(role, bound) if bound else Fraction(0)
        for role, bound in (("low", operator.low), ("high", operator.high))
    )
    return low, high


@lower.rule(Clip)
def _(operator: Clip, context: LoweringContext) -> None:
    (kind,) = context.input_types
    clip = program.Clip(*_limits(operator, context))
    finest = [_fraction_bits(bound) for bound in (clip.low, clip.high) if bound is not None]
    bounds = kind.bounds.clipped(clip.low, clip.high)
    context.finish(clip, context.node.inputs, max([kind.binary_point, *finest]), bounds)


@lower.rule(Absolute)
def _(operator: Absolute, context: LoweringContext) -> None:
    (kind,) = context.input_types
    one, zero = np.ones(1, np.int64), np.zeros(1, np.int64)
    branches = program.ScaleOffset(one, 0, zero, 0, program.Below(Fraction(0), -one, zero))
    bounds = Bounds(Fraction(0), kind.bounds.magnitude)
    context.finish(branches, context.node.inputs, max(kind.binary_point, 0), bounds)


@bypass.rule(ReLU)
def _(operator: ReLU, context: LoweringContext) -> Operator:
    most, slope, threshold = _numbers(operator, context)
    return replace(
        operator,
        max_value=None if most is None else float(most),
        negative_slope=float(slope),
        threshold=float(threshold),
    )


@bypass.rule(PReLU)
def _(operator: PReLU, context: LoweringContext) -> Operator:
    return PReLU(context.rounded_parameter(operator.slope))


@bypass.rule(Clip)
def _(operator: Clip, context: LoweringContext) -> Operator:
    low, high = _limits(operator, context)
    return Clip(None if low is None else float(low), None if high is None else float(high))


@bypass.rule(Absolute)
def _(operator: Absolute, context: LoweringContext) -> Operator:
    return operator
