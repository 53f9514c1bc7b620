"""ONNX's sums of products with trained weights, and batch normalization."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.arrays.stored import exact_value
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Tensor, Value
from bittrue.frontends.onnx.layout import Layout
from bittrue.frontends.onnx.node import EXPORT_AGAIN
from bittrue.frontends.onnx.rows import PRODUCTS, Naming, OnnxOperator, Table
from bittrue.frontends.onnx.rules.windows import added_axis, channels_last, image_layout, steps_layout, window
from bittrue.network import Parameter, format_shape
from bittrue.operators import BatchNormalization, Convolution, ConvolutionTransposed, Dense, MatMul


def _conv(use: NodeUse) -> Value:
    weight = use.constant(1)
    kernel = weight.value.shape[2:]
    groups = use.node.integer("group", 1)
    if weight.value.ndim not in (3, 4) or groups < 1:
        raise ModelError(
            f"a weight of {format_shape(weight.value.shape)} is not supported: use one or two spatial "
            "axes, with a third among the channels"
        )
    geometry = window(use, kernel)
    added = added_axis(use.tensor(0), geometry)
    x, rows = (
        _channels(use, groups, weight.value.shape[1]) if added is None else (use.tensor(0), lambda weight, axis: weight)
    )
    moved = _to_last(weight.value, (1, 0))
    if added is not None:
        geometry, moved = geometry.without(added), moved.squeeze(added)
    parameter = use.parameter("weight", weight, rows(moved, moved.ndim - 2), "convolution")
    operator = Convolution(
        parameter, _bias(use, 2, moved.shape[-1]), geometry.strides, geometry.padding, geometry.dilation, groups
    )
    number = use.add(operator, x)
    shape = use.shape_of(number)
    return Tensor(number, image_layout(shape) if added is None else steps_layout(shape, added))


def _conv_transpose(use: NodeUse) -> Value:
    x, weight = channels_last(use, use.tensor(0)), use.constant(1)
    kernel, axes = weight.value.shape[2:], weight.value.ndim - 2
    groups = use.node.integer("group", 1)
    if axes not in (1, 2) or groups < 1 or weight.value.shape[0] % groups:
        raise ModelError(
            f"a weight of {format_shape(weight.value.shape)} in {groups} groups is not supported: "
            "use one or two spatial axes, with a third among the channels, and groups that divide these"
        )
    geometry = window(use, kernel)
    extra = use.node.integers("output_padding", ()) or (0,) * axes
    full = [
        (size - 1) * stride + step * (reach - 1) + 1
        for size, reach, stride, step in zip(x.shape[2:], kernel, geometry.strides, geometry.dilation, strict=True)
    ]
    automatic = use.node.text("auto_pad", "NOTSET")
    wanted = use.node.stated("output_shape")
    if wanted is None and automatic.startswith("SAME"):
        wanted = tuple(size * stride for size, stride in zip(x.shape[2:], geometry.strides, strict=True))
    padding = geometry.padding
    if len(extra) != axes or min(extra) < 0 or (wanted is not None and len(wanted) < axes):
        raise ModelError(f"its output padding and output shape don't fit {axes} spatial axes: {EXPORT_AGAIN}")
    if wanted is not None:
        totals = [size + more - end for size, more, end in zip(full, extra, wanted[-axes:], strict=True)]
        if min(totals) < 0:
            raise ModelError(f"its output shape {wanted} is larger than its windows reach: export the model again")
        upper = automatic == "SAME_UPPER"
        padding = tuple((total // 2, -(-total // 2)) if upper else (-(-total // 2), total // 2) for total in totals)
    stored = weight.value.reshape(groups, weight.value.shape[0] // groups, *weight.value.shape[1:])
    # (groups, in, out, *kernel) → (*kernel, in, groups · out)
    moved = np.ascontiguousarray(stored.transpose(*range(3, 3 + axes), 1, 0, 2))
    parameter = use.parameter("weight", weight, moved.reshape(*kernel, stored.shape[1], -1), "transposed")
    bias = _bias(use, 2, groups * stored.shape[2])
    operator = ConvolutionTransposed(parameter, bias, geometry.strides, padding, extra, geometry.dilation, groups)
    number = use.add(operator, x)
    return Tensor(number, image_layout(use.shape_of(number)))


def _channels(use: NodeUse, groups: int, channels: int) -> tuple[Tensor, Callable[[np.ndarray, int], np.ndarray]]:
    """The input, channels last, and how the weight's input `channels` follow an order that isn't the file's."""
    x = use.tensor(0)
    layout = x.layout
    atoms = layout.atoms(1) if len(layout.shape) > 1 else ()
    spatial = tuple(layout.atoms(axis) for axis in range(2, len(layout.shape)))
    whole = groups == 1 and len(layout.shape) > 1 and channels == layout.shape[1]
    if whole and layout.axes[:-1] == spatial and layout.axes[-1] != atoms and set(layout.axes[-1]) == set(atoms):
        return x, lambda weight, axis: layout.along(weight, axis, atoms)
    return channels_last(use, x), lambda weight, axis: weight


