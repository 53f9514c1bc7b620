"""Arithmetic between values, element by element, in shapes that broadcast as NumPy's do (batch axis left out)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.broadcasting import broadcast_shape, spread
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.program import Bounds, CodeType
from bittrue.program.bounds import largest, smallest, total
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
    return max(kind.binary_point for kind in kinds)


@lower.rule(Add)
def _(operator: Add, context: LoweringContext) -> None:
    kinds = context.input_types
    context.finish(program.Add(), context.node.inputs, finest_bits(kinds), total(kind.bounds for kind in kinds))


@lower.rule(Subtract)
def _(operator: Subtract, context: LoweringContext) -> None:
    first, second = context.input_types
    minus, zero = np.full(1, -1, np.int64), np.zeros(1, np.int64)
    minuend, subtrahend = context.node.inputs
    bits, opposite = second.binary_point, -second.bounds
    negative = context.emit(program.ScaleOffset(minus, 0, zero, bits), (subtrahend,), bits, opposite, second.shape)
    context.finish(program.Add(), (minuend, negative), finest_bits([first, second]), first.bounds + opposite)


@lower.rule(Multiply)
def _(operator: Multiply, context: LoweringContext) -> None:
    first, second = context.input_types
    bits = first.binary_point + second.binary_point
    context.finish(program.MultiplyTensors(matrices=False), context.node.inputs, bits, first.bounds * second.bounds)


@lower.rule(Divide)
def _(operator: Divide, context: LoweringContext) -> None:
    x, divisor = context.input_types
    # No divisor is smaller than one unit of its own.
    bounds = x.bounds.divided(Fraction(2) ** -divisor.binary_point)
    context.finish(program.Divide(), context.node.inputs, None, bounds)


@lower.rule(Average)
def _(operator: Average, context: LoweringContext) -> None:
    kinds = context.input_types
    count = len(kinds)
    bounds = total(kind.bounds for kind in kinds)
    added = context.emit(program.Add(), context.node.inputs, finest_bits(kinds), bounds)
    mean = bounds.scaled(Fraction(1, count))
    context.finish(program.Divide(np.full(1, count, np.int64), 0), (added,), None, mean)


@lower.rule(Maximum)
def _(operator: Maximum, context: LoweringContext) -> None:
    _finish_extremum(context, program.Extremum(largest=True), largest)


@lower.rule(Minimum)
def _(operator: Minimum, context: LoweringContext) -> None:
    _finish_extremum(context, program.Extremum(largest=False), smallest)


def _finish_extremum(
    context: LoweringContext, instruction: program.Extremum, bounds: Callable[[Iterable[Bounds]], Bounds]
) -> None:
    kinds = context.input_types
    context.finish(instruction, context.node.inputs, finest_bits(kinds), bounds(kind.bounds for kind in kinds))


@bypass.rule(*_DONE)
def _(operator: Operator, context: LoweringContext) -> Operator:
    return operator
