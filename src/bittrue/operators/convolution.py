"""Sums of products with trained weights: convolutions and dense layers."""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.fixed import Overflow, Quantizer
from bittrue.fixed.arrays import signed_sums
from bittrue.lowering import LoweringContext, ParameterCodes, bypass, lower, value_bounds
from bittrue.network import Node, Operator, Parameter, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.operators.windows import convolution_weight, convolve, window_shape
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, parameter_site, sites
from bittrue.shapes import Padding, Shape


@dataclass(frozen=True, eq=False)
class Convolution(Operator):
    """Convolution of one or two spatial axes, grouped and depthwise ones included.

    weight: (*kernel, in_channels / groups, out_channels); group g computes output channels g·out/groups …
    (g+1)·out/groups − 1. strides, dilation: one a spatial axis. padding: (before, after) for each spatial axis, in
    zeros.
    """

    weight: Parameter
    bias: Parameter | None
    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    groups: int


@dataclass(frozen=True, eq=False)
class Dense(Operator):
    """y = x·weight + bias over the last axis of an input of any rank; weight: (in, out)."""

    weight: Parameter
    bias: Parameter | None


@shape_of.rule(Convolution)
def _(operator: Convolution, shapes: tuple[Shape, ...]) -> Shape:
    *spatial, channels = shapes[0]
    *kernel, per_group, out = operator.weight.value.shape
    if channels != per_group * operator.groups or out % operator.groups:
        raise ModelError(
            f"a weight of {format_shape(operator.weight.value.shape)} in {operator.groups} groups doesn't fit "
            f"an input of {format_shape(shapes[0])}."
        )
    return (
        *window_shape(tuple(spatial), tuple(kernel), operator.strides, operator.padding, operator.dilation),
        out,
    )


@shape_of.rule(Dense)
def _(operator: Dense, shapes: tuple[Shape, ...]) -> Shape:
    *leading, features = shapes[0]
    if features != operator.weight.value.shape[0]:
        raise ModelError(
            f"a weight of {format_shape(operator.weight.value.shape)} doesn't fit an input "
            f"of {format_shape(shapes[0])}."
        )
    return (*leading, operator.weight.value.shape[1])


@sites.rule(Convolution, Dense)
def _(operator: Convolution | Dense, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    weight = parameter_site(node, "weight", operator.weight, channels=operator.weight.value.shape[-1])
    bias = () if operator.bias is None else (parameter_site(node, "bias", operator.bias),)
    return (output_site(node), weight, *bias, Site(f"{node.name}.accumulator", node.name, "accumulator"))


@grouping.rule(Convolution, Dense)
def _(operator: Operator) -> Grouping:
    return Grouping.START


@output_kind.rule(Convolution, Dense)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


@float_value.rule(Convolution)
def _(operator: Convolution) -> FloatFunction:
    weight = convolution_weight(_tensor(operator.weight))
    bias = None if operator.bias is None else _tensor(operator.bias)
    geometry = (operator.strides, operator.padding, operator.dilation, operator.groups)
    return lambda x: convolve(x, weight, bias, *geometry)


@float_value.rule(Dense)
def _(operator: Dense) -> FloatFunction:
    weight = _tensor(operator.weight).T
    bias = None if operator.bias is None else _tensor(operator.bias)
    return lambda x: torch.nn.functional.linear(x, weight, bias)


def _tensor(parameter: Parameter) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(parameter.value, np.float32))


@lower.rule(Convolution)
def _(operator: Convolution, context: LoweringContext) -> None:
    _lower(operator, context, operator.strides, operator.padding, operator.dilation, operator.groups)


@lower.rule(Dense)
def _(operator: Dense, context: LoweringContext) -> None:
    _lower(operator, context, (), (), (), 1)


def _lower(
    operator: Convolution | Dense,
    context: LoweringContext,
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
) -> None:
    (kind,) = context.input_types
    assert kind.fraction_bits is not None
    weight = context.parameter(operator.weight)
    bias = None if operator.bias is None else context.parameter(operator.bias)
    accumulator = context.spec("accumulator")
    instruction = program.MultiplyAccumulate(
        weight.codes,
        weight.fraction_bits,
        None if bias is None else bias.codes,
        0 if bias is None else bias.fraction_bits[0],
        strides,
        padding,
        dilation,
        groups,
        accumulator if isinstance(accumulator, Quantizer) else None,
        context.options.product == "quantized",
    )
    if instruction.accumulator is not None:
        accumulated = instruction.accumulator
        bits = accumulated.format.fraction_bits
        unit = Fraction(2) ** -bits
        bounded = accumulated.overflow is not Overflow.UNBOUNDED
        low = accumulated.min_code * unit if bounded else None
        high = accumulated.max_code * unit if bounded else None
        context.finish(instruction, context.node.inputs, bits, low, high)
        return
    finest = kind.fraction_bits + max(weight.fraction_bits)
    if bias is not None:
        finest = max(finest, bias.fraction_bits[0])
    context.finish(instruction, context.node.inputs, finest, *_sum_bounds(weight, bias, *value_bounds(kind)))


def _sum_bounds(
    weight: ParameterCodes, bias: ParameterCodes | None, low: Fraction | None, high: Fraction | None
) -> tuple[Fraction | None, Fraction | None]:
    """Bounds on the sums over all output channels for inputs between `low` and `high` (and 0, for padding)."""
    if low is None or high is None:
        return None, None
    low, high = min(low, Fraction(0)), max(high, Fraction(0))
    positive, negative = signed_sums(weight.codes)
    channels = len(positive)
    units = [Fraction(2) ** -bits for bits in weight.fraction_bits] * (
        channels if len(weight.fraction_bits) == 1 else 1
    )
    biases = [Fraction(0)] * channels
    if bias is not None:
        biases = [code * Fraction(2) ** -bias.fraction_bits[0] for code in bias.codes.tolist()]
    triples = list(zip(positive, negative, units, biases, strict=True))
    return (
        min((plus * low - minus * high) * unit + offset for plus, minus, unit, offset in triples),
        max((plus * high - minus * low) * unit + offset for plus, minus, unit, offset in triples),
    )


@bypass.rule(Convolution, Dense)
def _(operator: Convolution | Dense, context: LoweringContext) -> Operator:
    return replace(
        operator,
        weight=context.rounded_parameter(operator.weight),
        bias=None if operator.bias is None else context.rounded_parameter(operator.bias),
    )
