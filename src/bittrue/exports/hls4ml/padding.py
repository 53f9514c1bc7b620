"""Zeros around a value: hls4ml's ZeroPadding layers."""

from typing import Any

from bittrue.exports.hls4ml.graph import Graph, Tensor, refused
from bittrue.exports.hls4ml.table import STOP, export_hls4ml
from bittrue.program import Pad, Step
from bittrue.shapes import Padding


@export_hls4ml.rule(Pad)
def _(instruction: Pad, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    if instruction.value:
        raise refused(step, "pads with zeros alone", STOP)
    *spatial, channels = instruction.padding
    if any(channels) or not 1 <= len(spatial) <= 2:
        raise refused(step, "pads the rows and columns of one or two spatial axes alone", STOP)
    graph.convert(step, padded(graph, step, x, tuple(spatial), step.name))


def padded(graph: Graph, step: Step, x: Tensor, padding: Padding, name: str | None = None) -> Tensor:
    """The tensor with zeros around its spatial axes; itself where there are none."""
    if not any(before or after for before, after in padding):
        return x
    shape = (*(size + sum(pair) for size, pair in zip(x.shape, padding, strict=False)), x.shape[-1])
    attributes: dict[str, Any] = {"n_chan": x.shape[-1], "data_format": "channels_last"}
    axes = (("height", "top", "bottom"), ("width", "left", "right"))[-len(padding) :]
    for place, (axis, before, after) in enumerate(axes):
        attributes |= {
            f"in_{axis}": x.shape[place],
            f"out_{axis}": shape[place],
            f"pad_{before}": padding[place][0],
            f"pad_{after}": padding[place][1],
        }
    result = Tensor("", shape, x.quantizer, min(x.low, 0), max(x.high, 0))
    return graph.add(name or f"{step.name}_padded", f"ZeroPadding{len(padding)}D", [x], result, attributes)
