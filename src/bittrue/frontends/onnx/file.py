"""An `.onnx` file as a plain graph: nodes in order, constants that are read when they are wanted. Nothing is executed.

What a file declares is compared with what it holds before anything is allocated. Tensors kept in other files must lie
in the model's folder. Subgraphs, functions and sparse tensors are refused where they are met.
"""

import graphlib
import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.node import Attribute, OnnxNode
from bittrue.frontends.onnx.tensors import decode
from bittrue.frontends.outputs import chosen_output
from bittrue.wording import counted

if TYPE_CHECKING:
    from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

MINIMUM_OPSET = 6
MAXIMUM_FILE_NODES = 20_000
"""Exporters write some ten nodes of shape arithmetic for one that computes; trained models stay far below this."""

PACKED = "pack the inputs in one before the export, by a module that slices one tensor, and pack the data alike"

TORCH_SCOPES = "pkg.torch.onnx.name_scopes"
TORCH_CLASSES = "pkg.torch.onnx.class_hierarchy"


@dataclass(frozen=True)
class OnnxInput:
    """The tensor that an image becomes; `shape` with None for sizes that the file leaves open."""

    name: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class OnnxGraph:
    """A model's graph: the nodes that its output needs, each after those whose outputs it reads."""

    name: str
    producer: str
    opset: int
    nodes: tuple[OnnxNode, ...]
    input: OnnxInput
    output: str
    tensors: "Mapping[str, TensorProto]"
    folder: Path | None

    def constant(self, name: str) -> np.ndarray:
        """A stored tensor. Raises: ModelError where the file doesn't hold what it declares."""
        try:
            return decode(self.tensors[name], self.folder)
        except ModelError as error:
            raise ModelError(f"its tensor {name}: {error}") from error


def read_file(path: Path, wanted: str | None = None) -> OnnxGraph:
    """The graph of the file at `path`; wanted: see `read_proto`.

    Raises: ModelError for anything but a whole and plain model.
    """
    if not path.is_file():
        raise ModelError("there is no such file: check the path")
    from onnx import ModelProto

    model = ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's DecodeError, of whichever implementation is installed
        raise ModelError("it is damaged or no ONNX file: export the model again") from error
    return read_proto(model, path.parent, wanted)


def read_proto(model: "ModelProto", folder: Path | None, wanted: str | None = None) -> OnnxGraph:
    """The graph of a model in memory; `folder` is where the files of its external tensors may lie, `wanted` the name of
    its output, where it has several, or of a value on the way to one, at which the network then ends."""
    opset = _opset(model)
    graph = model.graph
    if model.functions:
        raise ModelError(
            "it holds functions of its own: export it without them, or inline them with "
            "onnx.inliner.inline_local_functions"
        )
    if graph.sparse_initializer:
        raise ModelError("it holds sparse tensors: export the model with dense ones")
    if len(graph.node) > MAXIMUM_FILE_NODES:
        raise ModelError(f"it has {len(graph.node):,} nodes, and bittrue takes {MAXIMUM_FILE_NODES:,}")
    tensors = {_text(tensor.name): tensor for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in tensors]
    if len(inputs) != 1:
        raise ModelError(f"it has {counted(len(inputs), 'input')} ({_names(inputs)}), and bittrue takes one: {PACKED}")
    nodes = [_node(node) for node in graph.node]
    outputs = [_text(value.name) for value in graph.output]
    if wanted and any(wanted in node.outputs for node in nodes):
        output = wanted
    else:
        output = outputs[chosen_output(outputs, wanted)]
    return OnnxGraph(
        _text(graph.name) or "model",
        _text(model.producer_name),
        opset,
        _needed(nodes, {inputs[0].name, *tensors}, output),
        _input(inputs[0]),
        output,
        tensors,
        folder,
    )


def _opset(model: "ModelProto") -> int:
    from onnx.defs import onnx_opset_version

    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions:
        raise ModelError("it is damaged or no ONNX file (it names no operator set): export the model again")
    newest = onnx_opset_version()
    if not MINIMUM_OPSET <= versions[0] <= newest:
        raise ModelError(
            f"its operator set is version {versions[0]}, and bittrue reads {MINIMUM_OPSET} to {newest}: "
            "convert it with onnx.version_converter, or export the model again"
        )
    return int(versions[0])


