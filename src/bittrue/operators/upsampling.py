"""Upsampling: each position repeated, and linear interpolation."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from math import floor

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.fixed.dyadic import integer_array
from bittrue.lowering import LoweringContext, ParameterCodes, bypass, lower
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.movement import row_major, transposition
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, Word, grouping, output_site, sites
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class UpsamplingNearest(Operator):
    """Each position repeated factors[k] times along spatial axis k."""

    factors: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class UpsamplingBilinear(Operator):
    """Linear interpolation along each spatial axis in turn, factors[k] times as many positions on axis k.

    Output position i reads at i·(n − 1)/(out − 1) with align_corners, else at (i + ½)/factor − ½ (half-pixel centres),
    the positions beyond the edges being the edges'. An output is the exact sum of its neighbours times the products of
    the axes' weights, rounded once. Where a weight is no dyadic number they have a site, `weight`.

    weights: of each axis, (positions, outputs), as a plan rounds them, for FLOAT; None for the exact ones.
    """

    factors: tuple[int, ...]
    align_corners: bool
    weights: tuple[np.ndarray, ...] | None = field(default=None, kw_only=True)


def interpolation(size: int, factor: int, align_corners: bool) -> list[list[Fraction]]:
    """The exact weights of one axis: for each input position a row with that of each output position."""
    outputs = size * factor
    rows = [[Fraction(0)] * outputs for _ in range(size)]
    for output in range(outputs):
        if align_corners:
            place = Fraction(output * (size - 1), max(outputs - 1, 1))
        else:
            place = (output + Fraction(1, 2)) / factor - Fraction(1, 2)
        below = floor(place)
        for index, weight in ((below, 1 - place + below), (below + 1, place - below)):
            rows[min(max(index, 0), size - 1)][output] += weight
    return rows


Axis = list[list[Fraction]]


def _axes(operator: UpsamplingBilinear, shape: Shape) -> list[Axis]:
    """The weights of each spatial axis; shape: of the output."""
    pairs = zip(shape, operator.factors, strict=False)
    return [interpolation(size // factor, factor, operator.align_corners) for size, factor in pairs]


def _numbers(axes: list[Axis]) -> list[Fraction]:
    return [weight for axis in axes for row in axis for weight in row]


def _exact_bits(axes: list[Axis]) -> int | None:
    """The fraction bits that hold every weight; None where one is no dyadic number."""
    denominators = [weight.denominator for weight in _numbers(axes)]
    if any(denominator.bit_count() > 1 for denominator in denominators):
        return None
    return max(denominators).bit_length() - 1


@shape_of.rule(UpsamplingNearest, UpsamplingBilinear)
def _(operator: UpsamplingNearest | UpsamplingBilinear, shapes: tuple[Shape, ...]) -> Shape:
    return upsampled_shape(shapes[0], operator.factors)


def upsampled_shape(shape: Shape, factors: tuple[int, ...]) -> Shape:
    """The shape with its spatial axes made longer; raises ModelError where the factors don't fit."""
    if len(shape) != len(factors) + 1 or min(factors) < 1:
        raise ModelError(f"factors of {format_shape(factors)} don't fit an input of {format_shape(shape)}.")
    return (*(size * factor for size, factor in zip(shape, factors, strict=False)), shape[-1])


@sites.rule(UpsamplingNearest)
def _(operator: UpsamplingNearest, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node),)


