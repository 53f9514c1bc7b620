"""What of a SavedModel's graph its signature needs, checked against a list of operations that only compute.

The messages are TensorFlow's own (tensorflow/core/protobuf/saved_model.proto and meta_graph.proto,
tensorflow/core/framework/{graph,function,node_def,attr_value}.proto), so that what is checked here is what TensorFlow
is given afterwards: no second reader could take the same bytes for another graph.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any

from bittrue.errors import ModelError
from bittrue.frontends.onnx.file import MAXIMUM_FILE_NODES
from bittrue.frontends.onnx.tensors import MAXIMUM_VALUES
from bittrue.frontends.outputs import chosen_output, few

COMPUTING = frozenset(
    (
        *("Abs", "Add", "AddN", "AddV2", "BiasAdd", "Cast", "Ceil", "Div", "DivNoNan", "Elu", "Equal", "Erf"),
        *("Erfc", "Exp", "Floor", "FloorDiv", "FloorMod", "Greater", "GreaterEqual", "LeakyRelu", "Less"),
        *("LessEqual", "Log", "LogicalAnd", "LogicalNot", "LogicalOr", "Maximum", "Minimum", "Mul", "Neg"),
        *("NotEqual", "Pow", "RealDiv", "Reciprocal", "Relu", "Relu6", "Round", "Rsqrt", "Select", "SelectV2"),
        *("Selu", "Sigmoid", "Sign", "Softplus", "Softsign", "Sqrt", "Square", "SquaredDifference", "Sub", "Tanh"),
        *("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Conv2D", "Conv2DBackpropInput"),
        *("DepthwiseConv2dNative", "Einsum", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "MatMul"),
        *("ArgMax", "AvgPool", "LogSoftmax", "Max", "MaxPool", "MaxPoolV2", "Mean", "Min", "Prod", "Softmax", "Sum"),
        *("BatchToSpaceND", "BroadcastTo", "Concat", "ConcatV2", "DepthToSpace", "ExpandDims", "GatherNd"),
        *("GatherV2", "MirrorPad", "OneHot", "Pack", "Pad", "PadV2", "Reshape", "ResizeBilinear"),
        *("ResizeNearestNeighbor", "Slice", "SpaceToBatchND", "SpaceToDepth", "Split", "SplitV", "Squeeze"),
        *("StridedSlice", "Tile", "Transpose", "Unpack"),
        *("Const", "Fill", "Identity", "IdentityN", "NoOp", "Placeholder", "PlaceholderWithDefault"),
        *("PreventGradient", "Range", "Rank", "Shape", "Size", "StopGradient", "ZerosLike"),
        *("PartitionedCall", "StatefulPartitionedCall"),
        *("ReadVariableOp", "VarHandleOp"),
    )
)
"""Operations that compute from their inputs alone, that call functions of the same graph, and that read variables."""

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
SERVING = "serving_default"
INITIALIZERS = ("__saved_model_init_op", "__saved_model_train_op")
"""Signatures that no one asks a model by."""

SAVE_AGAIN = "save it again with model.export(folder), or tf.saved_model.save(model, folder)"


def parsed(data: bytes, kind: type[Any]) -> Any:
    """The first graph of the `SavedModel` message in `data`; `kind` is that message's class.

    Raises: ModelError where it is damaged, or holds none or several.
    """
    message = kind()
    try:
        message.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError, of whichever implementation is installed
        raise ModelError(f"its saved_model.pb is damaged: {SAVE_AGAIN}") from error
    graphs = [graph for graph in message.meta_graphs if "serve" in graph.meta_info_def.tags]
    if len(graphs) != 1:
        raise ModelError(f"its saved_model.pb holds {len(graphs)} graphs for serving, expected one: {SAVE_AGAIN}")
    return graphs[0]


def signature(graph: Any, wanted: str | None = None) -> tuple[str, str, str]:
    """The serving signature: its input's name, and the names of the tensors that are its input and its output.

    wanted: the name of the output, where there are several.

    Raises: ModelError where no signature is the one to take, for several inputs, and several outputs of which none is
    wanted.
    """
    names = sorted(set(graph.signature_def) - set(INITIALIZERS))
    if SERVING not in names and len(names) != 1:
        found = f"{len(names)} signatures ({few(names)}), none of them {SERVING}" if names else "no signature"
        raise ModelError(
            f"it has {found}, so that nothing says what the model computes: "
            "save it with tf.saved_model.save(model, folder, signatures=function)"
        )
    chosen = graph.signature_def[SERVING if SERVING in names else names[0]]
    if len(chosen.inputs) != 1:
        raise ModelError(
            f"its signature has {len(chosen.inputs)} inputs ({few(sorted(chosen.inputs))}), and bittrue takes one: "
            "save a model that slices one tensor for them, and pack the data alike"
        )
    [(name, source)], outputs = chosen.inputs.items(), sorted(chosen.outputs)
    return name, source.name, chosen.outputs[outputs[chosen_output(outputs, wanted)]].name


def pruned(graph: Any, output: str) -> Any:
    """A GraphDef of the nodes and functions that `output` needs, without hints to a runtime.

    Raises: ModelError for an operation that isn't on the list, in a function or as a control input as well, for what is
    missing or calls itself, and for more nodes or constants than a network has.
    """
    whole = graph.graph_def
    nodes = {node.name: node for node in whole.node}
    functions = {function.signature.name: function for function in whole.library.function}
    if len(nodes) < len(whole.node) or len(functions) < len(whole.library.function):
        raise ModelError(f"its graph has two things of one name: {SAVE_AGAIN}")
    shadows = sorted(COMPUTING & set(functions))
    if shadows:
        raise ModelError(f"its function {shadows[0]} has the name of an operation: {SAVE_AGAIN}")
    needed = _needed(nodes, output)
    _check(needed)
    called = _called(needed, functions)
    found = type(whole)()
    found.versions.CopyFrom(whole.versions)
    found.node.extend(needed)
    found.library.function.extend(functions[name] for name in called)
    for function in found.library.function:
        function.attr.clear()
    for node in _all_nodes(found):
        node.device = ""
        for name in [name for name in node.attr if name.startswith("_")]:
            del node.attr[name]
    return found


def restored(graph: Any) -> dict[str, str]:
    """The keys in the checkpoint `variables` of the variables, by the names of their nodes, as the graph's own restore
    operation assigns them. It is read, not run.

    Raises: ModelError for damage.
    """
    whole = graph.graph_def
    nodes = {node.name: node for node in whole.node}
    root = nodes.get(graph.saver_def.restore_op_name)
    if root is None:
        return {}
    given: dict[str, str] = {}
    if root.op in CALLS:
        functions = {function.signature.name: function for function in whole.library.function}
        function = functions.get(root.attr["f"].func.name)
        if function is None:
            raise ModelError(f"its graph calls a function that it doesn't hold: {SAVE_AGAIN}")
        arguments = [argument.name for argument in function.signature.input_arg]
        given = dict(zip(arguments, map(node_of, root.input), strict=False))
        nodes = {node.name: node for node in function.node_def}

    def followed(name: str) -> str:
        """The output or argument that `name` hands on."""
        for _ in range(len(nodes)):
            node = nodes.get(node_of(name))
            if node is None or node.op != "Identity" or not node.input:
                break
            name = node.input[0]
        return name

    keys: dict[str, str] = {}
    for node in nodes.values():
        if node.op != "AssignVariableOp" or len(node.input) < 2:
            continue
        handle, value = node_of(followed(node.input[0])), followed(node.input[1])
        source = nodes.get(node_of(value))
        if source is None or source.op != "RestoreV2" or len(source.input) < 2:
            continue
        listed = nodes.get(node_of(source.input[1]))
        texts = [] if listed is None or listed.op != "Const" else listed.attr["value"].tensor.string_val
        place = int(value.rpartition(":")[2]) if value.rpartition(":")[2].isdecimal() else 0
        if place < len(texts):
            keys[given.get(handle, handle)] = texts[place].decode("utf-8", "replace")
    return keys


def _needed(nodes: Mapping[str, Any], output: str) -> list[Any]:
    """The nodes that `output` needs, by control inputs as well, in the file's order."""
    wanted, seen = [node_of(output)], set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        if name not in nodes:
            raise ModelError(f"its graph reads {name}, which it doesn't hold: {SAVE_AGAIN}")
        seen.add(name)
        wanted += map(node_of, nodes[name].input)
    return [node for name, node in nodes.items() if name in seen]


