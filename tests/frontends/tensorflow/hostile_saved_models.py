"""SavedModels that do more than compute, or are damaged, and what becomes of them. Imported by
`write.py` alone, where TensorFlow is at hand to write them.

Each would leave a file `marker` beside its folder if what it hides ran.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from bittrue.errors import ModelError
from bittrue.frontends.tensorflow import graph as saved_model_graph
from bittrue.frontends.tensorflow.conversion import convert, main

ROWS = tf.TensorSpec((None, 3), tf.float32, name="x")


class OneLayer(tf.Module):
    """A dense layer, and what `act` makes of its outputs."""

    def __init__(self, act: Callable[[tf.Tensor], tf.Tensor]) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.ones((3, 2)))
        self.act = act

    @tf.function(input_signature=[ROWS])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self.act(tf.nn.relu(x @ self.kernel))

    @tf.function(input_signature=[ROWS, ROWS])
    def two_inputs(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return x + y

    @tf.function(input_signature=[ROWS])
    def two_outputs(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return x + 1, x + 2


def writing(marker: Path) -> Callable[[tf.Tensor], tf.Tensor]:
    def act(x: tf.Tensor) -> tf.Tensor:
        tf.io.write_file(str(marker), "written")
        return x

    return act


def reading(marker: Path) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda x: x + tf.cast(tf.strings.length(tf.io.read_file(__file__)), tf.float32)


def calling_python(marker: Path) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda x: tf.ensure_shape(tf.py_function(lambda y: marker.touch() or y, [x], tf.float32), x.shape)


class LookUp(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        pairs = tf.lookup.KeyValueTensorInitializer(tf.constant([0, 1], tf.int64), [0.0, 1.0])
        self.table = tf.lookup.StaticHashTable(pairs, 0.0)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self.table.lookup(tf.cast(x, tf.int64))


def looking_up(marker: Path) -> Callable[[tf.Tensor], tf.Tensor]:
    return LookUp()


def branching(marker: Path) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: writing(marker)(x), lambda: x)


def nested(marker: Path) -> Callable[[tf.Tensor], tf.Tensor]:
    return tf.function(tf.function(writing(marker)))


def drawing(marker: Path) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda x: x + tf.random.normal((2,))


ACTS = (writing, reading, calling_python, looking_up, branching, nested, drawing)
"""In the function that is served, refused with the operation's name."""


def add_writer(graph_def: Any, marker: Path) -> str:
    """Add nodes that write the marker to a graph; the name of the last."""
    with tf.Graph().as_default() as graph:
        tf.raw_ops.WriteFile(filename=str(marker), contents="written", name="writer")
    graph_def.node.extend(graph.as_graph_def().node)
    return "writer"


def call_of(graph: Any) -> Any:
    """The node of the main graph that the serving signature's output is."""
    name = graph.signature_def["serving_default"].outputs["output_0"].name.partition(":")[0]
    return next(node for node in graph.graph_def.node if node.name == name)


def function_of(graph: Any, call: Any) -> Any:
    name = call.attr["f"].func.name
    return next(function for function in graph.graph_def.library.function if function.signature.name == name)


def as_control_input(graph: Any, marker: Path) -> None:
    call_of(graph).input.append(f"^{add_writer(graph.graph_def, marker)}")


def as_initializer(graph: Any, marker: Path) -> None:
    name = graph.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name
    node = next(node for node in graph.graph_def.node if node.name == name)
    node.input.append(f"^{add_writer(graph.graph_def, marker)}")


def in_restoring(graph: Any, marker: Path) -> None:
    """In the function that restores the variables, which TensorFlow runs when it loads a model."""
    root = next(node for node in graph.graph_def.node if node.name == graph.saver_def.restore_op_name)
    function = function_of(graph, root)
    holder = type(graph.graph_def)()
    add_writer(holder, marker)
    for node in holder.node:
        node.input[:] = [f"{name}:output:0" for name in node.input]
        function.node_def.append(node)
    function.control_ret["writer"] = "writer"
    function.signature.control_output.append("writer")


def named_as_an_operation(graph: Any, marker: Path) -> None:
    shadow = graph.graph_def.library.function.add()
    shadow.CopyFrom(function_of(graph, call_of(graph)))
    shadow.signature.name = "Relu"


def calling_itself(graph: Any, marker: Path) -> None:
    function = function_of(graph, call_of(graph))
    for node in function.node_def:
        if "f" in node.attr:
            node.attr["f"].func.name = function.signature.name


def doubling(graph: Any, marker: Path) -> None:
    """Sixty functions, each of which calls the next twice."""
    call = call_of(graph)
    library, inner = graph.graph_def.library, function_of(graph, call)
    for number in range(60):
        function = library.function.add()
        function.CopyFrom(inner)
        function.signature.name = f"doubling_{number}"
        calls = [node for node in function.node_def if "f" in node.attr]
        second = function.node_def.add()
        second.CopyFrom(calls[0])
        second.name = "second"
        for node in (calls[0], second):
            node.attr["f"].func.name = f"doubling_{number - 1}" if number else inner.signature.name
    call.attr["f"].func.name = "doubling_59"


