"""What each operation of `keras.ops` means in a functional model: `x + y`, `x / 6`, `ops.mean(x, axis=(1, 2))`.

As in `layers.py`, a table from the operation's class to the rule that makes its operator. Axes are counted with the
batch axis in a file, and without it in the network; nothing may move or mix the images of a batch. The semantics are
those of Keras 3.15's operations, on channels last.
"""

from collections.abc import Callable

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.forms import OVER_AN_IMAGE, Reduction, clipped
from bittrue.frontends.keras.activations import ACTIVATIONS
from bittrue.frontends.keras.config import Operand, shown
from bittrue.frontends.keras.movements import (
    concatenate,
    expand_dims,
    get_item,
    move_axis,
    pad,
    reshape,
    split,
    squeeze,
    swap_axes,
    transpose,
)
from bittrue.frontends.keras.normalizations import over_last_axes
from bittrue.frontends.keras.use import Chain, LayerUse, Rule
from bittrue.network import Operator, Parameter, format_shape
from bittrue.operators import (
    Absolute,
    Add,
    AveragePooling,
    Divide,
    DivideConstant,
    LogSoftmax,
    MatMul,
    Maximum,
    MaxPooling,
    Minimum,
    Multiply,
    Pointwise,
    ReduceMaximum,
    ReduceMean,
    ReduceMinimum,
    ReduceSum,
    ReLU,
    ScaleOffset,
    Softmax,
    Subtract,
)
from bittrue.program.functions import ELU, GELU, Erf, Exp, Log, Reciprocal, Sign, Sqrt, Square

Made = Operator | Chain
OfConstant = Callable[[LayerUse, np.ndarray], Made]
"""The operator of a tensor and a constant: float32, a number (1,) or an array that broadcasts against the tensor."""

MOST_NUMBERS = 1 << 20
"""In a constant of the configuration, which is JSON."""


# Arithmetic


def _arithmetic(of_tensors: Operator, *, right: OfConstant, left: OfConstant) -> Rule:
    """of_tensors: the operator of two tensors. right, left: that of a tensor with a constant on this side of it."""

    def rule(use: LayerUse) -> Made:
        first, second = _operands(use, 2)
        if isinstance(first, Operand) and isinstance(second, Operand):
            if len({len(shape) for shape in use.shapes}) != 1:
                found = " and ".join(map(format_shape, use.shapes))
                raise ModelError(f"it reads {found}, of different ranks without the batch axis: reshape one of them")
            return of_tensors
        if isinstance(first, Operand):
            return right(use, _constant(use, second))
        return left(use, _constant(use, first))

    return rule


def _operands(use: LayerUse, count: int) -> tuple[object, ...]:
    if len(use.operands) != count:
        raise ModelError(f"it has {len(use.operands)} arguments, expected {count}: save the model in Keras again")
    return use.operands


def _constant(use: LayerUse, value: object) -> np.ndarray:
    """A number or an array of the configuration without its batch axis, in float32, in which Keras computes."""
    stored = value
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        config = value.get("config")
        stored = config.get("value") if isinstance(config, dict) else None
    try:
        array = np.array(stored)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if array.dtype.kind not in "iuf" or not 0 < array.size <= MOST_NUMBERS:
        raise ModelError(f"it computes with {shown(value)}, expected a tensor, a number or an array of numbers")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ModelError(f"it computes with {shown(value)}, which float32 doesn't hold: use finite numbers")
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    if array.ndim > len(use.shape):
        raise _too_many_axes(use, array)
    return np.ascontiguousarray(np.atleast_1d(array))


def _too_many_axes(use: LayerUse, constant: np.ndarray) -> ModelError:
    found, given = format_shape(constant.shape), format_shape(use.shape)
    return ModelError(
        f"a constant of {found} doesn't fit an input of {given}: keep the axes before it, as with keepdims=True"
    )


def _scale_offset(use: LayerUse, scale: np.ndarray | None, offset: np.ndarray | None) -> Operator:
    def parameter(role: str, value: np.ndarray | None) -> Parameter | None:
        if value is not None and not use.shape:
            raise _too_many_axes(use, value)
        return None if value is None else Parameter(use.parameter_name(role), value)

    return ScaleOffset(parameter("scale", scale), parameter("offset", offset))


MINUS_ONE = np.array([-1], np.float32)


def _plus(use: LayerUse, constant: np.ndarray) -> Operator:
    return _scale_offset(use, None, constant)


def _minus(use: LayerUse, constant: np.ndarray) -> Operator:
    return _scale_offset(use, None, -constant)


