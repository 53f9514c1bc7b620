"""Sums of products with trained weights: convolutions, transposed ones, and dense layers."""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.lowering import LoweringContext, ParameterCodes, bypass, lower
from bittrue.network import Node, Operator, Parameter, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.operators.windows import (
    channels_first,
    channels_last,
    convolution_weight,
    convolve,
    convolve_transposed,
    pad_spatial,
    transposed_weight,
    window_shape,
)
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, parameter_site, sites
from bittrue.program import Bounds
from bittrue.program.bounds import hull
from bittrue.shapes import Padding, Shape


@dataclass(frozen=True, eq=False)
class Convolution(Operator):
    """y[p, c] = Σ_k,i x[p·stride + k·dilation − padding, i]·w[k, i, c] + b[c], over one or two spatial axes.

    Grouped and depthwise ones included.

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
class ConvolutionTransposed(Operator):
    """y[p·stride + k·dilation − padding, c] = Σ x[p, i]·w[k, i, c] + b[c]: each input is spread over the output.

    weight: (*kernel, in_channels / groups, out_channels), not flipped; groups as in Convolution. padding: how much of
    the full result, (in − 1)·stride + dilation·(kernel − 1) + 1 positions, is cropped (before, after) on each spatial
    axis; output_padding: how many positions are put behind the rest, which hold what was cropped there, or the bias.
    """

    weight: Parameter
    bias: Parameter | None
    strides: tuple[int, ...]
    padding: Padding
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


@dataclass(frozen=True, eq=False)
class Dense(Operator):
    """y = x·weight + bias over the last axis of an input of any rank; weight: (in, out)."""

    weight: Parameter
    bias: Parameter | None


Weighted = Convolution | ConvolutionTransposed | Dense


@shape_of.rule(Convolution)
def _(operator: Convolution, shapes: tuple[Shape, ...]) -> Shape:
    spatial, kernel = _checked_axes(operator, shapes[0])
    return (
        *window_shape(spatial, kernel, operator.strides, operator.padding, operator.dilation),
        operator.weight.value.shape[-1],
    )


@shape_of.rule(ConvolutionTransposed)
def _(operator: ConvolutionTransposed, shapes: tuple[Shape, ...]) -> Shape:
    spatial, kernel = _checked_axes(operator, shapes[0])
    full = window_shape(_stuffed(spatial, operator.strides), kernel, *_everywhere(kernel, operator.dilation))
    sizes = []
    for size, (before, after), more in zip(full, operator.padding, operator.output_padding, strict=True):
        sizes.append(size - before - after + more)
        if sizes[-1] < 1 or max(before, after - more) >= size:
            raise ModelError(f"a result of {format_shape(full)} is cropped to nothing.")
    return (*sizes, operator.weight.value.shape[-1])


def _checked_axes(operator: Convolution | ConvolutionTransposed, shape: Shape) -> tuple[Shape, Shape]:
    """The input's spatial shape and the kernel's, which fit each other."""
    *spatial, channels = shape
    *kernel, per_group, out = operator.weight.value.shape
    if channels != per_group * operator.groups or out % operator.groups:
        raise ModelError(
            f"a weight of {format_shape(operator.weight.value.shape)} in {operator.groups} groups doesn't fit "
            f"an input of {format_shape(shape)}."
        )
    if len(kernel) not in (1, 2):
        raise ModelError(f"a convolution over {len(kernel)} axes is not supported; use one over one axis or two.")
    if len(spatial) != len(kernel):
        raise ModelError(
            f"a window of {format_shape(tuple(kernel))} can't move over an input of {format_shape(tuple(spatial))}."
        )
    return tuple(spatial), tuple(kernel)


def _stuffed(spatial: Shape, strides: tuple[int, ...]) -> Shape:
    """The shape of an input with stride − 1 zeros between its positions."""
    return tuple((size - 1) * stride + 1 for size, stride in zip(spatial, strides, strict=True))


def _everywhere(kernel: Shape, dilation: tuple[int, ...]) -> tuple[tuple[int, ...], Padding, tuple[int, ...]]:
    """Strides, padding and dilation of a window at every place where it meets the input."""
    reaches = [step * (size - 1) for size, step in zip(kernel, dilation, strict=True)]
    return (1,) * len(kernel), tuple((reach, reach) for reach in reaches), dilation


@shape_of.rule(Dense)
def _(operator: Dense, shapes: tuple[Shape, ...]) -> Shape:
    *leading, features = shapes[0]
    if features != operator.weight.value.shape[0]:
        raise ModelError(
            f"a weight of {format_shape(operator.weight.value.shape)} doesn't fit an input "
            f"of {format_shape(shapes[0])}."
        )
    return (*leading, operator.weight.value.shape[1])


@sites.rule(Convolution, ConvolutionTransposed, Dense)
def _(operator: Weighted, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    weight = parameter_site(node, "weight", operator.weight, channels=operator.weight.value.shape[-1])
    bias = () if operator.bias is None else (parameter_site(node, "bias", operator.bias),)
    return (output_site(node), weight, *bias, Site(f"{node.name}.accumulator", node.name, "accumulator"))


@grouping.rule(Convolution, ConvolutionTransposed, Dense)
def _(operator: Operator) -> Grouping:
    return Grouping.START


@output_kind.rule(Convolution, ConvolutionTransposed, Dense)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


@float_value.rule(Convolution)
def _(operator: Convolution) -> FloatFunction:
    weight = convolution_weight(_tensor(operator.weight))
    bias = None if operator.bias is None else _tensor(operator.bias)
    geometry = (operator.strides, operator.padding, operator.dilation, operator.groups)
    return lambda x: convolve(x, weight, bias, *geometry)


@float_value.rule(ConvolutionTransposed)
def _(operator: ConvolutionTransposed) -> FloatFunction:
    weight = transposed_weight(_tensor(operator.weight), operator.groups)
    bias = None if operator.bias is None else _tensor(operator.bias)
    cropping = tuple(
        (-before, more - after) for (before, after), more in zip(operator.padding, operator.output_padding, strict=True)
    )
    geometry = (operator.strides, operator.dilation, operator.groups)

    def convolution_transposed(x: torch.Tensor) -> torch.Tensor:
        full = channels_first(convolve_transposed(x, weight, *geometry))
        y = channels_last(pad_spatial(full, cropping))
        return y if bias is None else y + bias

    return convolution_transposed


@float_value.rule(Dense)
def _(operator: Dense) -> FloatFunction:
    weight = _tensor(operator.weight).T
    bias = None if operator.bias is None else _tensor(operator.bias)
    return lambda x: torch.nn.functional.linear(x, weight, bias)


def _tensor(parameter: Parameter) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(parameter.value, np.float32))


@lower.rule(Convolution)
def _(operator: Convolution, context: LoweringContext) -> None:
    geometry = (operator.strides, operator.padding, operator.dilation, operator.groups)
    _finish(operator, context, context.node.inputs[0], context.parameter(operator.weight), *geometry)


@lower.rule(ConvolutionTransposed)
def _(operator: ConvolutionTransposed, context: LoweringContext) -> None:
    """The same sum as that of a convolution with the flipped kernel over the input with zeros between its positions,
    and so in the order that such a one has (B6)."""
    (kind,) = context.input_types
    *spatial, channels = kind.shape
    *kernel, _, _ = operator.weight.value.shape
    places = [
        _spread(*axis)
        for axis in zip(
            spatial, kernel, operator.strides, operator.padding, operator.output_padding, operator.dilation, strict=True
        )
    ]
    source = context.node.inputs[0]
    if places != [tuple(range(size)) for size in spatial]:
        bounds = hull([kind.bounds, Bounds.exactly(Fraction(0))])
        shape = (*map(len, places), channels)
        source = context.emit(program.Select((*places, None)), (source,), kind.binary_point, bounds, shape)
    weight = context.parameter(operator.weight)
    flipped = np.flip(weight.codes, tuple(range(len(kernel)))).copy()
    ones, nothing = (1,) * len(kernel), ((0, 0),) * len(kernel)
    geometry = (ones, nothing, operator.dilation, operator.groups)
    _finish(operator, context, source, replace(weight, codes=flipped), *geometry)


def _spread(
    size: int, reach: int, stride: int, padding: tuple[int, int], output_padding: int, dilation: int
) -> tuple[int, ...]:
    """The places of one axis with stride − 1 zeros (−1) between them, and the zeros around them over which a window of
    `reach` taps makes what is left of the full result."""
    margin, (before, after) = dilation * (reach - 1), padding
    stuffed = range(before - margin, (size - 1) * stride + 1 + margin - after + output_padding)
    return tuple(place // stride if place % stride == 0 and 0 <= place < size * stride else -1 for place in stuffed)


@lower.rule(Dense)
def _(operator: Dense, context: LoweringContext) -> None:
    _finish(operator, context, context.node.inputs[0], context.parameter(operator.weight), (), (), (), 1)


def _finish(
    operator: Weighted,
    context: LoweringContext,
    source: str,
    weight: ParameterCodes,
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
    groups: int,
) -> None:
    """The node's last step, its sums of products of the step `source` with `weight`."""
    kind = context.type_of(source)
    bias = None if operator.bias is None else context.parameter(operator.bias)
    instruction = program.MultiplyAccumulate(
        weight.codes,
        weight.fraction_bits,
        None if bias is None else bias.codes,
        0 if bias is None else bias.fraction_bits[0],
        strides,
        padding,
        dilation,
        groups,
        context.accumulator(),
        context.options.product == "quantized",
    )
    if instruction.accumulator is not None:
        bits = instruction.accumulator.format.fraction_bits
        context.finish(instruction, (source,), bits, Bounds.of_quantizer(instruction.accumulator))
        return
    finest = kind.binary_point + max(weight.fraction_bits)
    if bias is not None:
        finest = max(finest, bias.fraction_bits[0])
    context.finish(instruction, (source,), finest, weight.sum_bounds(bias, kind.bounds))


@bypass.rule(Convolution, ConvolutionTransposed, Dense)
def _(operator: Weighted, context: LoweringContext) -> Operator:
    return replace(
        operator,
        weight=context.rounded_parameter(operator.weight),
        bias=None if operator.bias is None else context.rounded_parameter(operator.bias),
    )
