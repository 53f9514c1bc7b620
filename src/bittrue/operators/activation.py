"""Activations of straight pieces (the ReLU family, clip, absolute value) and softmax with its logarithm."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

import numpy as np
import torch

from bittrue import fixed, program
from bittrue.errors import ModelError, PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer
from bittrue.fixed.dyadic import integer_array
from bittrue.lowering import LoweringContext, bypass, lower, value_bounds
from bittrue.network import Node, Operator, Parameter, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, Word, grouping, output_site, parameter_site, sites
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


@dataclass(frozen=True, eq=False)
class Softmax(Operator):
    """exp(x_i) / Σ exp(x_j) over the last axis."""


@dataclass(frozen=True, eq=False)
class LogSoftmax(Operator):
    """x_i − log Σ exp(x_j) over the last axis."""


@shape_of.rule(ReLU, Clip, Absolute)
def _(operator: Operator, shapes: tuple[Shape, ...]) -> Shape:
    return shapes[0]


@shape_of.rule(PReLU)
def _(operator: PReLU, shapes: tuple[Shape, ...]) -> Shape:
    slopes = operator.slope.value.shape
    if slopes != (1,) and (not slopes or slopes != shapes[0][-len(slopes) :]):
        raise ModelError(f"slopes of {format_shape(slopes)} don't fit an input of {format_shape(shapes[0])}.")
    return shapes[0]


@shape_of.rule(Softmax, LogSoftmax)
def _(operator: Operator, shapes: tuple[Shape, ...]) -> Shape:
    if not shapes[0]:
        raise ModelError("softmax needs an axis to sum over.")
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


@sites.rule(LogSoftmax)
def _(operator: LogSoftmax, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node, finite=False),)


@sites.rule(Softmax)
def _(operator: Softmax, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    output = output_site(node, finite=False, bounds=(0.0, 1.0))
    if options.softmax == "exact":
        return (output,)
    parts = {
        "difference": Site(f"{node.name}.difference", node.name, "difference", span_of=f"{node.inputs[0]}.output"),
        "exp": Site(f"{node.name}.exp", node.name, "exp", finite=False, bounds=(0.0, 1.0)),
        "sum": Site(f"{node.name}.sum", node.name, "sum", bounds=(0.0, float(node.shape[-1]))),
        "reciprocal": Site(f"{node.name}.reciprocal", node.name, "reciprocal", finite=False, bounds=(0.0, 1.0)),
    }
    return (output, *parts.values())


@grouping.rule(ReLU, PReLU, Clip, Absolute)
def _(operator: Operator) -> Grouping:
    return Grouping.FOLLOW


@grouping.rule(Softmax, LogSoftmax)
def _(operator: Operator) -> Grouping:
    return Grouping.END


@output_kind.rule(Softmax)
def _(operator: Operator) -> OutputKind:
    return OutputKind.PROBABILITIES


@output_kind.rule(ReLU, PReLU, Clip, Absolute, LogSoftmax)
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


@float_value.rule(LogSoftmax)
def _(operator: LogSoftmax) -> FloatFunction:
    return lambda x: torch.log_softmax(x, -1)


@float_value.rule(Softmax)
def _(operator: Softmax) -> FloatFunction:
    return lambda x: torch.softmax(x, -1)


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
    assert kind.fraction_bits is not None
    most, slope, threshold = _numbers(operator, context)
    low, high = value_bounds(kind)
    source, bits = context.node.inputs[0], kind.fraction_bits
    if slope == 0 and threshold == 0:
        clip = program.Clip(Fraction(0), most)
    else:
        scale_bits, offset_bits = _fraction_bits(slope), _fraction_bits(slope * threshold)
        codes = 1 << scale_bits, int(slope * 2**scale_bits), int(-slope * threshold * 2**offset_bits)
        one, scale_below, offset_below = (integer_array([code]) for code in codes)
        below = program.Below(threshold, scale_below, offset_below)
        branches = program.ScaleOffset(one, scale_bits, np.zeros(1, np.int64), offset_bits, below)
        bits = max(bits + scale_bits, offset_bits)
        low, high = _branch_bounds(low, high, slope, threshold)
        if most is None:
            context.finish(branches, (source,), bits, low, high)
            return
        source = context.emit(branches, (source,), bits, low, high)
        clip = program.Clip(None, most)
    bits = max([bits, *(_fraction_bits(bound) for bound in (clip.low, clip.high) if bound is not None)])
    context.finish(clip, (source,), bits, *_clipped(low, high, clip))


def _branch_bounds(
    low: Fraction | None, high: Fraction | None, slope: Fraction, threshold: Fraction
) -> tuple[Fraction | None, Fraction | None]:
    """Bounds of x above the threshold and slope·(x − threshold) below it."""
    if low is None or high is None:
        return None, None
    ends = [low, high, Fraction(0), threshold, slope * (low - threshold)]
    return min(ends), max(ends)


def _clipped(
    low: Fraction | None, high: Fraction | None, clip: program.Clip
) -> tuple[Fraction | None, Fraction | None]:
    def clipped(end: Fraction | None) -> Fraction | None:
        if end is not None and clip.low is not None:
            end = max(end, clip.low)
        if end is not None and clip.high is not None:
            end = min(end, clip.high)
        return end

    least = clipped(low if low is not None else clip.low)
    most = clipped(high) if high is not None else clip.high
    return least, most


def _fraction_bits(number: Fraction) -> int:
    """The fewest fraction bits ≥ 0 that hold a dyadic number."""
    return number.denominator.bit_length() - 1


@lower.rule(PReLU)
def _(operator: PReLU, context: LoweringContext) -> None:
    """Slopes for more than the last axis are those of the channels of a value in which these axes are one."""
    (kind,) = context.input_types
    assert kind.fraction_bits is not None
    rounded = context.parameter(operator.slope)
    (slope_bits,) = rounded.fraction_bits
    scale_bits = max(slope_bits, 0)
    slopes = [code << scale_bits - slope_bits for code in rounded.codes.ravel().tolist()]
    zero = np.zeros(1, np.int64)
    below = program.Below(Fraction(0), integer_array(slopes), zero)
    branches = program.ScaleOffset(integer_array([1 << scale_bits]), scale_bits, zero, 0, below)
    low, high = value_bounds(kind)
    bits = max(kind.fraction_bits + scale_bits, 0)  # the offset's own are 0
    ends = [Fraction(slope, 1 << scale_bits) for slope in slopes]
    bounds = _hull(*(_branch_bounds(low, high, slope, Fraction(0)) for slope in (min(ends), max(ends))))
    shape, axes = context.node.shape, operator.slope.value.ndim
    if axes == 1:
        context.finish(branches, context.node.inputs, bits, *bounds)
        return
    joined = (*shape[:-axes], prod(shape[-axes:]))
    source = context.emit(program.Reshape(), context.node.inputs, kind.fraction_bits, low, high, joined)
    scaled = context.emit(branches, (source,), bits, *bounds, joined)
    context.finish(program.Reshape(), (scaled,), bits, *bounds)


def _hull(*bounds: tuple[Fraction | None, Fraction | None]) -> tuple[Fraction | None, Fraction | None]:
    """The least and the largest of all ends; None where one is unknown."""
    ends = [end for pair in bounds for end in pair if end is not None]
    return (min(ends), max(ends)) if len(ends) == 2 * len(bounds) else (None, None)


def _bounds(operator: Clip, context: LoweringContext) -> tuple[Fraction | None, Fraction | None]:
    """(low, high) as their sites round them."""
    low, high = (
        None if bound is None else context.number(role, bound) if bound else Fraction(0)
        for role, bound in (("low", operator.low), ("high", operator.high))
    )
    return low, high


@lower.rule(Clip)
def _(operator: Clip, context: LoweringContext) -> None:
    (kind,) = context.input_types
    assert kind.fraction_bits is not None
    clip = program.Clip(*_bounds(operator, context))
    finest = [_fraction_bits(bound) for bound in (clip.low, clip.high) if bound is not None]
    bounds = _clipped(*value_bounds(kind), clip)
    context.finish(clip, context.node.inputs, max([kind.fraction_bits, *finest]), *bounds)


@lower.rule(Absolute)
def _(operator: Absolute, context: LoweringContext) -> None:
    (kind,) = context.input_types
    assert kind.fraction_bits is not None
    one, zero = np.ones(1, np.int64), np.zeros(1, np.int64)
    branches = program.ScaleOffset(one, 0, zero, 0, program.Below(Fraction(0), -one, zero))
    low, high = value_bounds(kind)
    largest = None if low is None or high is None else max(-low, high, Fraction(0))
    context.finish(branches, context.node.inputs, max(kind.fraction_bits, 0), Fraction(0), largest)


@lower.rule(LogSoftmax)
def _(operator: LogSoftmax, context: LoweringContext) -> None:
    (kind,) = context.input_types
    low, high = value_bounds(kind)
    # The logarithm of n is less than the number of its bits.
    lowest = None if low is None or high is None else low - high - context.node.shape[-1].bit_length()
    context.finish(program.LogSoftmax(), context.node.inputs, None, lowest, Fraction(0))


@lower.rule(Softmax)
def _(operator: Softmax, context: LoweringContext) -> None:
    if context.options.softmax == "exact":
        context.finish(program.Softmax(), context.node.inputs, None, Fraction(0), Fraction(1))
        return
    (kind,) = context.input_types
    assert kind.fraction_bits is not None
    exp, reciprocal = context.quantizer("exp"), context.quantizer("reciprocal")
    difference = _part(context, "difference", kind.fraction_bits)
    total = _part(context, "sum", exp.format.fraction_bits)
    _check_sum(context, difference, exp, total)
    instruction = program.SoftmaxTable(difference, exp, total, reciprocal)
    bits = exp.format.fraction_bits + reciprocal.format.fraction_bits
    context.finish(instruction, context.node.inputs, bits, None, None)


def _part(context: LoweringContext, role: str, exact_fraction_bits: int) -> Quantizer:
    """The quantizer of a part of the table form; EXACT keeps every bit of a difference or a sum."""
    if context.spec(role) is Word.EXACT:
        return Quantizer(FixedFormat(True, 62, exact_fraction_bits), overflow=Overflow.UNBOUNDED)
    return context.quantizer(role)


def _check_sum(context: LoweringContext, difference: Quantizer, exp: Quantizer, total: Quantizer) -> None:
    """Refuse formats under which the sum's code can reach 0 (B9)."""
    name = context.node.name
    folding = (Overflow.WRAP, Overflow.SATURATE_ZERO)
    if difference.overflow in folding:
        raise PlanError(
            f"site {name}.difference: {difference.overflow.value} can make a small number of a large one; use SATURATE."
        )
    # The largest input's difference is 0, so its exponential is 1, and each of the others lies between 0 and that.
    one = fixed.quantize(Fraction(1), exp)
    unit = Fraction(2) ** -exp.format.fraction_bits
    largest = fixed.round_to_code(one * context.node.shape[-1] * unit, total.format.fraction_bits, total.rounding)
    if fixed.quantize(one * unit, total) <= 0 or (total.overflow in folding and fixed.overflows(largest, total)):
        raise PlanError(
            f"site {name}.sum: the sum's code can reach 0, which has no reciprocal; "
            f"give {name}.exp and {name}.sum more bits, or SATURATE."
        )


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
    low, high = _bounds(operator, context)
    return Clip(None if low is None else float(low), None if high is None else float(high))


@bypass.rule(Absolute, Softmax, LogSoftmax)
def _(operator: Operator, context: LoweringContext) -> Operator:
    return operator
