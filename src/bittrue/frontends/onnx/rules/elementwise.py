"""ONNX's operators that compute element by element: activations, arithmetic with constants and between values."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.forms import clipped
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Rule, Tensor, Value
from bittrue.frontends.onnx.layout import Keys, Layout, file_order, shared_factors
from bittrue.frontends.onnx.rules.masks import add_mask
from bittrue.frontends.onnx.rules.products import dense_bias
from bittrue.network import Operator, format_shape
from bittrue.operators import (
    Absolute,
    Add,
    Average,
    Broadcast,
    Convolution,
    ConvolutionTransposed,
    Dense,
    Divide,
    DivideConstant,
    Maximum,
    Minimum,
    Multiply,
    Pointwise,
    PReLU,
    ReLU,
    ScaleOffset,
    Subtract,
)
from bittrue.program.functions import (
    ELU,
    GELU,
    SELU,
    Erf,
    Exp,
    HardSigmoid,
    HardSwish,
    Log,
    Mish,
    Reciprocal,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Sqrt,
    Square,
    Tanh,
)
from bittrue.shapes import Shape

Weighted = Convolution | ConvolutionTransposed | Dense


# Two values or more


def aligned(use: NodeUse, tensors: Sequence[Tensor]) -> tuple[list[Tensor], Layout]:
    """Tensors that the file broadcasts to one shape, lying alike in the network, and the layout of the result."""
    try:
        shape = tuple(np.broadcast_shapes(*(tensor.shape for tensor in tensors)))
    except ValueError:
        found = " and ".join(format_shape(tensor.shape) for tensor in tensors)
        raise ModelError(f"inputs of {found} don't fit each other: export the model again") from None
    ranked = [_with_rank(tensor, len(shape)) for tensor in tensors]
    factors = shared_factors([tensor.layout for tensor in ranked], shape)
    if factors is not None:
        split = [replace(tensor, layout=tensor.layout.refined(factors)) for tensor in ranked]
        full = [tensor.layout for tensor in split if tensor.shape == shape]
        if full and all(_is_whole(axis, tensor.layout) for axis in full[0].keys for tensor in split):
            return [_lying(use, tensor, full[0].keys) for tensor in split], full[0]
    order = file_order(shape)
    return [use.in_file_order(tensor, order) for tensor in ranked], Layout.of_axes(shape, order)


def _with_rank(tensor: Tensor, rank: int) -> Tensor:
    shape = (*(1,) * (rank - len(tensor.shape)), *tensor.shape)
    return replace(tensor, layout=replace(tensor.layout, shape=shape))


def _is_whole(axis: tuple[tuple[int, int], ...], layout: Layout) -> bool:
    """Whether a tensor varies along all of this axis of the result, or none of it."""
    own = {key for lying in layout.keys for key in lying}
    return own.isdisjoint(axis) or own.issuperset(axis)


def _lying(use: NodeUse, tensor: Tensor, axes: Keys) -> Tensor:
    """The tensor so that NumPy broadcasts it to the result's axes."""
    present = tensor.layout.keys
    own = {key for axis in present for key in axis}
    wanted = tuple(axis if own.issuperset(axis) else () for axis in axes)
    missing = len(wanted) - len(present)
    if missing >= 0 and wanted[missing:] == present and not any(wanted[:missing]):
        return tensor
    return use.arrange(tensor, tensor.layout.axes_of(wanted))


def _combined(use: NodeUse, operator: Operator, tensors: Sequence[Tensor]) -> Tensor:
    inputs, layout = aligned(use, tensors)
    return Tensor(use.add(operator, *inputs), layout)


# A value and constants


def _parts(use: NodeUse) -> tuple[list[Tensor], list[Constant]]:
    values = [use.value(index) for index in range(len(use.node.inputs)) if use.has(index)]
    tensors = [use.tensor(index) for index, value in enumerate(values) if isinstance(value, Tensor)]
    return tensors, [value for value in values if isinstance(value, Constant)]


def spread_constant(use: NodeUse, x: Tensor, constant: Constant) -> np.ndarray:
    """A constant in the axes that x has in the network: (1,) for one number, without leading axes of size 1."""
    shape, value = x.shape, constant.value
    try:
        combined = tuple(np.broadcast_shapes(shape, value.shape))
    except ValueError:
        combined = ()
    if combined[len(combined) - len(shape) :] != shape or any(
        size != 1 for size in combined[: len(combined) - len(shape)]
    ):
        raise ModelError(
            f"a constant of {format_shape(value.shape)} doesn't fit an input of {format_shape(shape)}, without making "
            "it larger: export the model with the larger input"
        )
    moved = x.layout.constant(
        value.reshape(value.shape[len(value.shape) - len(shape) :] if value.ndim > len(shape) else value.shape)
    )
    while moved.ndim > 1 and moved.shape[0] == 1:
        moved = moved[0]
    return moved.reshape(1) if moved.ndim == 0 else moved


