"""An ONNX graph in onnxruntime, where that is installed: built anew from what was read, so that nothing else runs."""

import importlib.util
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.live import Live
from bittrue.frontends.onnx.conversion import Reading, View
from bittrue.frontends.onnx.file import OnnxGraph

if TYPE_CHECKING:
    from onnx import ModelProto

MAXIMUM_BYTES = 1 << 30
"""Of weights, which stand in the model's text here; a file of protobuf's holds twice that."""

OLDEST_IR = 8


def onnxruntime_live(reading: Reading) -> Live | None:
    """The graph as onnxruntime computes it; None where it isn't installed, or has no kernels for the graph, and where
    quantizers in the file are no part of the Network."""
    graph = reading.graph
    if reading.formats or any(node.domain for node in graph.nodes) or importlib.util.find_spec("onnxruntime") is None:
        return None
    model = _model(graph)
    if model is None:
        return None
    session = _session(model)
    if session is None:
        return None
    first, *sizes = graph.input.shape
    batch = first or 1

    def run(image: np.ndarray) -> np.ndarray | None:
        return _placed(reading.views[graph.output], _outputs(session, graph.input.name, image, batch)[0])

    def inner(image: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        yield from _inner(model, reading, image, batch)

    return Live("onnxruntime", (1, *(size or 1 for size in sizes)), run, reading.views[graph.input.name].place, inner)


def _placed(view: View, value: np.ndarray) -> np.ndarray | None:
    """A float value in the Network's axes, of the first image; None of whole numbers, such as classes."""
    if value.dtype.kind != "f":
        return None
    return view.place(value[:1] if value.shape[1:] == view.layout.shape[1:] else value)


def _outputs(session: Any, name: str, image: np.ndarray, batch: int) -> list[np.ndarray]:
    """Of the image, as often as the file has it in a batch."""
    found: list[np.ndarray] = session.run(None, {name: np.repeat(image, batch, axis=0)})
    return found


def _inner(model: "ModelProto", reading: Reading, image: np.ndarray, batch: int) -> Iterator[tuple[str, np.ndarray]]:
    from onnx import ValueInfoProto

    whole = type(model)()
    whole.CopyFrom(model)
    views = {node: name for node, name in reading.last_views.items() if name != reading.graph.input.name}
    del whole.graph.output[:]
    whole.graph.output.extend(ValueInfoProto(name=name) for name in views.values())
    session = _session(whole)
    if session is None:
        return
    for (node, name), value in zip(
        views.items(), _outputs(session, reading.graph.input.name, image, batch), strict=True
    ):
        placed = _placed(reading.views[name], value)
        if placed is not None:
            yield node, placed


def _session(model: "ModelProto") -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # it knows fewer operator sets and types than are read here, and says so in exceptions of its own
        return None


def _model(graph: OnnxGraph) -> "ModelProto | None":
    """The graph as a model of its own, its weights inside; None where they are too many."""
    from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

    read = {name for node in graph.nodes for name in node.inputs}
    arrays = {}
    for name in sorted(read & set(graph.tensors)):
        try:
            arrays[name] = graph.constant(name)
        except ModelError:  # a type that nothing reads here
            return None
    if sum(array.nbytes for array in arrays.values()) > MAXIMUM_BYTES:
        return None
    return helper.make_model(
        helper.make_graph(
            [_node(node.op_type, node.inputs, node.outputs, node.attributes) for node in graph.nodes],
            "graph",
            [helper.make_tensor_value_info(graph.input.name, TensorProto.FLOAT, graph.input.shape)],
            [ValueInfoProto(name=graph.output)],
            [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()],
        ),
        opset_imports=[helper.make_opsetid("", graph.opset)],
        ir_version=OLDEST_IR,
    )


def _node(op_type: str, inputs: Any, outputs: Any, attributes: Mapping[str, Any]) -> Any:
    from onnx import AttributeProto, helper

    proto = helper.make_node(op_type, inputs, outputs)
    proto.attribute.extend(
        helper.make_attribute(name, attribute.value, attr_type=AttributeProto.AttributeType.Value(attribute.kind))
        for name, attribute in attributes.items()
        if attribute.value is not None
    )
    return proto