def _subtracted_from(use: LayerUse, constant: np.ndarray) -> Operator:
    return _scale_offset(use, MINUS_ONE, constant)


def _times(use: LayerUse, constant: np.ndarray) -> Operator:
    return _scale_offset(use, constant, None)


def _divided_by(use: LayerUse, constant: np.ndarray) -> Operator:
    """By a power of two it is a product, since the reciprocal is as exact."""
    if not constant.all():
        raise ModelError("it divides by 0")
    mantissas, _ = np.frexp(constant)
    if (np.abs(mantissas) == 0.5).all():
        return _times(use, 1 / constant)
    if not use.shape:
        raise _too_many_axes(use, constant)
    return DivideConstant(Parameter(use.parameter_name("divisor"), constant))


def _divided_into(use: LayerUse, constant: np.ndarray) -> Made:
    if (constant == 1).all():
        return Pointwise(Reciprocal())
    return Chain((("reciprocal", Pointwise(Reciprocal())),), _times(use, constant))


def _limited(limit: Callable[[float], Operator]) -> OfConstant:
    def made(use: LayerUse, constant: np.ndarray) -> Operator:
        if constant.size != 1:
            raise ModelError(
                "maxima and minima with constants that are not one number are not supported: write maximum(x, c) as "
                "relu(x - c) + c"
            )
        return limit(float(constant[0]))

    return made


POWERS: dict[float, Operator] = {2.0: Pointwise(Square()), 0.5: Pointwise(Sqrt()), -1.0: Pointwise(Reciprocal())}


def _power(use: LayerUse) -> Operator:
    _, exponent = _operands(use, 2)
    if isinstance(exponent, bool) or not isinstance(exponent, int | float):
        raise ModelError("it raises to a power that is no number, which is not supported")
    if exponent not in POWERS:
        raise ModelError(f"the power {shown(exponent)} is not supported: use 2, 0.5 or -1, or multiply")
    return POWERS[exponent]


def _negative(use: LayerUse) -> Operator:
    return _times(use, MINUS_ONE)


def _clip(use: LayerUse) -> Operator:
    return clipped(use.settings.number("x_min"), use.settings.number("x_max"))


def _matmul(use: LayerUse) -> Operator:
    if not all(isinstance(operand, Operand) for operand in _operands(use, 2)):
        raise ModelError("a product with a constant matrix is not supported: use a Dense layer without a bias")
    return MatMul()


# Over axes


def _reduction(kind: Reduction) -> Rule:
    def rule(use: LayerUse) -> Operator:
        rank = len(use.shape)
        if use.settings.values.get("initial") is not None:
            raise ModelError(
                "an initial value is not supported: take keras.ops.maximum, or minimum, of it and the result"
            )
        axes = tuple(sorted(use.settings.axes("axis", rank)))
        keepdims = use.settings.flag("keepdims")
        if rank > 1 and axes == tuple(range(rank - 1)) and kind in OVER_AN_IMAGE:
            return OVER_AN_IMAGE[kind](keepdims)
        return kind(axes, keepdims)

    return rule


def _over_an_axis(operator: Operator) -> Rule:
    return lambda use: over_last_axes(use, (use.settings.axis("axis", len(use.shape)),), operator)


def _pooling(operator: type[MaxPooling] | type[AveragePooling]) -> Rule:
    def rule(use: LayerUse) -> Operator:
        rank = len(use.shape) - 1
        window = use.settings.integers("pool_size", rank)
        absent = use.settings.values.get("strides") is None
        strides = window if absent else use.settings.integers("strides", rank)
        return operator(window, strides, use.padding(window, strides, (1,) * rank))

    return rule


# Functions


def _of_each(operator: Operator) -> Rule:
    return lambda use: operator


def _leaky_relu(use: LayerUse) -> Operator:
    return ReLU(negative_slope=use.settings.number("negative_slope"))


def _elu(use: LayerUse) -> Operator:
    return Pointwise(ELU(use.settings.number("alpha")))


def _celu(use: LayerUse) -> Made:
    """alpha·elu(x/alpha)."""
    alpha = np.array([use.settings.number("alpha")], np.float32)
    if alpha == 1:
        return Pointwise(ELU())
    if not alpha:
        raise ModelError("its alpha is 0: use relu")
    divided = DivideConstant(Parameter(use.parameter_name("divided.divisor"), alpha))
    return Chain((("divided", divided), ("elu", Pointwise(ELU()))), _times(use, alpha))


