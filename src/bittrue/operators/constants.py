"""Arithmetic with trained or given constants, element by element."""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError, PlanError
from bittrue.lowering import LoweringContext, ParameterCodes, bypass, lower
from bittrue.network import Node, Operator, Parameter, format_shape, shape_of
from bittrue.operators.broadcasting import broadcast_shape
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, parameter_site, sites
from bittrue.program.bounds import affine
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class ScaleOffset(Operator):
    """scale·x + offset, rounded once. The constants broadcast against x (a number, one a channel, one an element)
    without changing its shape; scale absent is 1, offset absent 0."""

    scale: Parameter | None
    offset: Parameter | None


@dataclass(frozen=True, eq=False)
class DivideConstant(Operator):
    """x / divisor: the exact quotient by the number that hardware stores, rounded once.

    divisor: broadcasts against x without changing its shape. A division by a power of two is a ScaleOffset as well,
    since its reciprocal is a dyadic number; any other reciprocal would be rounded before it is used.
    """

    divisor: Parameter


@shape_of.rule(ScaleOffset, DivideConstant)
def _(operator: Operator, shapes: tuple[Shape, ...]) -> Shape:
    for role, parameter in operator.parameters():
        if broadcast_shape([shapes[0], parameter.value.shape], "combined") != shapes[0]:
            found, given = format_shape(parameter.value.shape), format_shape(shapes[0])
            raise ModelError(f"its {role} of {found} doesn't fit an input of {given}.")
    return shapes[0]


@sites.rule(ScaleOffset)
def _(operator: ScaleOffset, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node), *(parameter_site(node, *pair) for pair in operator.parameters()))


@sites.rule(DivideConstant)
def _(operator: DivideConstant, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node, finite=False), parameter_site(node, "divisor", operator.divisor))


@grouping.rule(ScaleOffset, DivideConstant)
def _(operator: Operator) -> Grouping:
    return Grouping.FOLLOW


@output_kind.rule(ScaleOffset, DivideConstant)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


# Float values


@float_value.rule(ScaleOffset)
def _(operator: ScaleOffset) -> FloatFunction:
    scale, offset = (
        None if parameter is None else torch.tensor(parameter.value, dtype=torch.float32)
        for parameter in (operator.scale, operator.offset)
    )

    def scale_offset(x: torch.Tensor) -> torch.Tensor:
        y = x if scale is None else x * scale
        return y if offset is None else y + offset

    return scale_offset


@float_value.rule(DivideConstant)
def _(operator: DivideConstant) -> FloatFunction:
    divisor = torch.tensor(operator.divisor.value, dtype=torch.float32)
    return lambda x: x / divisor


# Lowering


def _constant(parameter: Parameter | None, absent: int, context: LoweringContext) -> ParameterCodes:
    """The codes of a constant, of one axis at least."""
    if parameter is None:
        return ParameterCodes(np.full(1, absent, np.int64), (0,))
    rounded = context.parameter(parameter)
    return replace(rounded, codes=np.atleast_1d(rounded.codes))


@lower.rule(ScaleOffset)
def _(operator: ScaleOffset, context: LoweringContext) -> None:
    (kind,) = context.input_types
    scale, offset = _constant(operator.scale, 1, context), _constant(operator.offset, 0, context)
    branch = (scale.codes, scale.fraction_bits[0], offset.codes, offset.fraction_bits[0])
    bits = max(kind.binary_point + scale.fraction_bits[0], offset.fraction_bits[0])
    context.finish(program.ScaleOffset(*branch), context.node.inputs, bits, affine(kind.bounds, *branch))


@lower.rule(DivideConstant)
def _(operator: DivideConstant, context: LoweringContext) -> None:
    (kind,) = context.input_types
    divisor = _constant(operator.divisor, 1, context)
    if not divisor.codes.all():
        raise PlanError(
            f"site {operator.divisor.name}: a divisor is 0 once it is rounded; give the site more fraction bits."
        )
    smallest = int(abs(divisor.codes.astype(object)).min()) * Fraction(2) ** -divisor.fraction_bits[0]
    instruction = program.Divide(divisor.codes, divisor.fraction_bits[0])
    context.finish(instruction, context.node.inputs, None, kind.bounds.divided(smallest))


@bypass.rule(ScaleOffset)
def _(operator: ScaleOffset, context: LoweringContext) -> Operator:
    return ScaleOffset(
        None if operator.scale is None else context.rounded_parameter(operator.scale),
        None if operator.offset is None else context.rounded_parameter(operator.offset),
    )


@bypass.rule(DivideConstant)
def _(operator: DivideConstant, context: LoweringContext) -> Operator:
    return DivideConstant(context.rounded_parameter(operator.divisor))
