"""ONNX's functions of one value, element by element: activations, roots and exponentials, and what does nothing."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.forms import clipped
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Tensor, Value
from bittrue.frontends.onnx.node import EXPORT_AGAIN
from bittrue.frontends.onnx.rows import PASSED_ON, Naming, OnnxOperator, Table, function
from bittrue.frontends.onnx.rules.arithmetic import over, plus, times
from bittrue.frontends.onnx.rules.broadcasting import spread_constant
from bittrue.network import Operator
from bittrue.operators import Absolute, Pointwise, PReLU, ReLU
from bittrue.program.functions import (
    ELU,
    GELU,
    SELU,
    Erf,
    Exp,
    Function,
    HardSigmoid,
    HardSwish,
    Log,
    Mish,
    Reciprocal,
    Sigmoid,
    Sign,
    SiLU,
    Softplus,
    Softsign,
    Sqrt,
    Tanh,
)


def _clip(use: NodeUse) -> Value:
    if use.opset < 11:
        low, high = use.node.bound("min"), use.node.bound("max")
        # Exporters wrote float32's largest number, more or less, where they meant no bound.
        low = None if low is not None and low < -3.4e38 else low
        high = None if high is not None and high > 3.4e38 else high
    else:
        low, high = (use.bound(index) if use.has(index) else None for index in (1, 2))
    if low is None and high is None:
        return use.tensor(0)
    return use.apply(clipped(low, high), use.tensor(0))


def _prelu(use: NodeUse) -> Value:
    x, slope = use.tensor(0), use.constant(1)
    if use.opset < 7 and slope.value.ndim == 1:  # one a channel, which later sets say by their shape
        slope = replace(slope, value=slope.value.reshape(-1, *(1,) * (len(x.shape) - 2)))
    value = spread_constant(use, x, slope)
    if value.shape not in ((1,), x.layout.network_shape[-value.ndim :]):
        value = np.ascontiguousarray(np.broadcast_to(value, x.layout.network_shape[-value.ndim :]))
    return use.apply(PReLU(use.parameter("slope", slope, value, use.name)), x)


def _leaky_relu(use: NodeUse) -> Value:
    return use.apply(ReLU(negative_slope=use.node.number("alpha", float(np.float32(0.01)))), use.tensor(0))


def _elu(use: NodeUse) -> Value:
    return use.apply(Pointwise(ELU(use.node.number("alpha", 1.0))), use.tensor(0))


def _celu(use: NodeUse) -> Value:
    """alpha·elu(x/alpha)."""
    x, alpha = use.tensor(0), use.node.number("alpha", 1.0)
    if not alpha:
        raise ModelError(f"its alpha is 0: {EXPORT_AGAIN}")
    if alpha == 1:
        return use.apply(Pointwise(ELU(1.0)), x)
    constant = Constant(np.array([alpha], np.float32))
    return times(use, use.apply(Pointwise(ELU(1.0)), over(use, x, constant)), constant)


def _erfc(use: NodeUse) -> Value:
    """tf2onnx leaves TensorFlow's operator as it is, though ONNX has none of that name: 1 − erf(x)."""
    one, minus = Constant(np.ones(1, np.float32)), Constant(-np.ones(1, np.float32))
    return plus(use, times(use, use.apply(Pointwise(Erf()), use.tensor(0)), minus), one, 1)


def _selu(use: NodeUse) -> Value:
    alpha = use.node.number("alpha", float(np.float32(1.6732632423543772)))
    scale = use.node.number("gamma", float(np.float32(1.0507009873554805)))
    return use.apply(Pointwise(SELU(alpha, scale)), use.tensor(0))


def _gelu(use: NodeUse) -> Value:
    form = use.node.text("approximate", "none")
    if form not in ("none", "tanh"):
        raise ModelError(f"its form {form!r} is unknown: export the model again")
    return use.apply(Pointwise(GELU(form == "tanh")), use.tensor(0))


SIXTH = float(np.float32(1 / 6))


def _hard_sigmoid(use: NodeUse) -> Value:
    slope, offset = use.node.number("alpha", float(np.float32(0.2))), use.node.number("beta", 0.5)
    # Exporters write PyTorch's and Keras's x/6 as the nearest float32.
    return use.apply(Pointwise(HardSigmoid(Fraction(1, 6) if slope == SIXTH else slope, offset)), use.tensor(0))


def _swish(use: NodeUse) -> Value:
    if use.node.number("alpha", 1.0) != 1:
        raise ModelError("an alpha other than 1 is not supported: write x * Sigmoid(alpha * x)")
    return use.apply(Pointwise(SiLU()), use.tensor(0))


FLOATING = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
"""The types that models are trained in, by ONNX's numbers."""

TO_OTHER_NUMBERS = (
    "it makes whole numbers or bytes of what depends on the image, which is not supported: end the network before it, "
    "for which an .onnx file takes --output NAME"
)


def _identity(use: NodeUse) -> Value:
    return use.tensor(0)


def _dropout(use: NodeUse) -> Value:
    if use.has(2) and use.constant(2).value.any():
        raise ModelError("it is in training mode: export the model in evaluation mode")
    return use.tensor(0)


def _cast(use: NodeUse) -> Value:
    """Between floating-point types nothing: a network's numbers have formats of their own."""
    if use.node.integer("to", 1) not in FLOATING:
        raise ModelError(TO_OTHER_NUMBERS)
    return use.tensor(0)


def _cast_like(use: NodeUse) -> Value:
    value, like = use.value(0), use.value(1)
    if isinstance(value, Constant) and isinstance(like, Tensor):
        return value.passed_on(value.value.astype(np.float32), "CastLike")
    if isinstance(like, Constant) and like.value.dtype.name not in FLOATING.values():
        raise ModelError(TO_OTHER_NUMBERS)
    return use.tensor(0)


def _apply(use: NodeUse, operator: Operator) -> Value:
    return use.apply(operator, use.tensor(0))


def _of_each(operator: Operator) -> OnnxOperator:
    return function(partial(_apply, operator=operator))


def _pointwise(of: Function) -> OnnxOperator:
    return _of_each(Pointwise(of))


OPERATORS: Table = {
    "Abs": _of_each(Absolute()),
    "Cast": function(_cast, folding=PASSED_ON, naming=Naming.NONE),
    "CastLike": function(_cast_like, folding=PASSED_ON),
    "Celu": function(_celu),
    "Clip": function(_clip),
    "Dropout": function(_dropout, folding=None),
    "Elu": function(_elu),
    "Erf": _pointwise(Erf()),
    "Erfc": function(_erfc),
    "Exp": _pointwise(Exp()),
    "Gelu": function(_gelu),
    "HardSigmoid": function(_hard_sigmoid),
    "HardSwish": _pointwise(HardSwish()),
    "Identity": function(_identity, folding=PASSED_ON),
    "LeakyRelu": function(_leaky_relu),
    "Log": _pointwise(Log()),
    "Mish": _pointwise(Mish()),
    "PRelu": function(_prelu, naming=Naming.LAYER),
    "Reciprocal": _pointwise(Reciprocal()),
    "Relu": _of_each(ReLU()),
    "Selu": function(_selu),
    "Sigmoid": _pointwise(Sigmoid()),
    "Sign": _pointwise(Sign()),
    "Softplus": _pointwise(Softplus()),
    "Softsign": _pointwise(Softsign()),
    "Sqrt": _pointwise(Sqrt()),
    "Swish": function(_swish),
    "Tanh": _pointwise(Tanh()),
}
