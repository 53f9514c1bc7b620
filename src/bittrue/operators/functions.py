"""Functions of one code: smooth activations, elementary functions, and the hard forms that no dyadic slope gives (B8).

One operator for all of them: it holds the function, lowers to the `Lookup` of it, and has no sites but its output, the
function's numbers being exact parts of a table. What is here of a single function is its float value.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any

import torch

from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.program import Bounds, Lookup, functions
from bittrue.program.functions import Function, reach
from bittrue.rules import RuleTable
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class Pointwise(Operator):
    """y = f(x), number by number. In texts and tables it goes by its function's name: `Mish()`."""

    function: Function

    @property
    def written(self) -> Function:
        return self.function


@shape_of.rule(Pointwise)
def _(operator: Pointwise, shapes: tuple[Shape, ...]) -> Shape:
    return shapes[0]


@sites.rule(Pointwise)
def _(operator: Pointwise, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    function = operator.function
    low, high = (float(end) for end in reach[type(function)](function, -inf, inf, Fraction(1)))
    bounded = -inf < low and high < inf and not isinstance(function, functions.Reciprocal)
    return (output_site(node, finite=False, bounds=(low, high) if bounded else None),)


@grouping.rule(Pointwise)
def _(operator: Pointwise) -> Grouping:
    return Grouping.END


@output_kind.rule(Pointwise)
def _(operator: Pointwise) -> OutputKind:
    return OutputKind.PROBABILITIES if isinstance(operator.function, functions.Sigmoid) else OutputKind.OTHER


@lower.rule(Pointwise)
def _(operator: Pointwise, context: LoweringContext) -> None:
    (kind,) = context.input_types
    function = operator.function
    low, high = kind.bounds.low, kind.bounds.high
    unit = Fraction(2) ** -kind.binary_point
    ends = reach[type(function)](function, -inf if low is None else low, inf if high is None else high, unit)
    least, most = (end if isinstance(end, Fraction) else None for end in ends)
    context.finish(Lookup(function), context.node.inputs, None, Bounds(least, most))


@bypass.rule(Pointwise)
def _(operator: Pointwise, context: LoweringContext) -> Operator:
    return operator


@float_value.rule(Pointwise)
def _(operator: Pointwise) -> FloatFunction:
    return float_function[type(operator.function)](operator.function)


# Float values of the functions

float_function: RuleTable[Callable[[Any], FloatFunction]] = RuleTable("float value of a function", gaps_allowed=True)

float_function.unsupported(functions.BatchNorm, reason="the operator BatchNormalization has it")

TORCH: dict[type[Function], FloatFunction] = {
    functions.Erf: torch.erf,
    functions.Exp: torch.exp,
    functions.HardSwish: torch.nn.functional.hardswish,
    functions.Log: torch.log,
    functions.LogSigmoid: torch.nn.functional.logsigmoid,
    functions.Mish: torch.nn.functional.mish,
    functions.Reciprocal: torch.reciprocal,
    functions.SiLU: torch.nn.functional.silu,
    functions.Sigmoid: torch.sigmoid,
    functions.Sign: torch.sign,
    functions.Softsign: torch.nn.functional.softsign,
    functions.Sqrt: torch.sqrt,
    functions.Square: torch.square,
    functions.Tanh: torch.tanh,
}
"""The functions without fields that torch has, too."""


@float_function.rule(*TORCH)
def _(function: Function) -> FloatFunction:
    return TORCH[type(function)]


@float_function.rule(functions.Softplus)
def _(function: functions.Softplus) -> FloatFunction:
    return lambda x: torch.logaddexp(x, torch.zeros_like(x))


@float_function.rule(functions.ELU)
def _(function: functions.ELU) -> FloatFunction:
    alpha = float(function.alpha)
    return lambda x: torch.nn.functional.elu(x, alpha)


@float_function.rule(functions.SELU)
def _(function: functions.SELU) -> FloatFunction:
    alpha, scale = float(function.alpha), float(function.scale)
    return lambda x: scale * torch.nn.functional.elu(x, alpha)


@float_function.rule(functions.GELU)
def _(function: functions.GELU) -> FloatFunction:
    return lambda x: torch.nn.functional.gelu(x, approximate="tanh" if function.approximate else "none")


@float_function.rule(functions.HardSigmoid)
def _(function: functions.HardSigmoid) -> FloatFunction:
    slope, offset = float(function.slope), float(function.offset)
    return lambda x: (x * slope + offset).clamp(0, 1)
