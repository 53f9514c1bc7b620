"""ONNX models into Networks: `.onnx` files of PyTorch, tf2onnx, Keras and others, operator sets 6 to today's.

The graph is walked once, constants are folded on the way, and the layout of every value is tracked (`layout.py`), so
that transposes and reshapes of the file leave no nodes behind.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bittrue.environment import exact_environment
from bittrue.errors import ModelError
from bittrue.frontends.doors import NEEDS_ONNX
from bittrue.frontends.file_plan import tell_left_out
from bittrue.frontends.live import check_live
from bittrue.frontends.onnx.batch import follow_batch, refuse_batch
from bittrue.frontends.onnx.chains.batch_norm import batch_normalization
from bittrue.frontends.onnx.chains.patterns import recognise
from bittrue.frontends.onnx.constants import folded
from bittrue.frontends.onnx.conversion import Conversion, NodeUse, Reading, Tensor, Value
from bittrue.frontends.onnx.ending import FinalArgMax, without_argmax
from bittrue.frontends.onnx.file import OnnxGraph, read_file, read_proto
from bittrue.frontends.onnx.layout import Layout, file_order
from bittrue.frontends.onnx.live import onnxruntime_live
from bittrue.frontends.onnx.lookahead import input_order, is_image
from bittrue.frontends.onnx.names import wanted_names
from bittrue.frontends.onnx.node import OnnxNode, check_node
from bittrue.frontends.onnx.rows import OnnxOperator
from bittrue.frontends.onnx.rules.advice import ADVICE, OTHERWISE
from bittrue.frontends.onnx.rules.operators import axes_of, operator_of
from bittrue.frontends.onnx.rules.quantization import clipped_codes
from bittrue.network import ArgMax, Network, check_parameters
from bittrue.operators import Input
from bittrue.plan import Spec

if TYPE_CHECKING:
    from onnx import ModelProto


@exact_environment()
def from_onnx(
    source: "str | os.PathLike[str] | ModelProto | Any",
    *,
    check: bool = True,
    told: Callable[[str], None] | None = None,
    output: str | None = None,
) -> Network:
    """The Network of an ONNX model: the path of a file, or a model in memory.

    The batch axis, open or of a size that the file states, is left out: a Network is what the model makes of one image.
    An input of (batch, channels, height, width) becomes one of (height, width, channels), and likewise with one spatial
    axis where a convolution or pooling reads it; an input that is channels last already (tf2onnx, Keras) and one of any
    other rank stay as they are. The output's axes follow the same rule. A final ArgMax is left to the host: the
    Network's output is what it reads. Parameters are exact: float32, or float64 where float32 can't hold them.

    Quantizers (QDQ, QONNX) are left out: `load_with_plan` reads them. That they are is told in a line, or where no
    one listens it is a warning.

    check: where onnxruntime is installed it computes the model beside the Network, on random images and in a process of
    its own, and another result is refused. A model whose quantizers are left out isn't compared.
    output: the name of the one that the Network computes, where the model has several, or of a value on the way.

    Raises: ModelError, in one sentence that names the file, and the node.
    """
    network, formats = from_onnx_with_formats(source, check=check, told=told, output=output)
    tell_left_out(_named(source), formats, told)
    return network


@exact_environment()
def from_onnx_with_formats(
    source: "str | os.PathLike[str] | ModelProto | Any",
    *,
    check: bool = True,
    told: Callable[[str], None] | None = None,
    output: str | None = None,
) -> tuple[Network, Mapping[str, Spec]]:
    """The Network of an ONNX model as `from_onnx` reads it, and the formats of its quantizers (QDQ or QONNX), by site.

    A quantizer's format is that of the node or the weight that it rounds.

    Raises: ModelError for a scale that is no power of two, and a zero point that isn't 0.
    """
    where = _named(source)
    with _naming(where):
        reading = _read(source, output)
        check_parameters(reading.network, where)
        if check:
            check_live(reading.network, onnxruntime_live(reading), where, told)
    return reading.network, reading.formats


def _named(source: object) -> str:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "the ONNX model"


def _read(source: Any, output: str | None) -> Reading:
    NEEDS_ONNX.check()
    if isinstance(source, str | os.PathLike):
        return network_of(read_file(Path(source), output))
    if type(source).__name__ == "ModelProto":
        return network_of(read_proto(source, None, output))
    raise ModelError(f"a {type(source).__qualname__} is no whole model: give an .onnx file or a ModelProto")


def network_of(graph: OnnxGraph) -> Reading:
    """The Network that a graph computes, with what else is known of it."""
    for node in graph.nodes:
        with _naming(str(node)):
            check_node(node, graph.opset)
    values, ending = without_argmax(graph)
    conversion = Conversion(values, wanted_names(values), axes_of)
    _add_input(conversion)
    for node in values.nodes:
        with _naming(str(node)):
            _convert(node, conversion)
    output = conversion.value(values.output)
    if not isinstance(output, Tensor):
        raise ModelError("its output doesn't depend on its input: export the model again")
    order = _order_in_the_file(output, conversion)
    if ending is not None:
        with _naming(str(ending.node)):
            ending.check(output.shape, order)
    result = conversion.arrange(output, tuple(output.layout.atoms(axis) for axis in order), "output")
    recognise(conversion)
    reading = conversion.finish(result)
    return reading if ending is None else _naming_classes(reading, graph, ending)


def _convert(node: OnnxNode, conversion: Conversion) -> None:
    use, row = NodeUse(node, conversion), operator_of(node)
    if row is None:
        raise _unknown(node)
    narrowed = clipped_codes(use)
    values: tuple[Value, ...] | None = None if narrowed is None else (narrowed,)
    if values is None and row.folding is not None:
        values = folded(node, row.folding, conversion)
    if values is None:
        values = _converted(use, row)
    for name, value in zip(node.outputs, values, strict=False):
        conversion.values[name] = value
    follow_batch(use, row.moved)


def _converted(use: NodeUse, row: OnnxOperator) -> tuple[Value, ...]:
    """What becomes of a node that depends on the image. Raises: ModelError where its operator can't."""
    found = batch_normalization(use)
    if found is not None:
        return (found,)
    if row.rule is None:
        raise _unknown(use.node)
    refuse_batch(use, row.along)
    result = row.rule(use)
    values = result if isinstance(result, tuple) else (result,)
    if any(use.node.outputs[len(values) :]):
        raise ModelError(f"only its first {len(values)} of {len(use.node.outputs)} outputs are supported")
    return values