def _to_last(weight: np.ndarray, last: tuple[int, int]) -> np.ndarray:
    """(out, in, *kernel) → (*kernel, …, …)."""
    return np.ascontiguousarray(weight.transpose(*range(2, weight.ndim), *last))


def _bias(use: NodeUse, index: int, units: int) -> Parameter | None:
    """The bias, if there is one; zeros that an exporter made up in the place of none are none."""
    if not use.has(index):
        return None
    bias = use.constant(index)
    if bias.value.shape != (units,):
        raise ModelError(f"its bias has the shape {format_shape(bias.value.shape)}, expected {units}: {EXPORT_AGAIN}")
    if not bias.stored and not bias.value.any():
        return None
    return use.parameter("bias", bias, bias.value, use.constant(1).origin)


def _gemm(use: NodeUse) -> Value:
    x, weight = use.tensor(0), use.constant(1)
    value = _scaled(weight, use.node.number("alpha", 1.0))
    value = value.T if use.node.integer("transB", 0) else value
    axis = 0 if use.node.integer("transA", 0) else 1
    if len(x.shape) != 2 or value.ndim != 2:
        raise ModelError(f"inputs of {format_shape(x.shape)} and {format_shape(value.shape)} are no matrices")
    if axis == 0:
        x = Tensor(x.node, x.layout.transposed((1, 0)), x.sole, x.moved)
    bias = None
    if use.has(2):
        stored = use.constant(2)
        bias = replace(stored, value=_scaled(stored, use.node.number("beta", 1.0)))
    return contract(use, x, 1, weight, value, bias)


def _scaled(constant: Constant, factor: float) -> np.ndarray:
    if factor != 1 and constant.quantizers is not None:
        raise ModelError("it multiplies a quantized constant, which is not supported: export it with alpha and beta 1")
    if factor == 1:
        return constant.value
    exact_value(constant.value)  # which refuses whole numbers
    with np.errstate(over="ignore"):  # what becomes infinite is refused with the other parameters
        return np.asarray(constant.value * constant.value.dtype.type(factor))


def _matmul(use: NodeUse) -> Value:
    left, right = use.value(0), use.value(1)
    if isinstance(right, Constant) and isinstance(left, Tensor):
        x = use.tensor(0)
        if right.value.ndim != 2:
            raise ModelError(f"a weight of {format_shape(right.value.shape)} is no matrix: export the model with one")
        return contract(use, x, len(x.shape) - 1, right, right.value, None)
    if isinstance(left, Constant) and isinstance(right, Tensor):
        x = use.tensor(1)
        if left.value.ndim != 2 or len(x.shape) < 2:
            raise ModelError(f"a weight of {format_shape(left.value.shape)} is no matrix: export the model with one")
        return contract(use, x, len(x.shape) - 2, left, left.value.T, None)
    return multiplied(use, use.tensor(0), use.tensor(1))


def multiplied(use: NodeUse, *tensors: Tensor) -> Tensor:
    """Two tensors multiplied as matrices over their last two axes."""
    rank = max(len(tensor.shape) for tensor in tensors)
    shapes = [(*(1,) * (rank - len(tensor.shape)), *tensor.shape) for tensor in tensors]
    left, right = shapes
    leading = [max(pair) for pair in zip(left[:-2], right[:-2], strict=True)]
    if min(len(tensor.shape) for tensor in tensors) < 2 or left[-1] != right[-2]:
        raise ModelError(f"{format_shape(left)} and {format_shape(right)} can't be multiplied as matrices")
    order = (*(axis for axis, size in enumerate(leading) if size != 1), rank - 2, rank - 1)
    ranked = [
        replace(tensor, layout=replace(tensor.layout, shape=shape))
        for tensor, shape in zip(tensors, shapes, strict=True)
    ]
    number = use.add(MatMul(), *(use.in_file_order(tensor, order) for tensor in ranked))
    shape = (*leading, left[-2], right[-1])
    return Tensor(number, Layout.of_axes(shape, order))