def of_gigabytes(graph: Any, marker: Path) -> None:
    """A constant of a few bytes that declares to be the same number a million million times."""
    node = graph.graph_def.node.add(name="giant", op="Const")
    node.attr["dtype"].type = node.attr["value"].tensor.dtype = 1
    node.attr["value"].tensor.float_val.append(1)
    for _ in range(2):
        node.attr["value"].tensor.tensor_shape.dim.add(size=1 << 20)
    call_of(graph).input.append("^giant")


def of_a_missing_function(graph: Any, marker: Path) -> None:
    call_of(graph).attr["f"].func.name = "nowhere"


def of_a_missing_node(graph: Any, marker: Path) -> None:
    call_of(graph).input[0] = "nowhere"


def of_equal_names(graph: Any, marker: Path) -> None:
    graph.graph_def.node.append(graph.graph_def.node[0])


def without_restoring(graph: Any, marker: Path) -> None:
    graph.saver_def.restore_op_name = ""


def without_signature(graph: Any, marker: Path) -> None:
    del graph.signature_def["serving_default"]


def without_graph(graph: Any, marker: Path) -> None:
    graph.meta_info_def.tags[:] = ["train"]


EDITS = (
    *(as_control_input, as_initializer, in_restoring, named_as_an_operation, calling_itself, doubling, of_gigabytes),
    *(of_a_missing_function, of_a_missing_node, of_equal_names, without_restoring, without_signature, without_graph),
)


def outcome(folder: Path) -> str:
    """The sentence that refuses the model, or `converted`; anything else escapes."""
    target = folder.with_name(f"{folder.name}_converted")
    target.mkdir(exist_ok=True)
    try:
        convert(folder, target)
    except ModelError as error:
        return str(error)
    return "converted"


def edited(plain: Path, folder: Path, edit: Callable[[Any, Path], None], marker: Path) -> None:
    shutil.copytree(plain, folder)
    message = saved_model_pb2.SavedModel.FromString((plain / "saved_model.pb").read_bytes())
    edit(message.meta_graphs[0], marker)
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())


def damaged(plain: Path, folder: Path) -> list[str]:
    """Cuts, and flipped bits."""
    shutil.copytree(plain, folder)
    whole, found = (plain / "saved_model.pb").read_bytes(), []
    for trial in range(120):
        random = np.random.default_rng([17, trial])
        data = bytearray(whole)
        place = int(random.integers(len(data)))
        if trial < 20:
            del data[place:]
        else:
            data[place] ^= 1 << int(random.integers(8))
        (folder / "saved_model.pb").write_bytes(bytes(data))
        found.append(outcome(folder))
    return found


def outcomes(folder: Path) -> dict[str, Any]:
    folder.mkdir()
    marker = folder / "marker"
    found: dict[str, Any] = {}
    plain, several = OneLayer(tf.identity), folder / "several"
    tf.saved_model.save(plain, folder / "plain", signatures=plain.__call__)
    (folder / "plain_converted").mkdir()
    main(folder / "plain", folder / "plain_converted", check=False)
    found["plain"] = outcome(folder / "plain")
    for act in ACTS:
        model = OneLayer(act(marker))
        tf.saved_model.save(model, folder / act.__name__, signatures=model.__call__)
        found[act.__name__] = outcome(folder / act.__name__)
    for edit in EDITS:
        edited(folder / "plain", folder / edit.__name__, edit, marker)
        found[edit.__name__] = outcome(folder / edit.__name__)
    for function in (plain.two_inputs, plain.two_outputs):
        name = function.python_function.__name__
        tf.saved_model.save(plain, folder / name, signatures=function)
        found[name] = outcome(folder / name)
    for output in ("output_0", "output_1"):  # as --output has it
        target = folder / f"two_outputs_{output}"
        target.mkdir()
        main(folder / "two_outputs", target, check=False, wanted=output)
    tf.saved_model.save(plain, several, signatures={"first": plain.__call__, "second": plain.two_inputs})
    found["several"] = outcome(several)
    found["damaged"] = damaged(folder / "plain", folder / "damaged")
    found["marker"] = marker.exists()
    with mock.patch.object(saved_model_graph, "_check"):
        found["unchecked"] = {act.__name__: outcome(folder / act.__name__) for act in ACTS}
    for name in ("in_restoring", "as_initializer"):
        marker.unlink(missing_ok=True)
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.compat.v1.saved_model.load(session, ["serve"], str(folder / name))
        found[f"{name} by TensorFlow"] = marker.exists()
    return found
