"""ONNX's Pad: with a constant, or with an image's edges before a maximum."""

from collections.abc import Iterable

from bittrue.errors import ModelError
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import NodeUse, Tensor, Value
from bittrue.frontends.onnx.rows import OnnxOperator, Table
from bittrue.frontends.onnx.rules.movement import with_axis_alone
from bittrue.frontends.onnx.rules.windows import channels_last, image_layout
from bittrue.network import format_shape
from bittrue.operators import Pad, ZeroPadding


def _padding(use: NodeUse, rank: int) -> tuple[dict[int, tuple[int, int]], float]:
    """By axis how much stands before and behind it, where anything does; and the value that does."""
    if use.opset < 11:
        pads, value = use.node.integers("pads", ()), use.node.number("value", 0.0)
    else:
        pads = use.numbers(1)
        value = use.scalar(2) if use.has(2) else 0.0
    axes = tuple(use.axis(axis, rank) for axis in use.numbers(3)) if use.has(3) else tuple(range(rank))
    if len(pads) != 2 * len(axes) or min((0, *pads)) < 0:
        raise ModelError(f"its pads {pads} don't fit {rank} axes, or cut values off: export the model again")
    around = {axis: (pads[place], pads[place + len(axes)]) for place, axis in enumerate(axes)}
    return {axis: pad for axis, pad in around.items() if any(pad)}, value


def _along_padding(use: NodeUse, rank: int) -> Iterable[int]:
    return _padding(use, rank)[0]


def _pad(use: NodeUse) -> Value:
    x = use.tensor(0)
    rank = len(x.shape)
    mode = use.node.text("mode", "constant")
    readers = use.conversion.readers[use.node.outputs[0]]
    for_maxima = mode == "edge" and bool(readers) and all(reader.op_type == "MaxPool" for reader in readers)
    if mode != "constant" and not for_maxima:
        raise ModelError(f"its mode {mode!r} is not supported: concatenate slices of its edges")
    around, value = _padding(use, rank)
    if for_maxima:  # a value once more changes no maximum: the poolings leave these places out
        if any(axis < 2 for axis in around):
            raise ModelError(
                "it repeats the edges of the channels, which is not supported: concatenate slices of its edges"
            )
        use.conversion.edges[use.node.outputs[0]] = tuple(around.get(axis, (0, 0)) for axis in range(2, rank))
        return x
    return padded(use, x, around, value) if around else x


def padded(use: NodeUse, x: Tensor, around: dict[int, tuple[int, int]], value: float) -> Tensor:
    """x with so many times `value` before and behind it along the file's axes `around`."""
    rank = len(x.shape)
    if rank in (3, 4) and min(around) >= 2:
        x = channels_last(use, x)
        pairs = tuple(around.get(axis, (0, 0)) for axis in range(2, rank))
        operator = ZeroPadding(pairs) if value == 0 else Pad((*pairs, (0, 0)), value)
        number = use.add(operator, x)
        return Tensor(number, image_layout(use.shape_of(number)))
    for axis in around:
        x, _ = with_axis_alone(use, x, axis)
    places = {axis: with_axis_alone(use, x, axis)[1] for axis in around}
    if len(set(places.values())) < len(places):
        raise ModelError(f"it pads several axes of size 1 of {format_shape(x.shape)}, which is not supported: pad one")
    padding = [(0, 0)] * len(x.layout.axes)
    layout = x.layout
    for axis, pad in around.items():
        padding[places[axis]] = pad
        layout = layout.resized(axis, x.shape[axis] + sum(pad), places[axis])
    spatial = padding[-1] == (0, 0) and value == 0
    return Tensor(use.add(ZeroPadding(tuple(padding[:-1])) if spatial else Pad(tuple(padding), value), x), layout)


OPERATORS: Table = {"Pad": OnnxOperator(_pad, axes=Axes.KEPT | Axes.SPATIAL, along=_along_padding)}
