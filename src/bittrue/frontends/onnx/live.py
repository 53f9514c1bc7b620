"""An ONNX graph in onnxruntime, where that is installed: built anew from what was read, so that nothing else runs.

It runs in a process of its own, `onnxruntime_outputs.py`, which some graphs bring down.
"""

import importlib.util
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.apart import NotStartedError, StoppedError, TooLongError, answer_of
from bittrue.frontends.images import random_images
from bittrue.frontends.live import Live, NoWitnessError
from bittrue.frontends.onnx.conversion import Reading, View
from bittrue.frontends.onnx.file import OnnxGraph
from bittrue.wording import QUOTED, printable

if TYPE_CHECKING:
    from onnx import ModelProto

PROGRAM = Path(__file__).with_name("onnxruntime_outputs.py")

SECONDS = 60
"""The process may take, waiting included; of the processor it has its own, shorter limit where the system has those."""

MAXIMUM_BYTES = 1 << 30
"""Of weights, which stand in the model's text here; a file of protobuf's holds twice that."""

LARGEST_BATCH = 64
"""Images that a graph may want at a time; one that states more is run for one."""

OLDEST_IR = 8


def onnxruntime_live(reading: Reading) -> Live | None:
    """The graph as onnxruntime computes it; None where it isn't installed, where the graph holds operators of other
    domains, and where quantizers in the file are no part of the Network."""
    graph = reading.graph
    if reading.formats or any(node.domain for node in graph.nodes) or importlib.util.find_spec("onnxruntime") is None:
        return None
    _, *sizes = graph.input.shape
    shape = (1, *(size or 1 for size in sizes))
    view = reading.views[reading.output]

    def run(images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        return [placed(view, value) for [value] in _outputs(graph, [reading.output], images)]

    def classes(images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        return [None if value is None else value[:1] for [value] in _outputs(graph, [graph.output], images)]

    def inner(image: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        views = {node: name for node, name in reading.last_views().items() if name != graph.input.name}
        [values] = _outputs(graph, [*views.values()], [image])
        for (node, name), value in zip(views.items(), values, strict=True):
            found = placed(reading.views[name], value)
            if found is not None:
                yield node, found

    return Live("onnxruntime", random_images(shape), run, reading.views[graph.input.name].place, inner, classes)


def placed(view: View, value: np.ndarray | None) -> np.ndarray | None:
    """A float value in the Network's axes, of the first image; None of whole numbers, such as classes."""
    if value is None or value.dtype.kind != "f":
        return None
    try:
        return view.place(value[:1] if value.shape[1:] == view.layout.shape[1:] else value)
    except ValueError:  # of another shape than was read, which is seen further on
        return None


def _outputs(graph: OnnxGraph, names: list[str], images: Sequence[np.ndarray]) -> list[list[np.ndarray | None]]:
    """These values for each image. Raises: NoWitnessError."""
    stated = graph.input.shape[0] or 1
    batch = stated if stated <= LARGEST_BATCH else 1
    request = {
        "input": graph.input.name,
        "shape": images[0].shape,
        "batch": batch,
        "images": len(images),
        "outputs": names,
    }
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(request).encode() + b"\n")
        for image in images:
            file.write(image.astype(np.float32).tobytes())
        file.write(_model(graph, names, batch).SerializeToString())
        file.seek(0)
        try:
            head, _, numbers = answer_of(PROGRAM, file, SECONDS).partition(b"\n")
        except TooLongError:
            raise NoWitnessError(f"it takes more than {SECONDS} s") from None
        except NotStartedError as error:
            raise NoWitnessError(f"it can't be started ({error})") from None
        except StoppedError:
            raise NoWitnessError("it broke off over it, or took too long or too much memory") from None
    kinds = json.loads(head)
    if isinstance(kinds, str):
        raise NoWitnessError(f"it doesn't run it (…{printable(kinds)[-QUOTED:]})")  # what is wrong comes last
    arrays = io.BytesIO(numbers)
    return [[np.load(arrays, allow_pickle=False) if is_array else None for is_array in values] for values in kinds]


def _model(graph: OnnxGraph, outputs: list[str], batch: int) -> "ModelProto":
    """The graph as a model of its own, its weights inside. Raises: NoWitnessError where they are too many."""
    from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

    read = {name for node in graph.nodes for name in node.inputs}
    arrays = {}
    for name in sorted(read & set(graph.tensors)):
        try:
            arrays[name] = graph.constant(name)
        except ModelError as error:  # a type that nothing reads here
            raise NoWitnessError(str(error)) from error
    if sum(array.nbytes for array in arrays.values()) > MAXIMUM_BYTES:
        raise NoWitnessError("its weights are more than 1 GiB")
    return helper.make_model(
        helper.make_graph(
            [_node(node.op_type, node.inputs, node.outputs, node.attributes) for node in graph.nodes],
            "graph",
            [helper.make_tensor_value_info(graph.input.name, TensorProto.FLOAT, (batch, *graph.input.shape[1:]))],
            [ValueInfoProto(name=name) for name in outputs],
            [numpy_helper.from_array(np.asarray(array, order="C"), name) for name, array in arrays.items()],
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
