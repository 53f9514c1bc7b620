"""Pooling over windows of the spatial axes, and over all of them."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from operator import mul

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.fixed import Quantizer
from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.movement import row_major
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.operators.windows import ceiled_padding, window_counts, window_extremum, window_shape, window_sum
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.program import Bounds
from bittrue.program.bounds import hull
from bittrue.shapes import Padding, Shape


@dataclass(frozen=True, eq=False)
class SlidingWindows:
    """Windows that slide over the spatial axes; one entry an axis in each field.

    dilation: the distance between a window's taps, None where it is 1 on every axis. ceil_mode: a last window may hang
    over the end of an axis, if it starts inside the input or in the padding before it (as in ONNX and PyTorch).
    """

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...] | None = field(default=None, kw_only=True)
    ceil_mode: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.dilation is not None and set(self.dilation) <= {1}:
            object.__setattr__(self, "dilation", None)  # one spelling, whichever front end it came from

    def geometry(self, spatial: Shape) -> tuple[tuple[int, ...], tuple[int, ...], Padding, tuple[int, ...]]:
        """Window, strides, padding (what ceil_mode adds included) and dilation over an input of this spatial shape."""
        dilation = self.dilation or (1,) * len(self.window)
        if len(spatial) != len(self.window) or not self.ceil_mode:
            return self.window, self.strides, self.padding, dilation
        padding = ceiled_padding(spatial, self.window, self.strides, self.padding, dilation)
        return self.window, self.strides, padding, dilation


@dataclass(frozen=True, eq=False)
class MaxPooling(SlidingWindows, Operator):
    """y[p, c] = max of x[…, c] over the window at p; padded positions take no part (B10)."""


@dataclass(frozen=True, eq=False)
class AveragePooling(SlidingWindows, Operator):
    """y[p, c] = mean of x[…, c] over the window at p, divided by the number of positions inside the input (B10).

    count_include_pad: count the padding, too (ONNX and PyTorch can say so), but not what ceil_mode adds to it. divisor:
    divides every window's sum in the place of these counts, as PyTorch's divisor_override does; None for the counts.
    """

    count_include_pad: bool = False
    divisor: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False)
class GlobalMaxPooling(Operator):
    """y[c] = max of x[…, c] over all spatial axes; keepdims leaves them with size 1."""

    keepdims: bool = False


@dataclass(frozen=True, eq=False)
class GlobalAveragePooling(Operator):
    """y[c] = mean of x[…, c] over all spatial axes; keepdims leaves them with size 1."""

    keepdims: bool = False


Global = GlobalMaxPooling | GlobalAveragePooling


@shape_of.rule(MaxPooling, AveragePooling)
def _(operator: MaxPooling | AveragePooling, shapes: tuple[Shape, ...]) -> Shape:
    *leading, channels = shapes[0]
    spatial = tuple(leading)
    geometry = operator.geometry(spatial)
    result = window_shape(spatial, *geometry)
    counts_padding = isinstance(operator, AveragePooling) and (operator.count_include_pad or operator.divisor)
    if not counts_padding and not window_counts(spatial, *geometry).all():
        raise ModelError(f"a window of {format_shape(operator.window)} lies in the padding alone.")
    return (*result, channels)


@shape_of.rule(GlobalMaxPooling, GlobalAveragePooling)
def _(operator: Global, shapes: tuple[Shape, ...]) -> Shape:
    *spatial, channels = shapes[0]
    if not spatial:
        raise ModelError(f"an input of {format_shape(shapes[0])} has no spatial axes to pool over.")
    return (*(1 for _ in spatial), channels) if operator.keepdims else (channels,)


@sites.rule(MaxPooling, GlobalMaxPooling)
def _(operator: Operator, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node),)


@sites.rule(AveragePooling, GlobalAveragePooling)
def _(operator: Operator, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node), window_accumulator_site(node))


def window_accumulator_site(node: Node) -> Site:
    """The site of what grows while a window is summed; its sums are exact unless a plan says otherwise."""
    return Site(f"{node.name}.accumulator", node.name, "accumulator", optional=True)


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
    return lambda x: window_extremum(x, *operator.geometry(tuple(x.shape[1:-1])))


@float_value.rule(AveragePooling)
def _(operator: AveragePooling) -> FloatFunction:
    def average(x: torch.Tensor) -> torch.Tensor:
        spatial = tuple(x.shape[1:-1])
        divisor = torch.from_numpy(_divisors(operator, spatial)).to(x.device, x.dtype)
        return window_sum(x, *operator.geometry(spatial)) / divisor.unsqueeze(-1)

    return average


@float_value.rule(GlobalMaxPooling)
def _(operator: GlobalMaxPooling) -> FloatFunction:
    return lambda x: x.amax(tuple(range(1, x.dim() - 1)), keepdim=operator.keepdims)


@float_value.rule(GlobalAveragePooling)
def _(operator: GlobalAveragePooling) -> FloatFunction:
    return lambda x: x.mean(tuple(range(1, x.dim() - 1)), keepdim=operator.keepdims)


def _divisors(operator: AveragePooling, spatial: Shape) -> np.ndarray:
    if operator.divisor is not None:
        return np.full(window_shape(spatial, *operator.geometry(spatial)), operator.divisor, np.int64)
    margin = operator.padding if operator.count_include_pad else None
    return window_counts(spatial, *operator.geometry(spatial), margin)


@lower.rule(MaxPooling)
def _(operator: MaxPooling, context: LoweringContext) -> None:
    (kind,) = context.input_types
    instruction = program.WindowExtremum(*operator.geometry(kind.shape[:-1]))
    context.finish(instruction, context.node.inputs, kind.binary_point, kind.bounds)


@lower.rule(AveragePooling)
def _(operator: AveragePooling, context: LoweringContext) -> None:
    spatial = context.input_types[0].shape[:-1]
    geometry = operator.geometry(spatial)
    instruction = program.WindowSum(*geometry, _divisors(operator, spatial))
    finish_sum(context, context.node.inputs[0], instruction, window_counts(spatial, *geometry))


@lower.rule(GlobalMaxPooling)
def _(operator: GlobalMaxPooling, context: LoweringContext) -> None:
    (kind,) = context.input_types
    instruction = program.WindowExtremum(*_whole(kind.shape[:-1]))
    context.finish(instruction, context.node.inputs, kind.binary_point, kind.bounds)


@lower.rule(GlobalAveragePooling)
def _(operator: GlobalAveragePooling, context: LoweringContext) -> None:
    spatial = context.input_types[0].shape[:-1]
    count = np.full((1,) * len(spatial), prod(spatial), np.int64)
    finish_sum(context, context.node.inputs[0], program.WindowSum(*_whole(spatial), count), count)


def _whole(spatial: Shape) -> tuple[Shape, Shape, Padding, Shape]:
    """The one window (window, strides, padding, dilation) that covers all positions."""
    ones = (1,) * len(spatial)
    return spatial, ones, ((0, 0),) * len(spatial), ones


def finish_sum(context: LoweringContext, source: str, instruction: program.WindowSum, counts: np.ndarray) -> None:
    """The node's last step, a sum over windows, divided; counts: how many numbers of the input each window holds, by
    position, in the shape of the divisors."""
    accumulator = context.accumulator()
    if accumulator is not None:
        source, instruction = _accumulated(context, source, instruction, accumulator)
        counts = np.ones_like(instruction.divisor)
    kind = context.type_of(source)
    pairs = np.unique(np.stack([counts.ravel(), instruction.divisor.ravel()]), axis=1).T.tolist()
    # A window's sum is its count of numbers, over its divisor, times a number between the input's bounds.
    ratios = [Fraction(count, divisor) for count, divisor in pairs]
    bounds = hull(kind.bounds.scaled(ratio) for ratio in ratios)
    divisors = np.unique(instruction.divisor)
    dyadic = all(int(divisor).bit_count() == 1 for divisor in divisors)
    bits = kind.binary_point + int(divisors.max()).bit_length() - 1 if dyadic else None
    context.finish(instruction, (source,), bits, bounds)


def _accumulated(
    context: LoweringContext, source: str, instruction: program.WindowSum, accumulator: Quantizer
) -> tuple[str, program.WindowSum]:
    """The step that holds the sums of an accumulator, one a position, and the instruction that divides them.

    The sums are those of products with 1 (B6): each window's numbers are laid out in a row, the padding's zeros among
    them.
    """
    kind = context.type_of(source)
    bounds, shape = kind.bounds, kind.shape
    if any(map(any, instruction.padding)):
        bounds = hull([bounds, Bounds.exactly(Fraction(0))])
        padding = (*instruction.padding, (0, 0))
        shape = tuple(size + before + after for size, (before, after) in zip(shape, padding, strict=True))
        source = context.emit(program.Pad(padding), (source,), kind.binary_point, bounds, shape)
    positions, channels = instruction.divisor.shape, shape[-1]
    *apart, between_channels = row_major(shape)
    move = program.Move(
        (*positions, channels, *instruction.window),
        (*map(mul, apart, instruction.strides), between_channels, *map(mul, apart, instruction.dilation)),
    )
    taps = prod(instruction.window)
    source = context.emit(move, (source,), kind.binary_point, bounds, (*positions, channels, taps))
    ones = np.ones((taps, 1), np.int64)
    total = program.MultiplyAccumulate(ones, (0,), None, 0, (), (), (), 1, accumulator)
    bits, limits = accumulator.format.fraction_bits, Bounds.of_quantizer(accumulator)
    source = context.emit(total, (source,), bits, limits, (*positions, channels, 1))
    source = context.emit(program.Reshape(), (source,), bits, limits, (*positions, channels))
    each, nothing = (1,) * len(positions), ((0, 0),) * len(positions)
    return source, program.WindowSum(each, each, nothing, each, instruction.divisor)


@bypass.rule(MaxPooling, AveragePooling, GlobalMaxPooling, GlobalAveragePooling)
def _(operator: Operator, context: LoweringContext) -> Operator:
    return operator