def _called(nodes: Iterable[Any], functions: Mapping[str, Any]) -> list[str]:
    """The names of the functions that the nodes call, and that these call; each is counted as often as it is called."""
    sizes: dict[str, int] = {}
    being_sized: set[str] = set()

    def size(calling: Iterable[Any]) -> int:
        total = 0
        for node in calling:
            total += 1
            for name in _functions_of(node):
                if name not in functions:
                    raise ModelError(f"its graph calls the function {name}, which it doesn't hold: {SAVE_AGAIN}")
                if name in being_sized or len(being_sized) > 100:
                    raise ModelError(f"its function {name} calls itself, which no network does: {SAVE_AGAIN}")
                if name not in sizes:
                    being_sized.add(name)
                    _check(functions[name].node_def)
                    sizes[name] = size(functions[name].node_def)
                    being_sized.discard(name)
                total += sizes[name]
        return total

    total = size(nodes)
    if total > MAXIMUM_FILE_NODES:
        raise ModelError(f"it has {total:,} nodes, and bittrue takes {MAXIMUM_FILE_NODES:,}")
    return list(sizes)


def _check(nodes: Iterable[Any]) -> None:
    others, values = set[str](), 0
    for node in nodes:
        if node.op not in COMPUTING:
            others.add(node.op)
        if node.op == "Const":
            sizes = [size.size for size in node.attr["value"].tensor.tensor_shape.dim]
            values += prod(sizes) if all(size >= 0 for size in sizes) else MAXIMUM_VALUES + 1
    if others:
        raise ModelError(
            f"its graph holds operations that bittrue doesn't let near TensorFlow ({few(sorted(others))}), since they "
            "may do more than compute, or can't be part of a network: save the model for inference alone"
        )
    if values > MAXIMUM_VALUES:
        raise ModelError(f"its constants are larger than any trained model's: {SAVE_AGAIN}")


def _functions_of(node: Any) -> Iterator[str]:
    """The functions that the node's attributes name."""
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        for function in value.list.func:
            yield function.name


def _all_nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def node_of(name: str) -> str:
    """The node of a tensor `node:0`, `node:output:0` (in functions) or of a control input `^node`."""
    return name.removeprefix("^").partition(":")[0]
