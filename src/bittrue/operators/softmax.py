"""Softmax, its hardware's table form, and its logarithm."""

import hashlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from bittrue import fixed, program
from bittrue.errors import ModelError, PlanError
from bittrue.fixed import Overflow, Quantizer
from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.program import Bounds
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class Mask:
    """Which positions take part: True, in a shape that broadcasts to the last axes of what is masked."""

    positions: np.ndarray

    def __repr__(self) -> str:
        """The shape, how many take part, and which: the text stands for the mask in a network's hash."""
        digest = hashlib.sha256(np.packbits(self.positions).tobytes()).hexdigest()[:32]
        return f"{format_shape(self.positions.shape)} with {np.count_nonzero(self.positions)} of {digest}"


@dataclass(frozen=True, eq=False)
class Softmax(Operator):
    """exp(x_i) / Σ exp(x_j) over the last axis.

    mask: the positions that take part; the others are 0 and count in no sum. None for all.
    """

    mask: Mask | None = None


@dataclass(frozen=True, eq=False)
class LogSoftmax(Operator):
    """x_i − log Σ exp(x_j) over the last axis."""


@shape_of.rule(Softmax, LogSoftmax)
def _(operator: Softmax | LogSoftmax, shapes: tuple[Shape, ...]) -> Shape:
    (shape,) = shapes
    if not shape:
        raise ModelError("softmax needs an axis to sum over.")
    if isinstance(operator, Softmax) and operator.mask is not None:
        positions = operator.mask.positions
        try:
            whole = np.broadcast_to(positions, shape)
        except ValueError:
            raise ModelError(
                f"a mask of {format_shape(positions.shape)} doesn't fit an input of {format_shape(shape)}."
            ) from None
        if not whole.any(axis=-1).all():
            raise ModelError("its mask leaves a row without any position, which has no softmax; unmask one.")
    return shape


@sites.rule(LogSoftmax)
def _(operator: LogSoftmax, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node, finite=False),)


@sites.rule(Softmax)
def _(operator: Softmax, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    output = output_site(node, finite=False, bounds=(0.0, 1.0))
    if options.softmax == "exact":
        return (output,)
    parts = {
        "difference": Site(f"{node.name}.difference", node.name, "difference", span_of=f"{node.inputs[0]}.output"),
        "exp": Site(f"{node.name}.exp", node.name, "exp", finite=False, bounds=(0.0, 1.0)),
        "sum": Site(f"{node.name}.sum", node.name, "sum", bounds=(0.0, float(node.shape[-1]))),
        "reciprocal": Site(f"{node.name}.reciprocal", node.name, "reciprocal", finite=False, bounds=(0.0, 1.0)),
    }
    return (output, *parts.values())


@grouping.rule(Softmax, LogSoftmax)
def _(operator: Operator) -> Grouping:
    return Grouping.END


@output_kind.rule(Softmax)
def _(operator: Operator) -> OutputKind:
    return OutputKind.PROBABILITIES


@output_kind.rule(LogSoftmax)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


@float_value.rule(LogSoftmax)
def _(operator: LogSoftmax) -> FloatFunction:
    return lambda x: torch.log_softmax(x, -1)


@float_value.rule(Softmax)
def _(operator: Softmax) -> FloatFunction:
    if operator.mask is None:
        return lambda x: torch.softmax(x, -1)
    absent = torch.from_numpy(~operator.mask.positions)
    return lambda x: torch.softmax(x.masked_fill(absent, -torch.inf), -1)


@lower.rule(LogSoftmax)
def _(operator: LogSoftmax, context: LoweringContext) -> None:
    (kind,) = context.input_types
    # The logarithm of n is less than the number of its bits.
    below = Bounds.exactly(Fraction(-context.node.shape[-1].bit_length()))
    lowest = (kind.bounds + -kind.bounds + below).low
    context.finish(program.LogSoftmax(), context.node.inputs, None, Bounds(lowest, Fraction(0)))


@lower.rule(Softmax)
def _(operator: Softmax, context: LoweringContext) -> None:
    mask = None if operator.mask is None else np.broadcast_to(operator.mask.positions, context.node.shape)
    if context.options.softmax == "exact":
        context.finish(program.Softmax(mask), context.node.inputs, None, Bounds(Fraction(0), Fraction(1)))
        return
    (kind,) = context.input_types
    exp, reciprocal = context.quantizer("exp"), context.quantizer("reciprocal")
    difference = context.part("difference", kind.binary_point)
    total = context.part("sum", exp.format.fraction_bits)
    _check_sum(context, difference, exp, total)
    instruction = program.SoftmaxTable(difference, exp, total, reciprocal, mask)
    bits = exp.format.fraction_bits + reciprocal.format.fraction_bits
    context.finish(instruction, context.node.inputs, bits, Bounds())


def _check_sum(context: LoweringContext, difference: Quantizer, exp: Quantizer, total: Quantizer) -> None:
    """Refuse formats under which the sum's code can reach 0 (B9)."""
    name = context.node.name
    folding = (Overflow.WRAP, Overflow.SATURATE_ZERO)
    if difference.overflow in folding:
        raise PlanError(
            f"site {name}.difference: {difference.overflow.value} can make a small number of a large one; use SATURATE."
        )
    # The largest input's difference is 0, so its exponential is 1, and each of the others lies between 0 and that.
    one = fixed.quantize(Fraction(1), exp)
    unit = Fraction(2) ** -exp.format.fraction_bits
    largest = fixed.round_to_code(one * context.node.shape[-1] * unit, total.format.fraction_bits, total.rounding)
    if fixed.quantize(one * unit, total) <= 0 or (total.overflow in folding and fixed.overflows(largest, total)):
        raise PlanError(
            f"site {name}.sum: the sum's code can reach 0, which has no reciprocal; "
            f"give {name}.exp and {name}.sum more bits, or SATURATE."
        )


@bypass.rule(Softmax, LogSoftmax)
def _(operator: Operator, context: LoweringContext) -> Operator:
    return operator
