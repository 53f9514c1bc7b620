"""Readable names for an ONNX graph's nodes: module paths of PyTorch, layer scopes of TensorFlow."""

import ast
import re
from collections import defaultdict
from dataclasses import dataclass

from bittrue.frontends.onnx.file import TORCH_CLASSES, TORCH_SCOPES, OnnxGraph
from bittrue.frontends.onnx.node import OnnxNode
from bittrue.frontends.onnx.rows import Naming
from bittrue.frontends.onnx.rules.operators import naming_of

_PARAMETER = re.compile(r"(.+)\.(weight|bias|running_mean|running_var)")


@dataclass(frozen=True)
class Scope:
    """Where a node comes from: the module or layer, and the operation in it."""

    path: str
    operation: str


def wanted_names(graph: OnnxGraph) -> dict[str, str]:
    """A name for each node's first output; several may want one name, which a Network's builder tells apart."""
    scopes = {node.outputs[0]: _scope(node, graph) for node in graph.nodes}
    root = _common_root([scopes[node.outputs[0]].path for node in graph.nodes if "/" in node.name])
    layers: defaultdict[str, set[str]] = defaultdict(set)
    for node in graph.nodes:
        if naming_of(node) is not Naming.NONE:
            layer = naming_of(node) is Naming.LAYER
            layers[scopes[node.outputs[0]].path].add(f"{node.op_type}{node.inputs[1:2]}" if layer else "")
    parents = {"".join(path[:end]) for path in map(_split, layers) for end in range(1, len(path), 2)} | {""}
    names: dict[str, str] = {}
    for node in graph.nodes:
        scope = scopes[node.outputs[0]]
        own = layers[scope.path] - {""}
        is_layer = len(own) == 1 if naming_of(node) is Naming.LAYER else not own and scope.path not in parents
        path = scope.path.removeprefix(root).strip("/.")
        parts = [path] if is_layer and path else [path, scope.operation]
        names[node.outputs[0]] = re.sub(r"[^A-Za-z0-9_]+", "_", "_".join(filter(None, parts)))
    return names


def _split(path: str) -> list[str]:
    """A path's parts with the separators between them."""
    return re.split(r"([/.])", path)


def _scope(node: OnnxNode, graph: OnnxGraph) -> Scope:
    operation = node.op_type.lower()
    for source in node.inputs[1:]:
        found = _PARAMETER.fullmatch(source) if source in graph.tensors else None
        if found:
            return Scope(found[1], operation)
    scopes, classes = _listed(node.metadata.get(TORCH_SCOPES)), _listed(node.metadata.get(TORCH_CLASSES))
    if len(scopes) >= 2 and classes:
        found = re.fullmatch(r"aten\.(\w+)\.\w+", classes[-1])
        return Scope(scopes[-2], found[1].strip("_") if found else operation)
    if "/" not in node.name:
        return Scope(node.name, operation)
    path: list[str] = []
    for part in node.name.strip("/").split("/")[:-1]:
        # PyTorch's older exporter writes /layer1/layer1.0/conv1: each part may repeat the one before.
        if path and part.startswith(f"{path[-1]}."):
            path.pop()
        path.append(part)
    return Scope("/".join(path), operation)


def _common_root(paths: list[str]) -> str:
    """The first part of all paths where all share it: the model's own name, which says nothing."""
    first = {path.split("/")[0] for path in paths if "/" in path}
    inside = all("/" in path for path in paths)
    return f"{first.pop()}/" if inside and len(first) == 1 else ""


def _listed(text: str | None) -> list[str]:
    """The list of texts that PyTorch's exporter writes as Python; empty for anything else."""
    try:
        value = ast.literal_eval(text or "[]") if len(text or "") < 10_000 else []
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    return [str(item) for item in value] if isinstance(value, list) else []