def _node(proto: "NodeProto") -> OnnxNode:
    domain = "" if proto.domain == "ai.onnx" else _text(proto.domain)
    metadata = {_text(entry.key): _text(entry.value) for entry in proto.metadata_props}
    inputs, outputs = tuple(map(_text, proto.input)), tuple(map(_text, proto.output))
    node = OnnxNode(_text(proto.op_type), domain, _text(proto.name), inputs, outputs, {}, metadata)
    if not node.outputs:
        raise ModelError(f"node {node.name} ({node.op_type}) has no output: export the model again")
    return replace(node, attributes=dict(_attributes(proto, node)))


def _text(value: str | bytes) -> str:
    """A text, which protobuf hands over as bytes where it is no UTF-8."""
    if isinstance(value, bytes):
        raise ModelError("it is damaged (a name in it is no text): export the model again")
    return value


def _attributes(proto: "NodeProto", node: OnnxNode) -> Iterator[tuple[str, Attribute]]:
    """Raises: ModelError where one stands there twice."""
    from onnx import AttributeProto

    names: set[str] = set()
    for attribute in proto.attribute:
        name = _text(attribute.name)
        if name in names:
            raise ModelError(f"{node}: its attribute {name} stands there twice: export the model again")
        names.add(name)
        kind = AttributeProto.AttributeType.Name(attribute.type)
        yield name, Attribute(kind, VALUES[kind](attribute) if kind in VALUES else None)


VALUES: "dict[str, Callable[[AttributeProto], Any]]" = {
    "FLOAT": lambda attribute: float(attribute.f),
    "FLOATS": lambda attribute: [float(value) for value in attribute.floats],
    "INT": lambda attribute: int(attribute.i),
    "INTS": lambda attribute: [int(value) for value in attribute.ints],
    "STRING": lambda attribute: attribute.s.decode("utf-8", "replace"),
    "TENSOR": lambda attribute: attribute.t,
}
"""The values of the attributes that rules read, by ONNX's names of their types."""


def _input(value: "ValueInfoProto") -> OnnxInput:
    from onnx import TensorProto

    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        raise ModelError(f"its input {value.name} has no shape: export the model with the input's shape")
    if tensor.elem_type not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16):
        raise ModelError(f"its input {value.name} is no floating-point tensor: export the model as it was trained")
    sizes = tuple(
        int(size.dim_value) if size.HasField("dim_value") and size.dim_value > 0 else None for size in tensor.shape.dim
    )
    return OnnxInput(_text(value.name), sizes)


def _needed(nodes: list[OnnxNode], given: set[str], output: str) -> tuple[OnnxNode, ...]:
    """The nodes that `output` needs, in an order in which inputs come first."""
    makers: dict[str, int] = {}
    for number, node in enumerate(nodes):
        for name in filter(None, node.outputs):
            if name in makers or name in given:
                raise ModelError(f"the value {name} is made twice: export the model again")
            makers[name] = number
    sources: dict[int, set[int]] = {}
    wanted = [output]
    while wanted:
        name = wanted.pop()
        if name in given or (name in makers and makers[name] in sources):
            continue
        if name not in makers:
            raise ModelError(f"the value {name} is made nowhere: export the model again")
        own = [source for source in nodes[makers[name]].inputs if source]
        sources[makers[name]] = {makers[source] for source in own if source in makers}
        wanted += own
    read = {output}.union(*(nodes[number].inputs for number in sources))
    return tuple(_without_unread(nodes[number], read) for number in _in_order(sources, nodes))


def _without_unread(node: OnnxNode, read: set[str]) -> OnnxNode:
    """The node with the names of further outputs that nothing reads left out, as ONNX allows."""
    first, *more = node.outputs
    return replace(node, outputs=(first, *(name if name in read else "" for name in more)))


def _in_order(sources: dict[int, set[int]], nodes: list[OnnxNode]) -> Iterator[int]:
    """Numbers of nodes after those that they read, otherwise as in the file."""
    sorter = graphlib.TopologicalSorter(sources)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        names = [str(nodes[number]) for number in error.args[1][:3]]
        raise ModelError(f"{' and '.join(names)} read each other in a circle: export the model again") from None
    ready: list[int] = []
    while sorter.is_active():
        for number in sorter.get_ready():
            heapq.heappush(ready, number)
        number = heapq.heappop(ready)
        yield number
        sorter.done(number)


def _names(values: Any) -> str:
    return ", ".join(value.name for value in list(values)[:4]) or "none"
