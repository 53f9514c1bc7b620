"""Operators that pass values on in order: input, flatten, reshape, pad, concatenate, identity."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import isfinite, prod

import torch

from bittrue import program
from bittrue.errors import ModelError, PlanError
from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.operators.windows import channels_first, channels_last, pad_spatial
from bittrue.plan import Grouping, PlanOptions, Site, Word, grouping, output_site, sites
from bittrue.program import Bounds
from bittrue.program.bounds import hull
from bittrue.shapes import Padding, Shape


@dataclass(frozen=True, eq=False)
class Input(Operator):
    """The network's input; `shape` leaves the batch axis out."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Identity(Operator):
    """Passes its input on: dropout at inference, a linear activation."""


@dataclass(frozen=True, eq=False)
class Flatten(Operator):
    """All axes in one, row-major over (height, width, channels)."""


@dataclass(frozen=True, eq=False)
class Reshape(Operator):
    """The same values, row-major, in another shape (batch axis left out, no −1)."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class ZeroPadding(Operator):
    """Zeros around the spatial axes: (before, after) for each."""

    padding: Padding


@dataclass(frozen=True, eq=False)
class Pad(Operator):
    """`value` around the input: (before, after) for each axis, channels included.

    The value is an exact number, which the output's quantizer rounds with the rest.
    """

    padding: Padding
    value: float = 0.0


@dataclass(frozen=True, eq=False)
class Concatenate(Operator):
    """Inputs one after the other along `axis`, counted without the batch axis, from 0."""

    axis: int


# Shapes


@shape_of.rule(Input)
def _(operator: Input, shapes: tuple[Shape, ...]) -> Shape:
    return operator.shape


@shape_of.rule(Identity)
def _(operator: Identity, shapes: tuple[Shape, ...]) -> Shape:
    return shapes[0]


@shape_of.rule(Flatten)
def _(operator: Flatten, shapes: tuple[Shape, ...]) -> Shape:
    return (prod(shapes[0]),)


@shape_of.rule(Reshape)
def _(operator: Reshape, shapes: tuple[Shape, ...]) -> Shape:
    if prod(operator.shape) != prod(shapes[0]):
        raise ModelError(f"{format_shape(shapes[0])} can't be reshaped to {format_shape(operator.shape)}.")
    return operator.shape


@shape_of.rule(ZeroPadding)
def _(operator: ZeroPadding, shapes: tuple[Shape, ...]) -> Shape:
    *spatial, channels = shapes[0]
    if len(spatial) != len(operator.padding):
        raise ModelError(f"padding of {len(operator.padding)} axes doesn't fit an input of {format_shape(shapes[0])}.")
    padded = (size + before + after for size, (before, after) in zip(spatial, operator.padding, strict=True))
    return (*padded, channels)


@shape_of.rule(Pad)
def _(operator: Pad, shapes: tuple[Shape, ...]) -> Shape:
    if len(shapes[0]) != len(operator.padding) or min(chain.from_iterable(operator.padding), default=0) < 0:
        raise ModelError(f"padding of {operator.padding} doesn't fit an input of {format_shape(shapes[0])}.")
    if not isfinite(operator.value):
        raise ModelError(f"padding with {operator.value} is not supported, as it has no fixed-point code.")
    return tuple(size + before + after for size, (before, after) in zip(shapes[0], operator.padding, strict=True))


@shape_of.rule(Concatenate)
def _(operator: Concatenate, shapes: tuple[Shape, ...]) -> Shape:
    axis = operator.axis
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(others) != 1 or not all(0 <= axis < len(shape) for shape in shapes):
        raise ModelError(f"{' and '.join(map(format_shape, shapes))} can't be concatenated along axis {axis}.")
    joined = sum(shape[axis] for shape in shapes)
    return (*shapes[0][:axis], joined, *shapes[0][axis + 1 :])


# Sites and groups


@sites.rule(Input, Identity, Flatten, Reshape, ZeroPadding, Pad, Concatenate)
def _(operator: Operator, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node, finite=not isinstance(operator, Input)),)


@grouping.rule(Input, Concatenate)
def _(operator: Operator) -> Grouping:
    return Grouping.END


@grouping.rule(Identity, Flatten, Reshape, ZeroPadding)
def _(operator: Operator) -> Grouping:
    return Grouping.PASS


@grouping.rule(Pad)
def _(operator: Pad) -> Grouping:
    return Grouping.END if operator.value else Grouping.PASS


@output_kind.rule(Pad)
def _(operator: Operator) -> OutputKind:
    return OutputKind.SAME if isinstance(operator, Pad) and operator.value == 0 else OutputKind.OTHER


@output_kind.rule(Identity, Flatten, Reshape, ZeroPadding, Concatenate)
def _(operator: Operator) -> OutputKind:
    return OutputKind.SAME


@output_kind.rule(Input)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


# Float values


@float_value.rule(Input, Identity)
def _(operator: Operator) -> FloatFunction:
    return lambda x: x


@float_value.rule(Flatten)
def _(operator: Flatten) -> FloatFunction:
    return lambda x: x.reshape(x.shape[0], -1)


@float_value.rule(Reshape)
def _(operator: Reshape) -> FloatFunction:
    return lambda x: x.reshape(x.shape[0], *operator.shape)


@float_value.rule(ZeroPadding)
def _(operator: ZeroPadding) -> FloatFunction:
    return lambda x: channels_last(pad_spatial(channels_first(x), operator.padding))


@float_value.rule(Pad)
def _(operator: Pad) -> FloatFunction:
    flat = [size for pair in reversed(operator.padding) for size in pair]
    return lambda x: torch.nn.functional.pad(x, flat, value=operator.value)


@float_value.rule(Concatenate)
def _(operator: Concatenate) -> FloatFunction:
    return lambda *xs: torch.cat(xs, operator.axis + 1)


# Lowering


@lower.rule(Input)
def _(operator: Input, context: LoweringContext) -> None:
    if context.spec("output") is Word.FLOAT:
        context.finish_float(program.Quantize())
    elif context.spec("output") is Word.EXACT:
        raise PlanError(
            f"site {context.node.name}.output: EXACT is impossible for an input, whose float32 values "
            "need up to 277 bits; give it a format, or FLOAT."
        )
    else:
        context.finish(program.Quantize(), (), None, Bounds())


@lower.rule(Identity, Flatten, Reshape)
def _(operator: Operator, context: LoweringContext) -> None:
    (kind,) = context.input_types
    context.finish(program.Reshape(), context.node.inputs, kind.binary_point, kind.bounds)


@lower.rule(ZeroPadding)
def _(operator: ZeroPadding, context: LoweringContext) -> None:
    _finish_padding((*operator.padding, (0, 0)), Fraction(0), context)


@lower.rule(Pad)
def _(operator: Pad, context: LoweringContext) -> None:
    _finish_padding(operator.padding, Fraction(operator.value), context)


def _finish_padding(padding: Padding, value: Fraction, context: LoweringContext) -> None:
    (kind,) = context.input_types
    bits = max(kind.binary_point, value.denominator.bit_length() - 1)
    bounds = hull([kind.bounds, Bounds.exactly(value)])
    context.finish(program.Pad(padding, value), context.node.inputs, bits, bounds)


@lower.rule(Concatenate)
def _(operator: Concatenate, context: LoweringContext) -> None:
    kinds = context.input_types
    finest = max(kind.binary_point for kind in kinds)
    context.finish(program.Concatenate(operator.axis), context.node.inputs, finest, hull(kind.bounds for kind in kinds))


@bypass.rule(Input, Identity, Flatten, Reshape, ZeroPadding, Pad, Concatenate)
def _(operator: Operator, context: LoweringContext) -> Operator:
    return operator