@sites.rule(UpsamplingBilinear)
def _(operator: UpsamplingBilinear, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    axes = _axes(operator, node.shape)
    if _exact_bits(axes) is not None:
        return (output_site(node),)
    values = np.array([float(weight) for weight in _numbers(axes)])
    return (output_site(node), Site(f"{node.name}.weight", node.name, "weight", values=values, finite=False))


@grouping.rule(UpsamplingNearest)
def _(operator: UpsamplingNearest) -> Grouping:
    return Grouping.PASS


@grouping.rule(UpsamplingBilinear)
def _(operator: UpsamplingBilinear) -> Grouping:
    return Grouping.END


@output_kind.rule(UpsamplingNearest, UpsamplingBilinear)
def _(operator: Operator) -> OutputKind:
    return OutputKind.SAME


@float_value.rule(UpsamplingNearest)
def _(operator: UpsamplingNearest) -> FloatFunction:
    def repeat(x: torch.Tensor) -> torch.Tensor:
        for axis, factor in enumerate(operator.factors, start=1):
            x = x.repeat_interleave(factor, axis)
        return x

    return repeat


@float_value.rule(UpsamplingBilinear)
def _(operator: UpsamplingBilinear) -> FloatFunction:
    def interpolate(x: torch.Tensor) -> torch.Tensor:
        weights = operator.weights
        if weights is None:
            weights = _as_floats(_axes(operator, upsampled_shape(tuple(x.shape[1:]), operator.factors)))
        for axis, weight in enumerate(weights, start=1):
            x = (x.movedim(axis, -1) @ torch.from_numpy(weight).to(x.device)).movedim(-1, axis)
        return x

    return interpolate


def _as_floats(axes: list[Axis]) -> tuple[np.ndarray, ...]:
    return tuple(np.array([[float(weight) for weight in row] for row in axis], np.float32) for axis in axes)


# Lowering


@lower.rule(UpsamplingNearest)
def _(operator: UpsamplingNearest, context: LoweringContext) -> None:
    (kind,) = context.input_types
    *spatial, channels = kind.shape
    *strides, last = row_major(kind.shape)
    sizes = chain.from_iterable(zip(spatial, operator.factors, strict=True))
    repeated = chain.from_iterable((stride, 0) for stride in strides)
    move = program.Move((*sizes, channels), (*repeated, last))
    context.finish(move, context.node.inputs, kind.binary_point, kind.bounds)


@lower.rule(UpsamplingBilinear)
def _(operator: UpsamplingBilinear, context: LoweringContext) -> None:
    """Along each axis in turn: the axis moved to the end, a dense layer over it, and back."""
    source = context.node.inputs[0]
    weights = _weights(operator, context)
    for axis, weight in enumerate(weights):
        kind = context.type_of(source)
        shape, rank = kind.shape, len(kind.shape)
        to_end = (*(other for other in range(rank) if other != axis), axis)
        turned = tuple(shape[place] for place in to_end)
        move = transposition(shape, to_end)
        source = context.emit(move, (source,), kind.binary_point, kind.bounds, turned)

        bits = kind.binary_point + weight.fraction_bits[0]
        dense = program.MultiplyAccumulate(weight.codes, weight.fraction_bits, None, 0, (), (), (), 1)
        bounds = weight.sum_bounds(None, kind.bounds)
        longer = (*turned[:-1], weight.codes.shape[1])
        source = context.emit(dense, (source,), bits, bounds, longer)

        back = transposition(longer, tuple(to_end.index(place) for place in range(rank)))
        if axis == len(weights) - 1:
            context.finish(back, (source,), bits, bounds)
        else:
            source = context.emit(back, (source,), bits, bounds, tuple(longer[to_end.index(k)] for k in range(rank)))


def _weights(operator: UpsamplingBilinear, context: LoweringContext) -> list[ParameterCodes]:
    """The codes of each axis's weights: exact, or as the site rounds them."""
    axes = _axes(operator, context.node.shape)
    bits = _exact_bits(axes)
    if bits is not None:
        codes = ParameterCodes(integer_array([int(weight * 2**bits) for weight in _numbers(axes)]), (bits,))
    else:
        codes = context.derived("weight", [(weight, Fraction(0), Fraction(1)) for weight in _numbers(axes)])
    ends = np.cumsum([len(axis) * len(axis[0]) for axis in axes])[:-1]
    parts = zip(np.split(codes.codes, ends), axes, strict=True)
    return [replace(codes, codes=part.reshape(len(axis), len(axis[0]))) for part, axis in parts]


@bypass.rule(UpsamplingNearest)
def _(operator: UpsamplingNearest, context: LoweringContext) -> Operator:
    return operator


@bypass.rule(UpsamplingBilinear)
def _(operator: UpsamplingBilinear, context: LoweringContext) -> Operator:
    axes = _axes(operator, context.node.shape)
    if _exact_bits(axes) is not None or context.spec("weight") is Word.FLOAT:
        return operator
    return replace(operator, weights=tuple(part.values.astype(np.float32) for part in _weights(operator, context)))
