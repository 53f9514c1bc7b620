"""Products of two matrices of activations, as attention has them."""

from dataclasses import dataclass

import torch

from bittrue import program
from bittrue.errors import ModelError
from bittrue.lowering import LoweringContext, bypass, lower
from bittrue.network import Node, Operator, format_shape, shape_of
from bittrue.operators.broadcasting import broadcast_shape, spread
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.operators.output_kind import OutputKind, output_kind
from bittrue.plan import Grouping, PlanOptions, Site, grouping, output_site, sites
from bittrue.program import Bounds
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class MatMul(Operator):
    """y[…, m, n] = Σ_k x[…, m, k]·w[…, k, n] of two inputs x and w: NumPy's matmul, the batch axis left out.

    Sums as in B6, without a bias and with k ascending.
    """


@shape_of.rule(MatMul)
def _(operator: MatMul, shapes: tuple[Shape, ...]) -> Shape:
    if len(shapes) != 2 or min(map(len, shapes)) < 2 or shapes[0][-1] != shapes[1][-2]:
        found = " and ".join(map(format_shape, shapes))
        raise ModelError(f"{found} can't be multiplied as matrices (batch axis left out).")
    first, second = shapes
    return (*broadcast_shape([first[:-2], second[:-2]], "multiplied as matrices"), first[-2], second[-1])


@sites.rule(MatMul)
def _(operator: MatMul, node: Node, options: PlanOptions) -> tuple[Site, ...]:
    return (output_site(node), Site(f"{node.name}.accumulator", node.name, "accumulator"))


@grouping.rule(MatMul)
def _(operator: MatMul) -> Grouping:
    return Grouping.START


@output_kind.rule(MatMul)
def _(operator: Operator) -> OutputKind:
    return OutputKind.OTHER


@float_value.rule(MatMul)
def _(operator: MatMul) -> FloatFunction:
    return lambda *xs: torch.matmul(*spread(xs))


@lower.rule(MatMul)
def _(operator: MatMul, context: LoweringContext) -> None:
    first, second = context.input_types
    accumulator = context.accumulator()
    if accumulator is not None:
        instruction = program.MultiplyTensors(True, accumulator, context.options.product == "quantized")
        bounds = Bounds.of_quantizer(accumulator)
        context.finish(instruction, context.node.inputs, accumulator.format.fraction_bits, bounds)
        return
    bounds = (first.bounds * second.bounds).scaled(first.shape[-1])
    bits = first.binary_point + second.binary_point
    context.finish(program.MultiplyTensors(matrices=True), context.node.inputs, bits, bounds)


@bypass.rule(MatMul)
def _(operator: MatMul, context: LoweringContext) -> Operator:
    return operator
