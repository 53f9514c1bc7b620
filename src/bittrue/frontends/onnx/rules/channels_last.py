"""QONNX's operators with the channels last: ONNX's own, with the axes of image and weight moved.

QONNX computes them by a transpose before and one behind, and so they are read: an image (1, height, width, channels) is
renamed, nothing moves. A convolution's weight is (outputs, height, width, inputs).
"""

from dataclasses import replace

from bittrue.errors import ModelError
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Tensor, Value
from bittrue.frontends.onnx.rows import OnnxOperator, Table
from bittrue.frontends.onnx.rules import products, resizing, windows

DOMAIN = "qonnx.custom_op.channels_last"


def _to_first(rank: int) -> tuple[int, ...]:
    return (0, rank - 1, *range(1, rank - 1))


def _to_last(rank: int) -> tuple[int, ...]:
    return (0, *range(2, rank), 1)


def _moved(row: OnnxOperator, moved_inputs: int = 1) -> OnnxOperator:
    """The row of the operator with its channels last; moved_inputs: how many of its first inputs are moved too."""

    def rule(use: NodeUse) -> Value:
        names = []
        for index in range(moved_inputs):
            names.append(f"{use.node.inputs[index]}, channels first")
            use.conversion.values[names[index]] = _channels_first(use, index)
        made = row.applied(replace(use, node=replace(use.node, inputs=(*names, *use.node.inputs[moved_inputs:]))))
        assert isinstance(made, Tensor)
        return made.transposed(_to_last(len(made.shape)))

    return replace(row, rule=rule, axes=Axes.CHANNELS_LAST | Axes.SPATIAL)


def _channels_first(use: NodeUse, index: int) -> Constant | Tensor:
    value = use.value(index)
    if isinstance(value, Tensor):
        return use.tensor(index).transposed(_to_first(len(value.shape)))
    rank = value.value.ndim
    return value.passed_on(value.value.transpose(_to_first(rank)), "channels first") if rank > 1 else value


def _resize(use: NodeUse) -> Value | tuple[Value, ...]:
    """Scales are those of the image with its channels first, as QONNX's converter leaves them, or last, as its shape
    inference does; sizes and two factors of one don't say which."""
    if len(use.node.inputs) != 3:
        raise ModelError("it has no scales, or sizes in their place: export the model with scales")
    scales = use.constant(2)
    names = scales.value.reshape(-1).tolist()
    if len(names) != 4 or (names[1] != 1) == (names[3] != 1):
        raise ModelError("its scales don't say which axis is the channels': resize height and width by the same factor")
    if names[3] == 1:
        name = f"{use.node.inputs[2]}, channels first"
        use.conversion.values[name] = Constant(scales.value.reshape(-1)[list(_to_first(4))])
        use = replace(use, node=replace(use.node, inputs=(*use.node.inputs[:2], name)))
    return resizing.OPERATORS["Resize"].applied(use)


OPERATORS: Table = {
    "AveragePool": _moved(windows.OPERATORS["AveragePool"]),
    "BatchNormalization": _moved(products.OPERATORS["BatchNormalization"]),
    "Conv": _moved(products.OPERATORS["Conv"], moved_inputs=2),
    "MaxPool": _moved(windows.OPERATORS["MaxPool"]),
    "Resize": _moved(replace(resizing.OPERATORS["Resize"], rule=_resize)),
}
