"""Layer normalization: a row of numbers by its own mean and variance."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt, prod

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError, PlanError
from bittrue.fixed import Overflow
from bittrue.lowering import LoweringContext, ParameterCodes, bypass, lower
from bittrue.network import Node, Operator, Parameter, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, parameter_site, sites
from bittrue.program import Bounds
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class LayerNormalization(Operator):
    """gamma·(x − mean) / √(variance + epsilon) + beta over the last `axes` axes, with the population variance of the
    same numbers (B9).

    gamma, beta: of these axes' shape, or absent (1, 0). epsilon: the stored number exactly (binary64 in Keras and
    PyTorch, binary32 in ONNX), above 0, so that a row of equal numbers has a value.
    """

    gamma: Parameter | None
    beta: Parameter | None
    epsilon: float
    axes: int = 1


@shape_of.rule(LayerNormalization)
def _(operator: LayerNormalization, shapes: tuple[Shape, ...]) -> Shape:
    (shape,) = shapes
    if not 1 <= operator.axes <= len(shape):
        raise ModelError(f"an input of {format_shape(shape)} has no {operator.axes} axes to normalize over.")
    for role, parameter in operator.parameters():
        if parameter.value.shape != shape[-operator.axes :]:
            found, needed = format_shape(parameter.value.shape), format_shape(shape[-operator.axes :])
            raise ModelError(f"{role} of {found} doesn't fit the axes of {needed} that are normalized.")
    if not operator.epsilon > 0:
        raise ModelError(f"epsilon is {operator.epsilon:g}, and equal numbers need one above 0; export it with one.")
    return shape


@sites.rule(LayerNormalization)
def _(operator: LayerNormalization, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    parameters = tuple(parameter_site(node, role, parameter) for role, parameter in operator.parameters())
    if options.layer_norm == "exact":
        return output_site(node, finite=False), *parameters
    count = prod(node.shape[-operator.axes :])
    dyadic = count & (count - 1) == 0  # a mean over so many has a finite code

    def part(role: str, measure: Callable[[torch.Tensor], torch.Tensor], *, finite: bool) -> Site:
        def measured(x: torch.Tensor) -> torch.Tensor:
            return measure(x.flatten(x.dim() - operator.axes))

        return Site(f"{node.name}.{role}", node.name, role, finite=finite, measure=measured)

    def reciprocal_root(x: torch.Tensor) -> torch.Tensor:
        return (x.var(-1, correction=0) + operator.epsilon).rsqrt()

    def normalized(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.layer_norm(x, x.shape[-1:], eps=operator.epsilon)

    parts = [
        part("mean", lambda x: x.mean(-1), finite=dyadic),
        part("difference", _differences, finite=True),
        part("variance", lambda x: x.var(-1, correction=0), finite=dyadic),
        part("reciprocal_root", reciprocal_root, finite=False),
    ]
    if parameters:  # else the product is the output
        parts.append(part("normalized", normalized, finite=True))
    return output_site(node), *parts, *parameters


def _differences(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean(-1, keepdim=True)


@grouping.rule(LayerNormalization)
def _(operator: Operator) -> Grouping:
    return Grouping.END


@output_kind.rule(LayerNormalization)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


@float_value.rule(LayerNormalization)
def _(operator: LayerNormalization) -> FloatFunction:
    gamma, beta = (
        None if parameter is None else torch.from_numpy(np.ascontiguousarray(parameter.value, np.float32))
        for parameter in (operator.gamma, operator.beta)
    )

    def normalize(x: torch.Tensor) -> torch.Tensor:
        shape = x.shape[x.dim() - operator.axes :]
        return torch.nn.functional.layer_norm(x, shape, gamma, beta, operator.epsilon)

    return normalize


@lower.rule(LayerNormalization)
def _(operator: LayerNormalization, context: LoweringContext) -> None:
    gamma, beta = (
        None if parameter is None else context.parameter(parameter) for parameter in (operator.gamma, operator.beta)
    )
    count = prod(context.node.shape[-operator.axes :])
    common = (
        None if gamma is None else gamma.codes.ravel(),
        0 if gamma is None else gamma.fraction_bits[0],
        None if beta is None else beta.codes.ravel(),
        0 if beta is None else beta.fraction_bits[0],
        Fraction(operator.epsilon),
        operator.axes,
    )
    if context.options.layer_norm == "table":
        _lower_table(common, count, context)
        return
    instruction = program.Normalize(*common)
    # No number is further than √n standard deviations from the mean.
    reach = _largest(gamma, 1) * (isqrt(count) + 1) + _largest(beta, 0)
    context.finish(instruction, context.node.inputs, None, Bounds(-reach, reach))


Common = tuple[np.ndarray | None, int, np.ndarray | None, int, Fraction, int]
"""What both forms have: gamma, beta and their fraction bits, epsilon, axes."""


def _lower_table(common: Common, count: int, context: LoweringContext) -> None:
    (kind,) = context.input_types
    gamma, gamma_bits, beta, beta_bits, *_ = common
    divided = count.bit_length() - 1  # bits that a division by a power of two adds
    mean = context.part("mean", kind.binary_point + divided)
    difference = context.part("difference", max(kind.binary_point, mean.format.fraction_bits))
    variance = context.part("variance", 2 * difference.format.fraction_bits + divided)
    if variance.overflow in (Overflow.WRAP, Overflow.SATURATE_ZERO):
        raise PlanError(
            f"site {context.node.name}.variance: {variance.overflow.value} can make a small number of a large one; "
            "use SATURATE."
        )
    root = context.quantizer("reciprocal_root")
    bits = difference.format.fraction_bits + root.format.fraction_bits
    normalized = None
    if gamma is not None or beta is not None:
        normalized = context.part("normalized", bits)
        bits = normalized.format.fraction_bits + gamma_bits
    if beta is not None:
        bits = max(bits, beta_bits)
    instruction = program.NormalizeTable(*common, mean, difference, variance, root, normalized)
    context.finish(instruction, context.node.inputs, bits, Bounds())


def _largest(codes: ParameterCodes | None, absent: int) -> Fraction:
    if codes is None:
        return Fraction(absent)
    largest = max(abs(int(code)) for code in codes.codes.ravel().tolist())
    return largest * Fraction(2) ** -codes.fraction_bits[0]


@bypass.rule(LayerNormalization)
def _(operator: LayerNormalization, context: LoweringContext) -> Operator:
    return replace(
        operator,
        gamma=None if operator.gamma is None else context.rounded_parameter(operator.gamma),
        beta=None if operator.beta is None else context.rounded_parameter(operator.beta),
    )