def spread(use: NodeUse, x: Tensor, shape: Shape) -> Tensor:
    """x repeated along its axes of size 1 in which `shape` is longer; x itself where there are none."""
    rank = len(x.shape)
    try:
        wanted = tuple(np.broadcast_shapes(x.shape, shape))
    except ValueError:
        return x
    if wanted == x.shape or len(wanted) != rank or wanted[0] != x.shape[0]:
        return x
    longer = [axis for axis, size in enumerate(x.shape) if size != wanted[axis]]
    free = [place for place, atoms in enumerate(x.layout.axes) if not atoms]
    if len(longer) == len(free) == 1:
        layout = x.layout.resized(longer[0], wanted[longer[0]], free[0])
        return Tensor(use.add(Broadcast(layout.network_shape), x), layout)
    orders = (file_order(wanted), (*range(2, rank), 1))
    lying = (order for order in orders if tuple(x.layout.atoms(axis) for axis in order) == x.layout.axes)
    order = next(lying, order_kept(x))
    number = use.add(Broadcast(tuple(wanted[axis] for axis in order)), use.in_file_order(x, order))
    return Tensor(number, Layout.of_axes(wanted, order))


def order_kept(x: Tensor) -> tuple[int, ...]:
    """The file's axes as they lie in the network, each of size 1 behind the one that it follows in the file."""
    lying = {axis: x.layout.order.index(x.layout.atoms(axis)[0]) for axis, size in enumerate(x.shape) if size != 1}
    order = sorted(lying, key=lying.__getitem__)
    for axis in file_order(x.shape):
        if axis not in order:
            order.insert(order.index(axis - 1) + 1 if axis - 1 in order else 0, axis)
    return tuple(order)


def _add(use: NodeUse) -> Value:
    tensors, constants = _parts(use)
    total = tensors[0] if len(tensors) == 1 else _combined(use, Add(), tensors)
    for constant in constants:
        rest = add_mask(use, constant)
        if rest is not None:
            total = plus(use, total, rest, 1)
    return total


def plus(use: NodeUse, x: Tensor, constant: Constant, sign: int) -> Tensor:
    """x plus (or minus) a constant, which becomes the bias or the offset of what made x, if that has none."""
    x = spread(use, x, constant.value.shape)
    operator = use.operator_of(x)
    value = spread_constant(use, x, constant)
    if sign != 1 and constant.quantizers is not None:
        raise ModelError("it subtracts a quantized constant, which is not supported: add its negative")
    value = value if sign == 1 else -value
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
        return _combined(use, Subtract(), tensors)
    [x], [constant] = tensors, constants
    if isinstance(use.value(1), Constant):
        return plus(use, x, constant, -1)
    minus = Constant(np.array([-1], np.float32))
    return plus(use, _times(use, x, minus), constant, 1)


def _multiply(use: NodeUse) -> Value:
    tensors, constants = _parts(use)
    if len(tensors) == 2:
        return _combined(use, Multiply(), tensors)
    return _times(use, tensors[0], constants[0])


def _times(use: NodeUse, x: Tensor, constant: Constant) -> Tensor:
    if constant.value.size == 1 and (constant.value == 1).all() and constant.quantizers is None:
        return x
    x = spread(use, x, constant.value.shape)
    scale = use.parameter("scale", constant, spread_constant(use, x, constant), use.name)
    return use.apply(ScaleOffset(scale, None), x)


def _divide(use: NodeUse) -> Value:
    tensors, constants = _parts(use)
    if len(tensors) == 2:
        return _combined(use, Divide(), tensors)
    [x], [constant] = tensors, constants
    if isinstance(use.value(0), Constant):
        reciprocal = use.apply(Pointwise(Reciprocal()), x)
        return reciprocal if (constant.value == 1).all() else _times(use, reciprocal, constant)
    value = spread_constant(use, x, constant)
    mantissas, _ = np.frexp(value)
    if (np.abs(mantissas) == 0.5).all():  # powers of two, whose reciprocals are as exact
        return _times(use, x, Constant(1 / constant.value))
    return use.apply(DivideConstant(use.parameter("divisor", constant, value, use.name)), x)


def _negate(use: NodeUse) -> Value:
    return _times(use, use.tensor(0), Constant(np.array([-1], np.float32)))


def _extremum(use: NodeUse, operator: Operator, clip: Callable[[float], Operator]) -> Value:
    tensors, constants = _parts(use)
    if not constants:
        return tensors[0] if len(tensors) == 1 else _combined(use, operator, tensors)
    if len(tensors) > 1 or len(constants) > 1 or constants[0].value.size != 1:
        raise ModelError("maxima and minima with constants that are not one number are not supported")
    return use.apply(clip(float(constants[0].value.reshape(()))), tensors[0])


def _power(use: NodeUse) -> Value:
    exponent = use.scalar(1)
    operators: dict[float, Operator] = {2.0: Pointwise(Square()), 0.5: Pointwise(Sqrt()), -1.0: Pointwise(Reciprocal())}
    if exponent == 1:
        return use.tensor(0)
    if exponent == 3:
        square = use.apply(Pointwise(Square()), use.tensor(0))
        return Tensor(use.add(Multiply(), square, use.tensor(0)), square.layout)
    if exponent not in operators:
        raise ModelError(f"the power {exponent:g} is not supported: use 2, 3, 0.5 or -1")
    return use.apply(operators[exponent], use.tensor(0))


