"""An `.onnx` file as a plain graph: nodes in order, constants that are read when they are wanted. Nothing is executed.

What a file declares is compared with what it holds before anything is allocated. Tensors kept in other files must lie
in the model's folder. Subgraphs, functions and sparse tensors are refused where they are met.
"""

import graphlib
import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

from bittrue.errors import ModelError
from bittrue.shapes import Shape

MINIMUM_OPSET = 9
MAXIMUM_FILE_NODES = 20_000
"""Exporters write some ten nodes of shape arithmetic for one that computes; trained models stay far below this."""

MAXIMUM_VALUES = 1 << 28
"""One tensor's values: 1 GiB in float32, beyond which a description is damaged or hostile."""

TORCH_SCOPES = "pkg.torch.onnx.name_scopes"
TORCH_CLASSES = "pkg.torch.onnx.class_hierarchy"


@dataclass(frozen=True)
class OnnxNode:
    """One node of the file; inputs and outputs that are left out are empty names."""

    op_type: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"node {self.name or self.outputs[0]} ({self.op_type})"

    def integer(self, name: str, default: int) -> int:
        return int(self._typed(name, default, int))

    def number(self, name: str, default: float) -> float:
        """A float attribute: the binary32 number that the file holds."""
        return float(self._typed(name, default, float))

    def text(self, name: str, default: str) -> str:
        return str(self._typed(name, default, str))

    def integers(self, name: str, default: tuple[int, ...] | None) -> tuple[int, ...] | None:
        value = self.attributes.get(name)
        if value is None:
            return default
        if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
            raise ModelError(f"its attribute {name} is not a list of whole numbers: export the model again")
        return tuple(value)

    def array(self, name: str) -> np.ndarray | None:
        """A tensor attribute."""
        value = self.attributes.get(name)
        return None if value is None else decode(value, None)

    def _typed(self, name: str, default: Any, kind: type) -> Any:
        value = self.attributes.get(name, default)
        if type(value) is not kind:
            raise ModelError(f"its attribute {name} is no {kind.__name__}: export the model again")
        return value


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
    tensors: Mapping[str, TensorProto]
    folder: Path | None

    def constant(self, name: str) -> np.ndarray:
        """A stored tensor. Raises: ModelError where the file doesn't hold what it declares."""
        try:
            return decode(self.tensors[name], self.folder)
        except ModelError as error:
            raise ModelError(f"its tensor {name}: {error}") from error


def read_file(path: Path) -> OnnxGraph:
    """The graph of the file at `path`. Raises: ModelError for anything but a whole and plain model."""
    if not path.is_file():
        raise ModelError("there is no such file: check the path")
    model = ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's DecodeError, of whichever implementation is installed
        raise ModelError("it is damaged or no ONNX file: export the model again") from error
    return read_proto(model, path.parent)


def read_proto(model: ModelProto, folder: Path | None) -> OnnxGraph:
    """The graph of a model in memory; `folder` is where the files of its external tensors may lie."""
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
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ModelError(
            f"it has {len(inputs)} inputs ({_names(inputs)}) and {len(graph.output)} outputs ({_names(graph.output)}), "
            "and bittrue takes one of each: export the part of the model that the hardware computes"
        )
    output = _text(graph.output[0].name)
    nodes = _needed([_node(node) for node in graph.node], {inputs[0].name, *tensors}, output)
    return OnnxGraph(
        _text(graph.name) or "model",
        _text(model.producer_name),
        opset,
        nodes,
        _input(inputs[0]),
        output,
        tensors,
        folder,
    )


def _opset(model: ModelProto) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions:
        raise ModelError("it is damaged or no ONNX file (it names no operator set): export the model again")
    newest = onnx.defs.onnx_opset_version()
    if not MINIMUM_OPSET <= versions[0] <= newest:
        raise ModelError(
            f"its operator set is version {versions[0]}, and bittrue reads {MINIMUM_OPSET} to {newest}: "
            "convert it with onnx.version_converter, or export the model again"
        )
    return int(versions[0])


def _node(proto: NodeProto) -> OnnxNode:
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


def _attributes(proto: NodeProto, node: OnnxNode) -> Iterator[tuple[str, Any]]:
    """Attributes as Python values; tensors as they are stored, subgraphs not at all (no rule reads them)."""
    kinds = AttributeProto
    for attribute in proto.attribute:
        if attribute.type == kinds.INT:
            yield _text(attribute.name), int(attribute.i)
        elif attribute.type == kinds.FLOAT:
            yield _text(attribute.name), float(attribute.f)
        elif attribute.type == kinds.STRING:
            yield _text(attribute.name), attribute.s.decode("utf-8", "replace")
        elif attribute.type == kinds.TENSOR:
            yield _text(attribute.name), attribute.t
        elif attribute.type == kinds.INTS:
            yield _text(attribute.name), [int(value) for value in attribute.ints]
        elif attribute.type == kinds.FLOATS:
            yield _text(attribute.name), [float(value) for value in attribute.floats]


def _input(value: ValueInfoProto) -> OnnxInput:
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


def decode(tensor: TensorProto, folder: Path | None) -> np.ndarray:
    """A stored tensor as an array, once what it declares is seen to be there."""
    dims = tuple(tensor.dims)
    if any(size < 0 for size in dims) or prod(dims) > MAXIMUM_VALUES:
        raise ModelError(f"it declares the shape {dims}: export the model again")
    try:
        if tensor.data_location == TensorProto.EXTERNAL:
            return _external(tensor, dims, folder)
        return np.asarray(numpy_helper.to_array(tensor))
    except ModelError:
        raise
    except Exception as error:  # numpy_helper meets damage with ValueError, TypeError, KeyError and others
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(
            f"it doesn't hold the values of its shape {dims} ({reason}): export the model again"
        ) from error


def _external(tensor: TensorProto, dims: Shape, folder: Path | None) -> np.ndarray:
    """A tensor kept in another file, which must be an ordinary one in the model's folder or below."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    location = place.get("location", "")
    if folder is None:
        raise ModelError(f"it lies in {location}, and a model in memory has no folder: pass the model's path")
    target, root = (folder / location).resolve(), folder.resolve()
    if not location or Path(location).is_absolute() or not target.is_relative_to(root):
        raise ModelError(f"it lies in {location!r}, outside the model's folder: export the model in one folder")
    if not target.is_file():
        raise ModelError(f"it lies in {location}, and there is no such file: copy the model's data files, too")
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    offset, length = int(place.get("offset", "0")), prod(dims) * kind.itemsize
    if int(place.get("length", length)) != length or offset < 0 or offset + length > target.stat().st_size:
        raise ModelError(f"it needs {length:,} bytes of {location}, which holds others: copy the model's data files")
    with target.open("rb") as stream:
        stream.seek(offset)
        data = stream.read(length)
    return np.frombuffer(data, kind.newbyteorder("<")).astype(kind).reshape(dims)


def _names(values: Any) -> str:
    return ", ".join(value.name for value in list(values)[:4]) or "none"
