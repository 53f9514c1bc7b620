"""Functions of one code: smooth activations, elementary functions, and the hard forms that no dyadic slope gives (B8).

Each lowers to a `Lookup` of the function of the same mathematics; its numbers are exact, and no sites, being part of a
table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any

import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.program import Bounds
from bittrue.program.reach import reach
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class Sigmoid(Operator):
    """1 / (1 + exp(−x))."""


@dataclass(frozen=True, eq=False)
class Tanh(Operator):
    """tanh x."""


@dataclass(frozen=True, eq=False)
class Exp(Operator):
    """exp x."""


@dataclass(frozen=True, eq=False)
class Log(Operator):
    """The natural logarithm of x > 0."""


@dataclass(frozen=True, eq=False)
class Sqrt(Operator):
    """√x of x ≥ 0."""


@dataclass(frozen=True, eq=False)
class Reciprocal(Operator):
    """1/x of x ≠ 0."""


@dataclass(frozen=True, eq=False)
class Square(Operator):
    """x²."""


@dataclass(frozen=True, eq=False)
class Erf(Operator):
    """2/√π · ∫₀ˣ exp(−t²) dt."""


@dataclass(frozen=True, eq=False)
class ELU(Operator):
    """x where x ≥ 0, alpha·(exp x − 1) below. alpha: the stored number exactly."""

    alpha: float = 1.0


@dataclass(frozen=True, eq=False)
class SELU(Operator):
    """scale·x where x ≥ 0, scale·alpha·(exp x − 1) below.

    alpha, scale: the stored numbers exactly: binary64 in Keras and PyTorch, whose constants are the defaults, binary32
    in ONNX. scale is above 0.
    """

    alpha: float = 1.6732632423543772
    scale: float = 1.0507009873554805


@dataclass(frozen=True, eq=False)
class GELU(Operator):
    """x/2·(1 + erf(x/√2)), or where `approximate` x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))."""

    approximate: bool


@dataclass(frozen=True, eq=False)
class SiLU(Operator):
    """x/(1 + exp(−x)), also called swish."""


@dataclass(frozen=True, eq=False)
class Mish(Operator):
    """x·tanh(log(1 + exp x))."""


@dataclass(frozen=True, eq=False)
class Softplus(Operator):
    """log(1 + exp x)."""


@dataclass(frozen=True, eq=False)
class LogSigmoid(Operator):
    """−log(1 + exp(−x))."""


@dataclass(frozen=True, eq=False)
class Softsign(Operator):
    """x/(1 + |x|)."""


@dataclass(frozen=True, eq=False)
class HardSigmoid(Operator):
    """min(max(slope·x + offset, 0), 1).

    slope, offset: exact numbers. Keras 3 and PyTorch divide by 6, so their slope is the fraction 1/6; Keras 2's is the
    decimal number 0.2, ONNX's the binary32 number that the attribute holds.
    """

    slope: Fraction | float = Fraction(1, 6)
    offset: Fraction | float = 0.5


@dataclass(frozen=True, eq=False)
class HardSwish(Operator):
    """x·min(max(x + 3, 0), 6)/6: the division is exact, as in Keras and PyTorch."""


LOOKUPS: dict[type[Operator], Callable[[Any], program.Function]] = {
    ELU: lambda operator: program.ELU(Fraction(operator.alpha), Fraction(1)),
    Erf: lambda operator: program.Erf(),
    Exp: lambda operator: program.Exp(),
    GELU: lambda operator: program.GELU(operator.approximate),
    HardSigmoid: lambda operator: program.HardSigmoid(Fraction(operator.slope), Fraction(operator.offset)),
    HardSwish: lambda operator: program.HardSwish(),
    Log: lambda operator: program.Log(),
    LogSigmoid: lambda operator: program.LogSigmoid(),
    Mish: lambda operator: program.Mish(),
    Reciprocal: lambda operator: program.Reciprocal(),
    SELU: lambda operator: program.ELU(Fraction(operator.alpha), Fraction(operator.scale)),
    SiLU: lambda operator: program.SiLU(),
    Sigmoid: lambda operator: program.Sigmoid(),
    Softplus: lambda operator: program.Softplus(),
    Softsign: lambda operator: program.Softsign(),
    Sqrt: lambda operator: program.Sqrt(),
    Square: lambda operator: program.Square(),
    Tanh: lambda operator: program.Tanh(),
}
"""What each operator of this family is as a function of one code."""


@shape_of.rule(*LOOKUPS)
def _(operator: Operator, shapes: tuple[Shape, ...]) -> Shape:
    if isinstance(operator, SELU) and operator.scale <= 0:
        raise ModelError(f"a SELU's scale is above 0, and this one's is {operator.scale:g}.")
    return shapes[0]


@sites.rule(*LOOKUPS)
def _(operator: Operator, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    function = LOOKUPS[type(operator)](operator)
    low, high = (float(end) for end in reach[type(function)](function, -inf, inf, Fraction(1)))
    bounded = -inf < low and high < inf and not isinstance(function, program.Reciprocal)
    return (output_site(node, finite=False, bounds=(low, high) if bounded else None),)


@grouping.rule(*LOOKUPS)
def _(operator: Operator) -> Grouping:
    return Grouping.END


@output_kind.rule(Sigmoid)
def _(operator: Operator) -> OutputKind:
    return OutputKind.PROBABILITIES


@output_kind.rule(*(set(LOOKUPS) - {Sigmoid}))
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


@lower.rule(*LOOKUPS)
def _(operator: Operator, context: LoweringContext) -> None:
    (kind,) = context.input_types
    function = LOOKUPS[type(operator)](operator)
    low, high = kind.bounds.low, kind.bounds.high
    unit = Fraction(2) ** -kind.binary_point
    ends = reach[type(function)](function, -inf if low is None else low, inf if high is None else high, unit)
    least, most = (end if isinstance(end, Fraction) else None for end in ends)
    context.finish(program.Lookup(function), context.node.inputs, None, Bounds(least, most))


@bypass.rule(*LOOKUPS)
def _(operator: Operator, context: LoweringContext) -> Operator:
    return operator


# Float values


TORCH: dict[type[Operator], FloatFunction] = {
    Erf: torch.erf,
    Exp: torch.exp,
    HardSwish: torch.nn.functional.hardswish,
    Log: torch.log,
    LogSigmoid: torch.nn.functional.logsigmoid,
    Mish: torch.nn.functional.mish,
    Reciprocal: torch.reciprocal,
    SiLU: torch.nn.functional.silu,
    Sigmoid: torch.sigmoid,
    Softsign: torch.nn.functional.softsign,
    Sqrt: torch.sqrt,
    Square: torch.square,
    Tanh: torch.tanh,
}
"""The operators without fields that torch has as functions."""


@float_value.rule(*TORCH)
def _(operator: Operator) -> FloatFunction:
    return TORCH[type(operator)]


@float_value.rule(Softplus)
def _(operator: Softplus) -> FloatFunction:
    return lambda x: torch.logaddexp(x, torch.zeros_like(x))


@float_value.rule(ELU)
def _(operator: ELU) -> FloatFunction:
    return lambda x: torch.nn.functional.elu(x, operator.alpha)


@float_value.rule(SELU)
def _(operator: SELU) -> FloatFunction:
    return lambda x: operator.scale * torch.nn.functional.elu(x, operator.alpha)


@float_value.rule(GELU)
def _(operator: GELU) -> FloatFunction:
    return lambda x: torch.nn.functional.gelu(x, approximate="tanh" if operator.approximate else "none")


@float_value.rule(HardSigmoid)
def _(operator: HardSigmoid) -> FloatFunction:
    slope, offset = float(operator.slope), float(operator.offset)
    return lambda x: (x * slope + offset).clamp(0, 1)