# Activations


def _clip(use: NodeUse) -> Value:
    if use.opset < 11:
        limits = [use.node.attributes.get(name) for name in ("min", "max")]
        low, high = (None if limit is None or abs(limit) > 3.4e38 else float(limit) for limit in limits)
    else:
        low, high = (use.scalar(index) if use.has(index) else None for index in (1, 2))
    if low is None and high is None:
        return use.tensor(0)
    return use.apply(clipped(low, high), use.tensor(0))


def _prelu(use: NodeUse) -> Value:
    x, slope = use.tensor(0), use.constant(1)
    value = spread_constant(use, x, slope)
    if value.shape not in ((1,), x.layout.network_shape[-value.ndim :]):
        value = np.ascontiguousarray(np.broadcast_to(value, x.layout.network_shape[-value.ndim :]))
    return use.apply(PReLU(use.parameter("slope", slope, value, use.name)), x)


def _leaky_relu(use: NodeUse) -> Value:
    return use.apply(ReLU(negative_slope=use.node.number("alpha", float(np.float32(0.01)))), use.tensor(0))


def _elu(use: NodeUse) -> Value:
    return use.apply(Pointwise(ELU(use.node.number("alpha", 1.0))), use.tensor(0))


def _celu(use: NodeUse) -> Value:
    if use.node.number("alpha", 1.0) != 1:
        raise ModelError("an alpha other than 1 is not supported: use Elu")
    return use.apply(Pointwise(ELU(1.0)), use.tensor(0))


def _erfc(use: NodeUse) -> Value:
    """tf2onnx leaves TensorFlow's operator as it is, though ONNX has none of that name: 1 − erf(x)."""
    one, minus = Constant(np.ones(1, np.float32)), Constant(-np.ones(1, np.float32))
    return plus(use, _times(use, use.apply(Pointwise(Erf()), use.tensor(0)), minus), one, 1)


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
        raise ModelError("an alpha other than 1 is not supported")
    return use.apply(Pointwise(SiLU()), use.tensor(0))


TO_OTHER_NUMBERS = "it makes whole numbers or bytes of what depends on the image, which is not supported"


def _passed_on(use: NodeUse) -> Value:
    """Dropout at inference, identities, and casts between the floating-point types that models are trained in."""
    if use.node.op_type == "Dropout" and use.has(2) and use.constant(2).value.any():
        raise ModelError("it is in training mode: export the model in evaluation mode")
    if use.node.op_type == "Cast" and use.node.integer("to", 1) not in (1, 10, 11, 16):
        raise ModelError(TO_OTHER_NUMBERS)
    return use.tensor(0)


def _cast_like(use: NodeUse) -> Value:
    like = use.value(1)
    if isinstance(like, Constant) and like.value.dtype.name not in ("float16", "bfloat16", "float32", "float64"):
        raise ModelError(TO_OTHER_NUMBERS)
    return use.tensor(0)


def _of_each(operator: Operator) -> Rule:
    return lambda use: use.apply(operator, use.tensor(0))


RULES: dict[str, Rule] = {
    "Abs": _of_each(Absolute()),
    "Add": _add,
    "Cast": _passed_on,
    "CastLike": _cast_like,
    "Celu": _celu,
    "Clip": _clip,
    "Div": _divide,
    "Dropout": _passed_on,
    "Elu": _elu,
    "Erf": _of_each(Pointwise(Erf())),
    "Erfc": _erfc,
    "Exp": _of_each(Pointwise(Exp())),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _of_each(Pointwise(HardSwish())),
    "Identity": _passed_on,
    "LeakyRelu": _leaky_relu,
    "Log": _of_each(Pointwise(Log())),
    "Max": lambda use: _extremum(use, Maximum(), lambda low: clipped(low, None)),
    "Mean": lambda use: _combined(use, Average(), [use.tensor(index) for index in range(len(use.node.inputs))]),
    "Min": lambda use: _extremum(use, Minimum(), lambda high: clipped(None, high)),
    "Mish": _of_each(Pointwise(Mish())),
    "Mul": _multiply,
    "Neg": _negate,
    "PRelu": _prelu,
    "Pow": _power,
    "Reciprocal": _of_each(Pointwise(Reciprocal())),
    "Relu": _of_each(ReLU()),
    "Selu": _selu,
    "Sigmoid": _of_each(Pointwise(Sigmoid())),
    "Softplus": _of_each(Pointwise(Softplus())),
    "Softsign": _of_each(Pointwise(Softsign())),
    "Sqrt": _of_each(Pointwise(Sqrt())),
    "Sub": _subtract,
    "Sum": _add,
    "Swish": _swish,
    "Tanh": _of_each(Pointwise(Tanh())),
}