def _unknown(node: OnnxNode) -> ModelError:
    domain = f" of the domain {node.domain}" if node.domain else ""
    advice = OTHERWISE if node.domain else ADVICE.get(node.op_type, OTHERWISE)
    return ModelError(f"the operator {node.op_type}{domain} is not supported: {advice}")


def _add_input(conversion: Conversion) -> None:
    """The input's node. Raises: ModelError for sizes that the file leaves open."""
    found = conversion.graph.input
    sizes = [size for size in found.shape[1:] if size is not None]
    if not sizes or len(sizes) < len(found.shape) - 1:
        shown = ", ".join("?" if size is None else str(size) for size in found.shape)
        raise ModelError(
            f"the shape ({shown}) of its input {found.name} leaves sizes open or has no batch axis: "
            "export the model with every size but the batch's given"
        )
    shape = (1, *sizes)
    layout = Layout.of_axes(shape, input_order(conversion, len(shape)))
    conversion.values[found.name] = Tensor(conversion.add(found.name, Input(layout.network_shape)), layout)
    conversion.batch[found.name] = 0


def _order_in_the_file(output: Tensor, conversion: Conversion) -> tuple[int, ...]:
    """The output's axes in the order that the file has, or an image's with its channels last."""
    rank = len(output.shape)
    return (*range(2, rank), 1) if is_image(conversion, rank) else file_order(output.shape)


def _naming_classes(reading: Reading, graph: OnnxGraph, ending: FinalArgMax) -> Reading:
    """The Network with the ArgMax that the graph ends in."""
    name, taken = wanted_names(graph)[ending.node.outputs[0]] or "argmax", reading.network.by_name
    while name in taken:
        name += "_"
    network = replace(reading.network, argmax=ArgMax(name, ending.keeps_axis))
    return replace(reading, network=network, graph=graph)


@contextlib.contextmanager
def _naming(where: str) -> Iterator[None]:
    """Put the file or the node before an error's sentence, and a full stop after it."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{where}: {str(error).rstrip('.')}.") from error
