"""A SavedModel's serving signature as an ONNX model without its weights, in a process of its own:

    python -m bittrue.frontends.tensorflow.conversion FOLDER TARGET

writes TARGET/model.onnx, whose inputs are the signature's and, in the variables' place, one for each of them, and
TARGET/result.json: the variables' keys in the checkpoint by these inputs' names, or the sentence of the refusal. With
`--check` it goes on to run the graph, `running.py`; `--output=NAME` chooses of several outputs.

TensorFlow is given only what `graph.py` has checked. It inlines functions, evaluates constants, and runs the graph that
it was given on random images; no initializer, asset, saver or restore function is run.
"""

import contextlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bittrue.errors import ModelError
from bittrue.frontends.tensorflow.graph import CALLS, SAVE_AGAIN, node_of, parsed, pruned, restored, signature

OPSET = 18
"""The newest that tf2onnx writes."""

CALL_SCOPES = re.compile(r"^((Stateful)?PartitionedCall(_\d+)?/)+")
"""What inlining puts before a layer's name."""

MEMORY_BYTES = 8 << 30
"""Address space: four times what a network of 24 million parameters takes."""


@dataclass(frozen=True)
class Converted:
    """A signature's graph, with placeholders in the variables' place.

    variables: their keys in the checkpoint, by the placeholders' tensors.
    """

    graph_def: Any
    source: str
    output: str
    variables: Mapping[str, str]


def convert(folder: Path, target: Path, wanted: str | None = None) -> Converted:
    """Write the signature's graph to `target`/model.onnx; wanted: the name of its output, where it has several.

    Raises: ModelError for a model that is damaged, that does more than compute or that tf2onnx doesn't convert.
    """
    import tensorflow as tf
    import tf2onnx
    from tensorflow.core.protobuf import saved_model_pb2
    from tf2onnx.optimizer import optimize_graph
    from tf2onnx.optimizer.einsum_optimizer import EinsumOptimizer
    from tf2onnx.tfonnx import process_tf_graph

    meta_graph = parsed((folder / "saved_model.pb").read_bytes(), saved_model_pb2.SavedModel)
    name, source, output = signature(meta_graph, wanted)
    keys = restored(meta_graph)
    graph_def = pruned(meta_graph, output)
    try:
        flat, variables = _variables_as_inputs(_inlined(graph_def, source, output), source, output)
        names = {f"{placeholder}:0": _key(variable, keys) for placeholder, variable in variables.items()}
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(flat, name="")
        converted = process_tf_graph(
            graph,
            opset=OPSET,
            input_names=[source, *names],
            output_names=[output],
            tensors_to_rename={source: name},
        )
        # Of tf2onnx's optimizers the one that takes sums of products in letters apart, as Keras's attention is written.
        converted = optimize_graph(converted, optimizers={"einsum_optimizer": EinsumOptimizer})
    except ModelError:
        raise
    except Exception as error:  # TensorFlow and tf2onnx meet what they can't do with exceptions of all kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(f"tf2onnx doesn't convert it ({reason}): save the model as a .keras or .onnx file") from error
    model = converted.make_model("SavedModel", producer_name="tf2onnx", producer_version=tf2onnx.__version__)
    for node in model.graph.node:
        node.name = _layer_name(node.name)
    (target / "model.onnx").write_bytes(model.SerializeToString())
    return Converted(flat, source, output, names)