def _gelu(use: LayerUse) -> Operator:
    return Pointwise(GELU(use.settings.flag("approximate")))


OTHER_OPERATIONS = "compute it with keras.layers or with other operations"

OPERATION_ADVICE = {
    "Argmax": "end the model at the values that it reads, as in keras.Model(model.inputs, layer.output)",
    **dict.fromkeys(
        ("Std", "Var"), "take the mean of the squares of what is left without the mean, and for the deviation its root"
    ),
    **dict.fromkeys(
        ("Greater", "GreaterEqual", "Less", "LessEqual", "Where"),
        "write a choice by comparison with relu, leaky_relu, clip, maximum or minimum",
    ),
    "Logsumexp": "write it as the log of the sum of exp",
    "Prod": "multiply slices",
    **dict.fromkeys(("Stack", "Tile", "Repeat"), "use keras.ops.concatenate, with expand_dims"),
}
"""What to do about operations that aren't read, by class, behind `… is not supported: `; tried in
tests/frontends/test_remedies.py."""

OPERATIONS: dict[str, Rule] = {
    "Abs": _of_each(Absolute()),
    "Absolute": _of_each(Absolute()),
    "Add": _arithmetic(Add(), right=_plus, left=_plus),
    "Amax": _reduction(ReduceMaximum),
    "Amin": _reduction(ReduceMinimum),
    "AveragePool": _pooling(AveragePooling),
    "Celu": _celu,
    "Clip": _clip,
    "Concatenate": concatenate,
    "Divide": _arithmetic(Divide(), right=_divided_by, left=_divided_into),
    "Elu": _elu,
    "Erf": _of_each(Pointwise(Erf())),
    "Exp": _of_each(Pointwise(Exp())),
    "ExpandDims": expand_dims,
    "Gelu": _gelu,
    "GetItem": get_item,
    "HardSigmoid": _of_each(ACTIVATIONS["hard_sigmoid"]),
    "HardSilu": _of_each(ACTIVATIONS["hard_silu"]),
    "HardTanh": _of_each(ACTIVATIONS["hard_tanh"]),
    "LeakyRelu": _leaky_relu,
    "Log": _of_each(Pointwise(Log())),
    "LogSigmoid": _of_each(ACTIVATIONS["log_sigmoid"]),
    "LogSoftmax": _over_an_axis(LogSoftmax()),
    "Matmul": _matmul,
    "Max": _reduction(ReduceMaximum),
    "MaxPool": _pooling(MaxPooling),
    "Maximum": _arithmetic(
        Maximum(),
        right=_limited(lambda low: clipped(low, None)),
        left=_limited(lambda low: clipped(low, None)),
    ),
    "Mean": _reduction(ReduceMean),
    "Min": _reduction(ReduceMinimum),
    "Minimum": _arithmetic(
        Minimum(),
        right=_limited(lambda high: clipped(None, high)),
        left=_limited(lambda high: clipped(None, high)),
    ),
    "Moveaxis": move_axis,
    "Multiply": _arithmetic(Multiply(), right=_times, left=_times),
    "Negative": _negative,
    "Pad": pad,
    "Power": _power,
    "Reciprocal": _of_each(Pointwise(Reciprocal())),
    "Relu": _of_each(ReLU()),
    "Relu6": _of_each(ReLU(max_value=6.0)),
    "Reshape": reshape,
    "Selu": _of_each(ACTIVATIONS["selu"]),
    "Sigmoid": _of_each(ACTIVATIONS["sigmoid"]),
    "Sign": _of_each(Pointwise(Sign())),
    "Silu": _of_each(ACTIVATIONS["silu"]),
    "Softmax": _over_an_axis(Softmax()),
    "Softplus": _of_each(ACTIVATIONS["softplus"]),
    "Softsign": _of_each(ACTIVATIONS["softsign"]),
    "SparseSigmoid": _of_each(ACTIVATIONS["sparse_sigmoid"]),
    "Split": split,
    "Sqrt": _of_each(Pointwise(Sqrt())),
    "Square": _of_each(Pointwise(Square())),
    "Squeeze": squeeze,
    "Subtract": _arithmetic(Subtract(), right=_minus, left=_subtracted_from),
    "Sum": _reduction(ReduceSum),
    "Swapaxes": swap_axes,
    "Tanh": _of_each(ACTIVATIONS["tanh"]),
    "Transpose": transpose,
    "TrueDivide": _arithmetic(Divide(), right=_divided_by, left=_divided_into),
}
