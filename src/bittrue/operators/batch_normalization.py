"""Batch normalization."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.lowering import LoweringContext, Surd, bypass, lower
from bittrue.network import Node, Operator, Parameter, format_shape, shape_of
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, parameter_site, sites
from bittrue.program import Bounds, functions
from bittrue.program.bounds import affine
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class BatchNormalization(Operator):
    """gamma·(x − mean) / √(variance + epsilon) + beta for each channel of the last axis; gamma and beta may be absent
    (1, 0).

    epsilon: the stored number exactly (binary64 in Keras).
    """

    gamma: Parameter | None
    beta: Parameter | None
    mean: Parameter
    variance: Parameter
    epsilon: float

    @cached_property
    def scale_and_offset(self) -> tuple[list[Surd], list[Surd]]:
        """scale = γ/√(σ²+ε) and offset = β − γμ/√(σ²+ε), for each channel (B7, `affine`)."""
        gammas, betas, means, variances = _exact_parameters(self)
        radicands = [_radicand(variance, self.epsilon, self.variance.name) for variance in variances]
        zero = Fraction(0)
        scale = [(zero, gamma, radicand) for gamma, radicand in zip(gammas, radicands, strict=True)]
        offset = [
            (beta, -gamma * mean, radicand)
            for beta, gamma, mean, radicand in zip(betas, gammas, means, radicands, strict=True)
        ]
        return scale, offset


@shape_of.rule(BatchNormalization)
def _(operator: BatchNormalization, shapes: tuple[Shape, ...]) -> Shape:
    channels = operator.mean.value.shape
    if any(parameter.value.shape != channels for _, parameter in operator.parameters()) or channels != shapes[0][-1:]:
        raise ModelError(f"parameters of {format_shape(channels)} don't fit an input of {format_shape(shapes[0])}.")
    return shapes[0]


@sites.rule(BatchNormalization)
def _(operator: BatchNormalization, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    if options.batch_norm == "raw":
        parameters = tuple(parameter_site(node, role, parameter) for role, parameter in operator.parameters())
        return (output_site(node, finite=False), *parameters)
    scale, offset = operator.scale_and_offset
    return (
        output_site(node),
        *(
            Site(f"{node.name}.{role}", node.name, role, values=_approximate(surds), finite=False)
            for role, surds in (("scale", scale), ("offset", offset))
        ),
    )


@grouping.rule(BatchNormalization)
def _(operator: Operator) -> Grouping:
    return Grouping.FOLLOW


@output_kind.rule(BatchNormalization)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


@float_value.rule(BatchNormalization)
def _(operator: BatchNormalization) -> FloatFunction:
    mean, variance, gamma, beta = (
        None if parameter is None else torch.from_numpy(np.ascontiguousarray(parameter.value, np.float32))
        for parameter in (operator.mean, operator.variance, operator.gamma, operator.beta)
    )

    def normalize(x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        return torch.nn.functional.batch_norm(rows, mean, variance, gamma, beta, eps=operator.epsilon).reshape(x.shape)

    return normalize


@lower.rule(BatchNormalization)
def _(operator: BatchNormalization, context: LoweringContext) -> None:
    (kind,) = context.input_types
    if context.options.batch_norm == "raw":
        context.finish(program.Lookup(_function(operator, context)), context.node.inputs, None, Bounds())
        return
    scale_surds, offset_surds = operator.scale_and_offset
    scale, offset = context.derived("scale", scale_surds), context.derived("offset", offset_surds)
    branch = (scale.codes, scale.fraction_bits[0], offset.codes, offset.fraction_bits[0])
    bits = max(kind.binary_point + scale.fraction_bits[0], offset.fraction_bits[0])
    context.finish(program.ScaleOffset(*branch), context.node.inputs, bits, affine(kind.bounds, *branch))


def _exact_parameters(operator: BatchNormalization) -> tuple[list[Fraction], ...]:
    channels = operator.mean.value.shape[0]

    def exact(parameter: Parameter | None, absent: int) -> list[Fraction]:
        if parameter is None:
            return [Fraction(absent)] * channels
        return [Fraction(float(value)) for value in parameter.value]

    return exact(operator.gamma, 1), exact(operator.beta, 0), exact(operator.mean, 0), exact(operator.variance, 0)


def _radicand(variance: Fraction, epsilon: float, site: str) -> Fraction:
    radicand = variance + Fraction(epsilon)
    if radicand <= 0:
        raise ModelError(
            f"site {site}: variance + epsilon is {float(radicand):g}, which has no square root; give it more fraction "
            "bits or a format without sign, or train the model again."
        )
    return radicand


def _approximate(surds: list[Surd]) -> np.ndarray:
    return np.array([float(a) + float(b) / float(v) ** 0.5 for a, b, v in surds])


def _function(operator: BatchNormalization, context: LoweringContext) -> functions.BatchNorm:
    gamma, beta = (
        None if parameter is None else context.parameter(parameter) for parameter in (operator.gamma, operator.beta)
    )
    mean, variance = context.parameter(operator.mean), context.parameter(operator.variance)
    unit = Fraction(2) ** -variance.fraction_bits[0]
    for code in variance.codes.tolist():
        _radicand(code * unit, operator.epsilon, f"{context.node.name}.variance")
    return functions.BatchNorm(
        None if gamma is None else gamma.codes,
        0 if gamma is None else gamma.fraction_bits[0],
        None if beta is None else beta.codes,
        0 if beta is None else beta.fraction_bits[0],
        mean.codes,
        mean.fraction_bits[0],
        variance.codes,
        variance.fraction_bits[0],
        Fraction(operator.epsilon),
    )


@bypass.rule(BatchNormalization)
def _(operator: BatchNormalization, context: LoweringContext) -> Operator:
    if context.options.batch_norm == "raw":
        variance = context.rounded_parameter(operator.variance)
        for value in variance.value:
            _radicand(Fraction(float(value)), operator.epsilon, f"{context.node.name}.variance")
        return replace(
            operator,
            gamma=None if operator.gamma is None else context.rounded_parameter(operator.gamma),
            beta=None if operator.beta is None else context.rounded_parameter(operator.beta),
            mean=context.rounded_parameter(operator.mean),
            variance=variance,
        )
    scale_surds, offset_surds = operator.scale_and_offset
    ones = np.ones(len(scale_surds), np.float32)
    return BatchNormalization(
        Parameter(f"{context.node.name}.scale", context.derived_values("scale", scale_surds)),
        Parameter(f"{context.node.name}.offset", context.derived_values("offset", offset_surds)),
        Parameter(f"{context.node.name}.zero", 0 * ones),
        Parameter(f"{context.node.name}.one", ones),
        0.0,
    )