def _inlined(graph_def: Any, source: str, output: str) -> Any:
    """The graph with its functions in the place of their calls, by TensorFlow's own rewriter, as its
    `convert_variables_to_constants_v2` does it; nothing else of that rewriter is on."""
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
    from tensorflow.python.grappler import tf_optimizer

    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
    meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph_def, graph=graph)
    fetched = meta_graph_pb2.CollectionDef()
    fetched.node_list.value.extend([source, output])
    meta_graph.collection_def["train_op"].CopyFrom(fetched)
    config = config_pb2.ConfigProto()
    options = config.graph_options.rewrite_options
    options.min_graph_nodes = -1
    options.optimizers.append("function")
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def _variables_as_inputs(graph_def: Any, source: str, output: str) -> tuple[Any, dict[str, str]]:
    """What `output` needs, with a placeholder in the place of each variable's value, and the variables' nodes by the
    placeholders' names.

    Weights that tf2onnx sees as inputs are not folded into each other, so that a batch norm keeps its four.
    """
    nodes = {node.name: node for node in graph_def.node}
    image = node_of(source)
    if image not in nodes or nodes[image].op != "Placeholder":
        raise ModelError(f"its signature's input {source} is computed from others: {SAVE_AGAIN}")
    variables: dict[str, str] = {}
    placeholders: dict[str, str] = {}
    needed, wanted = {image}, [node_of(output)]
    while wanted:
        name = wanted.pop()
        if name in needed:
            continue
        needed.add(name)
        if nodes[name].op == "ReadVariableOp":
            handle = _variable(nodes[name], nodes)
            if placeholders.setdefault(handle, name) == name:
                variables[name] = handle
        else:
            wanted += map(node_of, _data_inputs(nodes[name]))
    found = type(graph_def)(versions=graph_def.versions)
    for node in graph_def.node:
        if node.name in variables:
            attributes = nodes[variables[node.name]].attr
            kept = found.node.add(name=node.name, op="Placeholder")
            kept.attr["dtype"].CopyFrom(attributes["dtype"])
            kept.attr["shape"].CopyFrom(attributes["shape"])
        elif node.name in needed and node.op != "ReadVariableOp":
            if node.op in CALLS:
                raise ModelError(f"TensorFlow doesn't inline the function that {node.name} calls: {SAVE_AGAIN}")
            kept = found.node.add()
            kept.CopyFrom(node)
            kept.input[:] = [
                placeholders[_variable(nodes[node_of(name)], nodes)]
                if nodes[node_of(name)].op == "ReadVariableOp"
                else name
                for name in _data_inputs(node)
            ]
    return found, variables


def _variable(read: Any, nodes: Mapping[str, Any]) -> str:
    """The variable's node that a ReadVariableOp reads."""
    handle = nodes[node_of(read.input[0])]
    while handle.op == "Identity":  # not in a circle, which TensorFlow doesn't import
        handle = nodes[node_of(handle.input[0])]
    if handle.op != "VarHandleOp":
        raise ModelError(f"its graph reads a variable from {handle.op}, which is none: {SAVE_AGAIN}")
    return str(handle.name)


def _key(variable: str, keys: Mapping[str, str]) -> str:
    if variable not in keys:
        raise ModelError(f"nothing says where the variable {variable} is stored: {SAVE_AGAIN}")
    return keys[variable]


def _data_inputs(node: Any) -> list[str]:
    return [name for name in node.input if not name.startswith("^")]


def _layer_name(name: str) -> str:
    """A node's name without the calls that it was inlined from; empty for what inlining itself adds."""
    return "" if name.startswith("Func/") else CALL_SCOPES.sub("", name).replace("/batchnorm/", "/")


def _limit_memory() -> None:
    """Less than what would make the machine unusable, where the system knows such limits."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main(folder: Path, target: Path, check: bool, wanted: str | None = None) -> None:
    _limit_memory()
    try:
        converted = convert(folder, target, wanted)
    except ModelError as error:
        (target / "result.json").write_text(json.dumps({"refused": str(error)}))
        return
    (target / "result.json").write_text(json.dumps({"variables": dict(converted.variables)}))
    if check:  # last, so that whatever it ends in, there is a Network
        from bittrue.frontends.tensorflow.running import run

        run(converted, folder, target)


if __name__ == "__main__":
    given = [option.removeprefix("--output=") for option in sys.argv[3:] if option.startswith("--output=")]
    main(Path(sys.argv[1]), Path(sys.argv[2]), "--check" in sys.argv, given[0] if given else None)
