"""Whether a file's images have their channels first: what stands behind the input, before the output, behind a pooling.

A Network is channels last, and a file says nowhere what its axes are; the operators that take axis 1 for the channels
say it, and those that keep the axes of what they read pass it on.
"""

from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import Constant, Conversion, NodeUse, Tensor
from bittrue.frontends.onnx.node import OnnxNode

MAXIMUM_LOOK_AHEAD = 100


def input_order(conversion: Conversion, rank: int) -> tuple[int, ...]:
    """The file's axes in the network's order: channels last, if the file has them first."""
    first, last = (*range(2, rank), 1), tuple(range(1, rank))
    if rank not in (3, 4) or (rank == 3 and conversion.graph.producer == "tf2onnx"):
        return last
    pending, seen = [conversion.graph.input.name], {conversion.graph.input.name}
    while pending:
        for reader in conversion.readers[pending.pop()]:
            axes = conversion.axes(reader)
            if Axes.CHANNELS_LAST in axes:
                return last
            # tf2onnx takes a mean over the last axes for a global pooling, and moves images before all others.
            named_a_pooling = reader.op_type == "GlobalAveragePool" and conversion.graph.producer == "tf2onnx"
            if Axes.CHANNELS_FIRST in axes and not named_a_pooling:
                return first
            if reader.op_type == "Transpose":
                permutation = reader.integers("perm", ())
                moved = len(permutation)  # an image of one row has an axis more
                return last if permutation == (0, moved - 1, *range(1, moved - 1)) else first
            if Axes.KEPT in axes and reader.outputs[0] not in seen:
                seen.add(reader.outputs[0])
                pending.append(reader.outputs[0])
    return first if rank == 4 and conversion.graph.producer != "tf2onnx" else last


def is_image(conversion: Conversion, rank: int) -> bool:
    """Whether the file's output has its channels first: it is made by an operator that has, or like the input."""
    if rank not in (3, 4):
        return False
    name = conversion.graph.output
    while name != conversion.graph.input.name:
        node = conversion.makers.get(name)
        axes = Axes.OWN if node is None else conversion.axes(node)
        before = None if node is None else _reshaped_and_back(conversion, node)
        if before is not None:
            name = before
            continue
        if node is None or not axes & (Axes.KEPT | Axes.CHANNELS_FIRST):
            return False
        if Axes.CHANNELS_FIRST in axes:
            return True
        name = next(
            source
            for source in node.inputs
            if source in conversion.values and not isinstance(conversion.value(source), Constant)
        )
    return input_order(conversion, len(conversion.graph.input.shape))[-1] == 1


def _reshaped_and_back(conversion: Conversion, node: OnnxNode) -> str | None:
    """The value whose shape a Reshape gives back to what was made of it in another one, as exporters write a group
    normalization; None where the node is no such Reshape."""
    chain = [node]
    for _ in range(2):
        maker = conversion.makers.get(chain[-1].inputs[0]) if chain[-1].inputs else None
        if maker is None:
            return None
        chain.append(maker)
    last, inner, first = chain
    values = [conversion.values.get(name) for name in (first.inputs[0] if first.inputs else "", last.outputs[0])]
    shapes = [value.shape for value in values if isinstance(value, Tensor)]
    back = last.op_type == first.op_type == "Reshape" and Axes.CHANNELS_FIRST in conversion.axes(inner)
    return first.inputs[0] if back and len(shapes) == 2 and shapes[0] == shapes[1] else None


def feeds_an_image(use: NodeUse, is_image: bool = True) -> bool:
    """Whether something reads the result as an image, perhaps after activations, or it is one (`is_image`: it has an
    image's axes) and the network's own."""
    output = use.conversion.graph.output
    pending, steps = [(use.node.outputs[0], is_image)], 0
    while pending and steps < MAXIMUM_LOOK_AHEAD:
        steps += 1
        name, unmoved = pending.pop()
        if name == output and unmoved:
            return True
        for reader in use.conversion.readers[name]:
            axes = use.conversion.axes(reader)
            if Axes.SPATIAL in axes:
                return True
            if axes & (Axes.EACH_ALONE | Axes.REARRANGED):
                pending.append((reader.outputs[0], unmoved and Axes.REARRANGED not in axes))
    return False
