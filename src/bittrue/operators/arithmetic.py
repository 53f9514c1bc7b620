"""Arithmetic between values."""

from dataclasses import dataclass

import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.lowering import LoweringContext, bypass, lower, value_bounds
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class Add(Operator):
    """Sum of inputs of one shape."""


@shape_of.rule(Add)
def _(operator: Add, shapes: tuple[Shape, ...]) -> Shape:
    if len(set(shapes)) != 1:
        raise ModelError(f"{' and '.join(map(format_shape, shapes))} can't be added; all inputs must have one shape.")
    return shapes[0]


@sites.rule(Add)
def _(operator: Add, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node),)


@grouping.rule(Add)
def _(operator: Add) -> Grouping:
    return Grouping.START


@output_kind.rule(Add)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


@float_value.rule(Add)
def _(operator: Add) -> FloatFunction:
    def add(first: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        total = first
        for other in others:
            total = total + other
        return total

    return add


@lower.rule(Add)
def _(operator: Add, context: LoweringContext) -> None:
    kinds = context.input_types
    finest = max(kind.fraction_bits for kind in kinds if kind.fraction_bits is not None)
    lows, highs = zip(*(value_bounds(kind) for kind in kinds), strict=True)
    low = None if None in lows else sum(lows)
    high = None if None in highs else sum(highs)
    context.finish(program.Add(), context.node.inputs, finest, low, high)


@bypass.rule(Add)
def _(operator: Add, context: LoweringContext) -> Operator:
    return operator
