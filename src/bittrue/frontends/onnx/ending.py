"""An ArgMax that a graph ends in: it names the class, which the host does, so the Network ends at what it reads."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.file import OnnxGraph
from bittrue.frontends.onnx.node import OnnxNode
from bittrue.shapes import Shape

END_BEFORE = "end the network at the values that it reads, for which an .onnx file takes --output NAME"

HANDED_ON = ("Cast", "Identity", "Squeeze")
"""What may follow it: the classes in another type, or without its axis."""


@dataclass(frozen=True)
class FinalArgMax:
    """node: the ArgMax. behind: what follows it, from the output back."""

    node: OnnxNode
    behind: tuple[OnnxNode, ...]

    @property
    def keeps_axis(self) -> bool:
        """Whether its axis stays, with size 1."""
        return bool(self.node.integer("keepdims", 1)) and not any(node.op_type == "Squeeze" for node in self.behind)

    def check(self, shape: Shape, order: tuple[int, ...]) -> None:
        """shape: of what it reads, in the file. order: the axes of one image, in the Network's order.

        Raises: ModelError where it works along another axis than the Network's last, along which classes lie, where it
        chooses otherwise among equal values, and where what follows it doesn't tell the classes apart.
        """
        axis, rank = self.node.integer("axis", 0), len(shape)
        if not order or axis not in (order[-1], order[-1] - rank):
            last = f", and the values of one image's classes lie along axis {order[-1]}" if order else ""
            raise ModelError(f"it works along axis {axis}{last}: {END_BEFORE}")
        classes = np.arange(shape[order[-1]])
        if len(classes) < 2:
            raise ModelError(f"it chooses among one value: {END_BEFORE}")
        if self.node.integer("select_last_index", 0):
            raise ModelError(f"it names the last of equal values (select_last_index), not the first: {END_BEFORE}")
        for kind in _types(self.behind):
            if not np.array_equal(classes.astype(kind).astype(np.float64), classes):
                raise ModelError(f"the {kind} behind it doesn't tell its {len(classes)} classes apart: {END_BEFORE}")


def without_argmax(graph: OnnxGraph) -> tuple[OnnxGraph, FinalArgMax | None]:
    """The graph up to what a final ArgMax reads, and that ArgMax; a graph that ends otherwise is what it was."""
    makers = {name: node for node in graph.nodes for name in node.outputs if name}
    behind: list[OnnxNode] = []
    node = makers.get(graph.output)
    while node is not None and node.op_type in HANDED_ON and not node.domain:
        behind.append(node)
        node = makers.get(node.inputs[0])
    if node is None or node.op_type != "ArgMax" or node.domain:
        return graph, None
    left_out = [node, *behind]
    kept = tuple(other for other in graph.nodes if not any(other is one for one in left_out))
    return replace(graph, nodes=kept, output=node.inputs[0]), FinalArgMax(node, tuple(behind))


def _types(nodes: tuple[OnnxNode, ...]) -> Iterator[np.dtype]:
    from onnx import helper

    for node in nodes:
        if node.op_type == "Cast":
            try:
                yield np.dtype(helper.tensor_dtype_to_np_dtype(node.integer("to", 0)))
            except KeyError:
                raise ModelError("its attribute to is no type of ONNX: export the model again") from None
