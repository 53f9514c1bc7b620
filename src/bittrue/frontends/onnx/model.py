"""ONNX models into Networks: `.onnx` files of PyTorch, tf2onnx, Keras and others, operator sets 9 to today's.

The graph is walked once, constants are folded on the way, and the layout of every value is tracked (`layout.py`), so
that transposes and reshapes of the file leave no nodes behind.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bittrue.errors import ModelError
from bittrue.frontends.doors import NEEDS_ONNX
from bittrue.network import Network, check_parameters
from bittrue.plan import Plan, PlanOptions, Site, Spec, Word, sites_of

SAME_AXES = (
    *("Add", "Sub", "Mul", "Div", "Sum", "Max", "Min", "Mean", "Concat", "Slice", "Split", "Pad", "Softmax"),
    *("LogSoftmax", "Exp", "Log", "Sqrt", "Abs", "Neg", "Erf", "Gelu", "Mish", "Selu", "Softsign", "Pow", "Reciprocal"),
    *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"),
    *("Squeeze", "Unsqueeze", "Expand", "Tile"),
)
"""Beside activations: the operators whose result has the axes of what they read, where those are as many."""

if TYPE_CHECKING:
    from onnx import ModelProto

    from bittrue.frontends.onnx.conversion import Conversion, Tensor
    from bittrue.frontends.onnx.file import OnnxGraph, OnnxNode


def from_onnx(source: "str | os.PathLike[str] | ModelProto | Any") -> Network:
    """The Network of an ONNX model: the path of a file, or a model in memory.

    The batch axis, open or of size 1, is left out: a Network is what the model makes of one image. An input of (batch,
    channels, height, width) becomes one of (height, width, channels), and likewise with one spatial axis where a
    convolution or pooling reads it; an input that is channels last already (tf2onnx, Keras) and one of any other rank
    stay as they are. The output's axes follow the same rule. Parameters are exact: float32, or float64 where float32
    can't hold them.

    Quantizers (QDQ, QONNX) are left out: from_onnx_with_plan reads them.

    Raises: ModelError, in one sentence that names the file, and the node.
    """
    return _read(source)[0]


def from_onnx_with_plan(source: "str | os.PathLike[str] | ModelProto | Any") -> tuple[Network, Plan]:
    """The Network of an ONNX model with quantizers (QDQ or QONNX), and the plan that they are.

    A quantizer's format is that of the node or the weight that it rounds. What the file rounds nowhere is EXACT where
    that can be (sums, maxima, biases), and FLOAT elsewhere (weights, batch norms, softmax).

    Raises: ModelError for a scale that is no power of two, a zero point that isn't 0, and a file without quantizers.
    """
    network, formats = _read(source)
    if not formats:
        raise ModelError(
            f"{_named(source)}: it holds no quantizers, so there is no plan in it: make one with "
            "`bittrue plan MODEL --word-length W`."
        )
    options = PlanOptions(batch_norm="raw", rounding_points="every-node")
    return network, Plan(
        network.hash,
        options,
        {name: formats.get(name, _unrounded(site)) for name, site in sites_of(network, options).items()},
    )


def _unrounded(site: Site) -> Word:
    if site.role == "weight" or not site.finite:
        return Word.FLOAT
    return Word.EXACT


def _named(source: object) -> str:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "the ONNX model"


def _read(source: Any) -> tuple[Network, dict[str, Spec]]:
    where = _named(source)
    with _naming(where):
        NEEDS_ONNX.check()
        from bittrue.frontends.onnx.file import read_file, read_proto

        if isinstance(source, str | os.PathLike):
            network, formats = network_of(read_file(Path(source)))
        elif type(source).__name__ == "ModelProto":
            network, formats = network_of(read_proto(source, None))
        else:
            raise ModelError(f"a {type(source).__qualname__} is no whole model: give an .onnx file or a ModelProto")
    check_parameters(network, where)
    return network, formats


def network_of(graph: "OnnxGraph") -> tuple[Network, dict[str, Spec]]:
    """The Network that a graph computes, and the formats that the file holds, by site."""
    from bittrue.frontends.onnx.chains.patterns import recognise
    from bittrue.frontends.onnx.conversion import Conversion, Tensor
    from bittrue.frontends.onnx.names import wanted_names

    conversion = Conversion(graph, wanted_names(graph))
    _add_input(conversion)
    for node in graph.nodes:
        with _naming(str(node)):
            _convert(node, conversion)
    output = conversion.value(graph.output)
    if not isinstance(output, Tensor):
        raise ModelError("its output doesn't depend on its input: export the model again")
    result = _as_in_the_file(output, conversion)
    recognise(conversion)
    return conversion.finish(result.node)


def _convert(node: "OnnxNode", conversion: "Conversion") -> None:
    from bittrue.frontends.onnx.batch import follow_batch, refuse_batch
    from bittrue.frontends.onnx.chains.batch_norm import batch_normalization
    from bittrue.frontends.onnx.constants import folded
    from bittrue.frontends.onnx.conversion import NodeUse, Value
    from bittrue.frontends.onnx.rules.operators import DOMAINS, RULES

    values: tuple[Value, ...] | None = folded(node, conversion)
    found = None if values is not None else batch_normalization(NodeUse(node, conversion))
    if found is not None:
        values = (found,)
    if values is None:
        rules = DOMAINS.get(node.domain, {})
        if node.op_type not in rules:
            domain = f" of the domain {node.domain}" if node.domain else ""
            raise ModelError(f"the operator {node.op_type}{domain} is not supported: use one of {', '.join(RULES)}")
        refuse_batch(NodeUse(node, conversion))
        result = rules[node.op_type](NodeUse(node, conversion))
        values = result if isinstance(result, tuple) else (result,)
        if any(node.outputs[len(values) :]):
            raise ModelError(f"only its first {len(values)} of {len(node.outputs)} outputs are supported")
    for name, value in zip(node.outputs, values, strict=False):
        conversion.values[name] = value
    follow_batch(NodeUse(node, conversion))


def _add_input(conversion: "Conversion") -> None:
    """The input's node. Raises: ModelError for sizes that the file leaves open."""
    from bittrue.frontends.onnx.conversion import Tensor
    from bittrue.frontends.onnx.layout import Layout
    from bittrue.operators import Input

    found = conversion.graph.input
    sizes = [size for size in found.shape[1:] if size is not None]
    if not sizes or len(sizes) < len(found.shape) - 1:
        shown = ", ".join("?" if size is None else str(size) for size in found.shape)
        raise ModelError(
            f"the shape ({shown}) of its input {found.name} leaves sizes open or has no batch axis: "
            "export the model with every size but the batch's given"
        )
    if found.shape[0] not in (None, 1):
        raise ModelError(
            f"its input {found.name} is a batch of {found.shape[0]}, which it may mix: export the model for one image, "
            "or with an open batch axis"
        )
    shape = (1, *sizes)
    layout = Layout.of_axes(shape, _input_order(conversion, len(shape)))
    conversion.values[found.name] = Tensor(conversion.add(found.name, Input(layout.network_shape)), layout)
    conversion.batch[found.name] = 0


