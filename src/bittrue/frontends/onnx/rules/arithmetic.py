"""ONNX's arithmetic between values and constants, element by element."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.arrays.stored import exact_value
from bittrue.frontends.forms import clipped
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Rule, Tensor, Value
from bittrue.frontends.onnx.rows import ELEMENTWISE, OnnxOperator, Table, function
from bittrue.frontends.onnx.rules.broadcasting import combined, spread, spread_constant, with_an_axis
from bittrue.frontends.onnx.rules.masks import add_mask
from bittrue.frontends.onnx.rules.products import dense_bias
from bittrue.network import Operator
from bittrue.operators import (
    Add,
    Average,
    Convolution,
    ConvolutionTransposed,
    Dense,
    Divide,
    DivideConstant,
    Maximum,
    Minimum,
    Multiply,
    Pointwise,
    ScaleOffset,
    Subtract,
)
from bittrue.program.functions import Reciprocal, Sqrt, Square
from bittrue.shapes import Shape

Weighted = Convolution | ConvolutionTransposed | Dense


def _parts(use: NodeUse) -> tuple[list[Tensor], list[Constant]]:
    values = [use.value(index) for index in range(len(use.node.inputs)) if use.has(index)]
    tensors = [use.tensor(index) for index, value in enumerate(values) if isinstance(value, Tensor)]
    if use.opset < 7 and use.node.has("axis"):
        values = [values[0], _placed_at(use, values)]
    return tensors, [value for value in values if isinstance(value, Constant)]


def _placed_at(use: NodeUse, values: Sequence[Constant | Tensor]) -> Constant:
    """The second input of operator set 6, whose axes stand for those of the first from the attribute `axis` on."""
    first, second = values
    if not isinstance(first, Tensor) or not isinstance(second, Constant):
        raise ModelError("its attribute axis is supported for a constant second input alone: export the model again")
    rank = len(first.shape)
    behind = rank - use.axis(use.node.integer("axis", 0), rank) - second.value.ndim
    if behind < 0:
        raise ModelError(f"its attribute axis doesn't fit {rank} axes: export the model again")
    return replace(second, value=second.value.reshape(*second.value.shape, *(1,) * behind))


def _add(use: NodeUse) -> Value:
    tensors, constants = _parts(use)
    total = tensors[0] if len(tensors) == 1 else combined(use, Add(), tensors)
    for constant in constants:
        rest = add_mask(use, constant)
        if rest is not None:
            total = plus(use, total, rest, 1)
    return total


def plus(use: NodeUse, x: Tensor, constant: Constant, sign: int) -> Tensor:
    """x plus (or minus) a constant, which becomes the bias or the offset of what made x, if that has none."""
    x = with_an_axis(use, spread(use, x, constant.value.shape))
    operator = use.operator_of(x)
    value = spread_constant(use, x, constant)
    if sign != 1 and constant.quantizers is not None:
        raise ModelError("it subtracts a quantized constant, which is not supported: add its negative")
    value = value if sign == 1 else -exact_value(value)
    key = (use.name, sign)
    # Nobody writes a bias as a difference; Keras's torch backend starts a batch norm with one.
    free = x.sole and sign == 1 and value.shape in _per_channel(use, x)
    if free and isinstance(operator, Weighted) and operator.bias is None:
        units = use.shape_of(x.node)[-1]
        use.replace_operator(x, replace(operator, bias=use.parameter("bias", constant, dense_bias(value, units), key)))
        return x
    offset = use.parameter("offset", constant, value, key)
    if x.sole and isinstance(operator, ScaleOffset) and operator.offset is None:
        use.replace_operator(x, replace(operator, offset=offset))
        use.conversion.drafts[x.node].wanted = use.name
        return x
    return use.apply(ScaleOffset(None, offset), x)


def _per_channel(use: NodeUse, x: Tensor) -> tuple[Shape, ...]:
    """The shapes of a bias: for all outputs, or for each; none where the channels no longer lie last."""
    shape = use.shape_of(x.node)
    return ((1,), shape[-1:]) if shape == x.layout.network_shape else ()


def _subtract(use: NodeUse) -> Value:
    tensors, constants = _parts(use)
    if len(tensors) == 2:
        return combined(use, Subtract(), tensors)
    [x], [constant] = tensors, constants
    if isinstance(use.value(1), Constant):
        return plus(use, x, constant, -1)
    minus = Constant(np.array([-1], np.float32))
    return plus(use, times(use, x, minus), constant, 1)


def _multiply(use: NodeUse) -> Value:
    tensors, constants = _parts(use)
    if len(tensors) == 2:
        return combined(use, Multiply(), tensors)
    return times(use, tensors[0], constants[0])


def times(use: NodeUse, x: Tensor, constant: Constant) -> Tensor:
    if constant.value.size == 1 and (constant.value == 1).all() and constant.quantizers is None:
        return x
    x = with_an_axis(use, spread(use, x, constant.value.shape))
    scale = use.parameter("scale", constant, spread_constant(use, x, constant), use.name)
    return use.apply(ScaleOffset(scale, None), x)


def _divide(use: NodeUse) -> Value:
    tensors, constants = _parts(use)
    if len(tensors) == 2:
        return combined(use, Divide(), tensors)
    [x], [constant] = tensors, constants
    if isinstance(use.value(0), Constant):
        reciprocal = use.apply(Pointwise(Reciprocal()), x)
        return reciprocal if (constant.value == 1).all() else times(use, reciprocal, constant)
    return over(use, x, constant)


def over(use: NodeUse, x: Tensor, constant: Constant) -> Tensor:
    """x by a constant, which has no 0."""
    x = with_an_axis(use, x)
    value = spread_constant(use, x, constant)
    mantissas, _ = np.frexp(value)
    if (np.abs(mantissas) == 0.5).all():  # powers of two, whose reciprocals are as exact
        return times(use, x, Constant(1 / constant.value))
    return use.apply(DivideConstant(use.parameter("divisor", constant, value, use.name)), x)


def _negate(use: NodeUse) -> Value:
    return times(use, use.tensor(0), Constant(np.array([-1], np.float32)))


def _mean(use: NodeUse) -> Value:
    return combined(use, Average(), [use.tensor(index) for index in range(len(use.node.inputs))])


def _at_least(low: float) -> Operator:
    return clipped(low, None)


def _at_most(high: float) -> Operator:
    return clipped(None, high)


def _extremum(use: NodeUse, operator: Operator, clip: Callable[[float], Operator]) -> Value:
    tensors, constants = _parts(use)
    if not constants:
        return tensors[0] if len(tensors) == 1 else combined(use, operator, tensors)
    if len(tensors) > 1 or len(constants) > 1 or constants[0].value.size != 1:
        raise ModelError(
            "maxima and minima with constants that are not one number are not supported: write Max(x, c) as "
            "Relu(x - c) + c"
        )
    place = next(place for place in (0, 1) if isinstance(use.value(place), Constant))
    return use.apply(clip(use.bound(place)), tensors[0])


def _power(use: NodeUse) -> Value:
    exponent = use.scalar(1)
    operators: dict[float, Operator] = {2.0: Pointwise(Square()), 0.5: Pointwise(Sqrt()), -1.0: Pointwise(Reciprocal())}
    if exponent == 1:
        return use.tensor(0)
    if exponent == 3:
        square = use.apply(Pointwise(Square()), use.tensor(0))
        return Tensor(use.add(Multiply(), square, use.tensor(0)), square.layout)
    if exponent not in operators:
        raise ModelError(f"the power {exponent:g} is not supported: use 2, 3, 0.5 or -1, or multiply")
    return use.apply(operators[exponent], use.tensor(0))


def _combining(rule: Rule) -> OnnxOperator:
    """The row of what combines values of one shape, or of shapes that are broadcast to one."""
    return OnnxOperator(rule, axes=Axes.KEPT, folding=ELEMENTWISE)


OPERATORS: Table = {
    "Add": _combining(_add),
    "Div": _combining(_divide),
    "Max": _combining(partial(_extremum, operator=Maximum(), clip=_at_least)),
    "Mean": _combining(_mean),
    "Min": _combining(partial(_extremum, operator=Minimum(), clip=_at_most)),
    "Mul": _combining(_multiply),
    "Neg": function(_negate),
    "Pow": _combining(_power),
    "Sub": _combining(_subtract),
    "Sum": _combining(_add),
}