def contract(
    use: NodeUse, x: Tensor, axis: int, constant: Constant, weight: np.ndarray, bias: Constant | None
) -> Tensor:
    """Dense over the file's `axis` of x: weight (size of the axis, units), its rows in the order of the values."""
    layout = x.layout
    atoms = layout.atoms(axis)
    if weight.shape[0] != layout.shape[axis]:
        raise ModelError(
            f"a weight of {format_shape(weight.shape)} doesn't fit an input of {format_shape(layout.shape)}: "
            "export the model again"
        )
    x = use.arrange(x, layout.last(atoms))
    rows = x.layout.along(weight, 0, atoms) if len(atoms) > 1 else np.ascontiguousarray(weight)
    key = (constant.origin, x.layout.axes[-1])
    parameter = use.parameter("weight", constant, rows, key)
    units = weight.shape[1]
    terms = None
    if bias is not None and (bias.stored or bias.value.any()):
        terms = use.parameter("bias", bias, dense_bias(bias.value, units), key)
    number = use.add(Dense(parameter, terms), x)
    return Tensor(number, x.layout.resized(axis, units, len(x.layout.axes) - 1))


def dense_bias(value: np.ndarray, units: int) -> np.ndarray:
    """A bias that the file broadcasts to the outputs. Raises: ModelError where it differs between other axes."""
    if value.size not in (1, units) or (value.size == units != 1 and value.shape[-1] != units):
        raise ModelError(f"a bias of {format_shape(value.shape)} doesn't fit {units} outputs: export the model again")
    return np.ascontiguousarray(np.broadcast_to(value.reshape(-1), (units,)))


def _batch_normalization(use: NodeUse) -> Value:
    if use.node.integer("training_mode", 0) or (use.opset < 7 and not use.node.integer("is_test", 0)):
        raise ModelError("it is in training mode: export the model in evaluation mode")
    x = use.tensor(0)
    if len(x.shape) < 2:
        raise ModelError(f"an input of {format_shape(x.shape)} has no channels")
    if not use.node.integer("spatial", 1):
        raise ModelError("its means and variances are not one a channel, which is not supported: use spatial=1")
    gamma, beta, mean, variance = (use.constant(index) for index in range(1, 5))
    epsilon = use.node.number("epsilon", float(np.float32(1e-5)))
    return normalized(use, x, 1, gamma, beta, mean, variance, epsilon)


def normalized(
    use: NodeUse,
    x: Tensor,
    axis: int,
    gamma: Constant | None,
    beta: Constant | None,
    mean: Constant,
    variance: Constant,
    epsilon: float,
) -> Tensor:
    """The batch normalization of x along one of the file's axes; without gamma or beta these are 1 or 0."""
    atoms = x.layout.atoms(axis)
    x = use.arrange(x, x.layout.last(atoms))
    # Exporters store equal arrays once: only all four together are one layer's that is used twice.
    key = (tuple(constant and constant.origin for constant in (gamma, beta, mean, variance)), x.layout.axes[-1])

    def parameter(role: str, constant: Constant) -> Parameter:
        if constant.value.shape != (x.shape[axis],):
            raise ModelError(f"its {role} has the shape {format_shape(constant.value.shape)}, expected {x.shape[axis]}")
        return use.parameter(role, constant, x.layout.along(constant.value, 0, atoms), key)

    operator = BatchNormalization(
        None if gamma is None else parameter("gamma", gamma),
        None if beta is None else parameter("beta", beta),
        parameter("mean", mean),
        parameter("variance", variance),
        epsilon,
    )
    return Tensor(use.add(operator, x), x.layout)


OPERATORS: Table = {
    "BatchNormalization": OnnxOperator(_batch_normalization, axes=Axes.EACH | Axes.CHANNELS_FIRST, naming=Naming.LAYER),
    "Conv": OnnxOperator(_conv, axes=Axes.IMAGE, naming=Naming.LAYER),
    "ConvTranspose": OnnxOperator(_conv_transpose, axes=Axes.IMAGE, naming=Naming.LAYER),
    "Gemm": OnnxOperator(_gemm, axes=Axes.OWN, folding=PRODUCTS, naming=Naming.LAYER),
    "MatMul": OnnxOperator(_matmul, axes=Axes.OWN, folding=PRODUCTS, naming=Naming.LAYER),
}
