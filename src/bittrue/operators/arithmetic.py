"""Arithmetic between values, element by element, in shapes that broadcast as NumPy's do (batch axis left out)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.lowering import LoweringContext, bypass, lower, value_bounds
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.broadcasting import broadcast_shape, spread
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.program import CodeType
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class Add(Operator):
    """Sum of the inputs."""


@dataclass(frozen=True, eq=False)
class Subtract(Operator):
    """The first input minus the second."""


@dataclass(frozen=True, eq=False)
class Multiply(Operator):
    """The first input times the second."""


@dataclass(frozen=True, eq=False)
class Divide(Operator):
    """The first input divided by the second: the exact quotient, rounded once. A divisor of 0 is an error when it is
    met."""


@dataclass(frozen=True, eq=False)
class Average(Operator):
    """Mean of the inputs: their exact sum divided by how many there are, rounded once (B10)."""


@dataclass(frozen=True, eq=False)
class Maximum(Operator):
    """The largest of the inputs."""


@dataclass(frozen=True, eq=False)
class Minimum(Operator):
    """The smallest of the inputs."""


Bounds = tuple[Fraction | None, Fraction | None]
"""Of a value, from below and from above; None where nothing bounds it."""

_DONE = {
    Add: "added",
    Average: "averaged",
    Divide: "divided",
    Maximum: "compared",
    Minimum: "compared",
    Multiply: "multiplied",
    Subtract: "subtracted",
}


@shape_of.rule(*_DONE)
def _(operator: Operator, shapes: tuple[Shape, ...]) -> Shape:
    done = _DONE[type(operator)]
    if isinstance(operator, Subtract | Multiply | Divide) and len(shapes) != 2:
        raise ModelError(f"{' and '.join(map(format_shape, shapes))} can't be {done}; two inputs are needed.")
    return broadcast_shape(shapes, done)


@sites.rule(Add, Subtract, Multiply, Maximum, Minimum)
def _(operator: Operator, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node),)


@sites.rule(Divide, Average)
def _(operator: Operator, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node, finite=False),)


@grouping.rule(Add, Subtract, Multiply)
def _(operator: Operator) -> Grouping:
    return Grouping.START


@grouping.rule(Divide, Average, Maximum, Minimum)
def _(operator: Operator) -> Grouping:
    return Grouping.END


@output_kind.rule(Add, Subtract, Multiply, Divide)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


@output_kind.rule(Average, Maximum, Minimum)
def _(operator: Operator) -> OutputKind:
    return OutputKind.SAME


# Float values


@float_value.rule(Add)
def _(operator: Add) -> FloatFunction:
    return lambda *xs: reduce(torch.add, spread(xs))


@float_value.rule(Average)
def _(operator: Average) -> FloatFunction:
    return lambda *xs: reduce(torch.add, spread(xs)) / len(xs)


@float_value.rule(Subtract)
def _(operator: Subtract) -> FloatFunction:
    return lambda *xs: torch.sub(*spread(xs))


@float_value.rule(Multiply)
def _(operator: Multiply) -> FloatFunction:
    return lambda *xs: torch.mul(*spread(xs))


@float_value.rule(Divide)
def _(operator: Divide) -> FloatFunction:
    return lambda *xs: torch.div(*spread(xs))


@float_value.rule(Maximum)
def _(operator: Maximum) -> FloatFunction:
    return lambda *xs: reduce(torch.maximum, spread(xs))


@float_value.rule(Minimum)
def _(operator: Minimum) -> FloatFunction:
    return lambda *xs: reduce(torch.minimum, spread(xs))


# Lowering


def finest_bits(kinds: Sequence[CodeType]) -> int:
    """The largest number of fraction bits, to which operands are aligned."""
    return max(kind.fraction_bits for kind in kinds if kind.fraction_bits is not None)


def sum_bounds(bounds: Sequence[Bounds]) -> Bounds:
    """Of the sum of values."""
    return _each_end(bounds, sum)


def product_bounds(first: Bounds, second: Bounds) -> Bounds:
    """Of the product of two values."""
    ends = (*first, *second)
    if any(end is None for end in ends):
        return None, None
    corners = [a * b for a in first for b in second if a is not None and b is not None]
    return min(corners), max(corners)


def negated(bounds: Bounds) -> Bounds:
    """Of a value times −1."""
    low, high = bounds
    return None if high is None else -high, None if low is None else -low


def _each_end(bounds: Sequence[Bounds], combine: Callable[[list[Fraction]], Fraction | int]) -> Bounds:
    """The lower ends combined, and the upper ends, where all are known."""
    lows, highs = (list(ends) for ends in zip(*bounds, strict=True))
    return (
        None if None in lows else Fraction(combine([low for low in lows if low is not None])),
        None if None in highs else Fraction(combine([high for high in highs if high is not None])),
    )


@lower.rule(Add)
def _(operator: Add, context: LoweringContext) -> None:
    kinds = context.input_types
    bounds = sum_bounds([value_bounds(kind) for kind in kinds])
    context.finish(program.Add(), context.node.inputs, finest_bits(kinds), *bounds)


@lower.rule(Subtract)
def _(operator: Subtract, context: LoweringContext) -> None:
    first, second = context.input_types
    minus, zero = np.full(1, -1, np.int64), np.zeros(1, np.int64)
    opposite = negated(value_bounds(second))
    source = context.node.inputs[1]
    bits = finest_bits([second])
    negative = context.emit(program.ScaleOffset(minus, 0, zero, bits), (source,), bits, *opposite, second.shape)
    bounds = sum_bounds([value_bounds(first), opposite])
    context.finish(program.Add(), (context.node.inputs[0], negative), finest_bits([first, second]), *bounds)


@lower.rule(Multiply)
def _(operator: Multiply, context: LoweringContext) -> None:
    bits = sum(finest_bits([kind]) for kind in context.input_types)
    bounds = product_bounds(*(value_bounds(kind) for kind in context.input_types))
    context.finish(program.MultiplyTensors(matrices=False), context.node.inputs, bits, *bounds)


@lower.rule(Divide)
def _(operator: Divide, context: LoweringContext) -> None:
    x, divisor = context.input_types
    # No divisor is smaller than one unit of its own.
    bounds = quotient_bounds(value_bounds(x), Fraction(2) ** -finest_bits([divisor]))
    context.finish(program.Divide(), context.node.inputs, None, *bounds)


def quotient_bounds(bounds: Bounds, smallest: Fraction) -> Bounds:
    """Of a value divided by numbers of either sign and an absolute value of at least `smallest`."""
    low, high = bounds
    if low is None or high is None:
        return None, None
    reach = max(abs(low), abs(high)) / smallest
    return -reach, reach


@lower.rule(Average)
def _(operator: Average, context: LoweringContext) -> None:
    kinds = context.input_types
    count = len(kinds)
    low, high = sum_bounds([value_bounds(kind) for kind in kinds])
    total = context.emit(program.Add(), context.node.inputs, finest_bits(kinds), low, high)
    mean = (None if low is None else low / count, None if high is None else high / count)
    context.finish(program.Divide(np.full(1, count, np.int64), 0), (total,), None, *mean)


@lower.rule(Maximum)
def _(operator: Maximum, context: LoweringContext) -> None:
    _finish_extremum(context, largest=True)


@lower.rule(Minimum)
def _(operator: Minimum, context: LoweringContext) -> None:
    _finish_extremum(context, largest=False)


def _finish_extremum(context: LoweringContext, *, largest: bool) -> None:
    kinds = context.input_types
    bounds = _each_end([value_bounds(kind) for kind in kinds], max if largest else min)
    context.finish(program.Extremum(largest), context.node.inputs, finest_bits(kinds), *bounds)


@bypass.rule(*_DONE)
def _(operator: Operator, context: LoweringContext) -> Operator:
    return operator