def _input_order(conversion: "Conversion", rank: int) -> tuple[int, ...]:
    """The file's axes in the network's order: channels last, if the file has them first."""
    from bittrue.frontends.onnx.rules.windows import CHANNELS_FIRST, ELEMENTWISE

    first, last = (*range(2, rank), 1), tuple(range(1, rank))
    if rank not in (3, 4) or (rank == 3 and conversion.graph.producer == "tf2onnx"):
        return last
    pending, seen = [conversion.graph.input.name], {conversion.graph.input.name}
    while pending:
        for reader in conversion.readers[pending.pop()]:
            # tf2onnx takes a mean over the last axes for a global pooling, and moves images before all others.
            named_a_pooling = reader.op_type == "GlobalAveragePool" and conversion.graph.producer == "tf2onnx"
            if reader.op_type in CHANNELS_FIRST and not named_a_pooling:
                return first
            if reader.op_type == "Transpose":
                permutation = reader.integers("perm", None) or ()
                moved = len(permutation)  # an image of one row has an axis more
                return last if permutation == (0, moved - 1, *range(1, moved - 1)) else first
            if reader.op_type in (*ELEMENTWISE, *SAME_AXES) and reader.outputs[0] not in seen:
                seen.add(reader.outputs[0])
                pending.append(reader.outputs[0])
    return first if rank == 4 and conversion.graph.producer != "tf2onnx" else last


def _as_in_the_file(output: "Tensor", conversion: "Conversion") -> "Tensor":
    """The output in the order that the file has, or an image with its channels last."""
    from bittrue.frontends.onnx.layout import file_order

    rank = len(output.shape)
    order = (*range(2, rank), 1) if _is_image(conversion, rank) else file_order(output.shape)
    wanted = tuple(output.layout.atoms(axis) for axis in order)
    return conversion.arrange(output, wanted, "output")


def _is_image(conversion: "Conversion", rank: int) -> bool:
    """Whether the file's output has its channels first: it is made by an operator that has, or like the input."""
    from bittrue.frontends.onnx.rules.windows import CHANNELS_FIRST, ELEMENTWISE

    if rank not in (3, 4):
        return False
    name = conversion.graph.output
    while name != conversion.graph.input.name:
        node = conversion.makers.get(name)
        if node is None or node.op_type not in (*ELEMENTWISE, *CHANNELS_FIRST, *SAME_AXES):
            return False
        if node.op_type in CHANNELS_FIRST:
            return True
        varying = [
            source for source in node.inputs if source in conversion.values and not _is_constant(conversion, source)
        ]
        name = varying[0]
    return _input_order(conversion, len(conversion.graph.input.shape))[-1] == 1


def _is_constant(conversion: "Conversion", name: str) -> bool:
    from bittrue.frontends.onnx.conversion import Constant

    return isinstance(conversion.value(name), Constant)


@contextlib.contextmanager
def _naming(where: str) -> Iterator[None]:
    """Put the file or the node before an error's sentence, and a full stop after it."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{where}: {str(error).rstrip('.')}.") from error
