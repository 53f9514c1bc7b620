"""A graph as an ONNX file's bytes, and what stands in which of its tensors."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from bittrue.errors import BittrueError
from bittrue.exports.onnx.graph import Graph, Node, Tensor, in_file

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

MODEL, SITES = "model.onnx", "sites.json"

LARGEST_MODEL = (1 << 31) - 1
"""Bytes of a protobuf message."""


def onnx_bytes(graph: Graph, opset: int, ir_version: int, domains: Mapping[str, int]) -> bytes:
    """The file, for one image. domains: the operator sets beside ONNX's own.

    Raises: BittrueError for more than 2 GiB.
    """
    from onnx import helper, numpy_helper

    if sum(array.nbytes for array in graph.constants.values()) > LARGEST_MODEL - (1 << 24):
        raise BittrueError("An ONNX file holds less than 2 GiB, and the network's constants are more: export C.")
    program = graph.job.program
    output = graph.tensors.get(graph.values[program.output].tensor)
    if output is None:
        raise BittrueError("An ONNX file has a node at least, and the network has none: stop at a later node.")
    source = program.steps[0]
    image = Tensor(graph.image, in_file(source.type.shape, graph.values[source.name].first), "float32", True)
    inner = [_info(tensor) for tensor in graph.tensors.values() if tensor is not output]
    proto = helper.make_graph(
        [_node(node) for node in graph.nodes],
        graph.job.name,
        [_info(image)],
        [_info(output)],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in graph.constants.items()],
        value_info=inner,
    )
    sets = [helper.make_opsetid(domain, number) for domain, number in {"": opset, **domains}.items()]
    model = helper.make_model(
        proto, opset_imports=sets, ir_version=ir_version, producer_name="bittrue", producer_version=version("bittrue")
    )
    return bytes(model.SerializeToString(deterministic=True))


def _info(tensor: Tensor) -> "ValueInfoProto":
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    return helper.make_tensor_value_info(tensor.name, kind, [1, *tensor.shape] if tensor.batched else tensor.shape)


def _node(node: Node) -> "NodeProto":
    from onnx import helper

    attributes: dict[str, Any] = dict(node.attributes)
    if "to" in attributes:  # a type by NumPy's name
        attributes["to"] = helper.np_dtype_to_tensor_dtype(np.dtype(attributes["to"]))
    domain = node.domain or None
    return helper.make_node(node.operator, node.inputs, [node.output], name=node.name, domain=domain, **attributes)


def with_batch(content: bytes, graph: Graph, images: int) -> "ModelProto":
    """The model of a file's bytes for so many images at once: the same nodes, and another first axis."""
    from onnx import ModelProto

    model = ModelProto()
    model.ParseFromString(content)
    batched = {graph.image, *(tensor.name for tensor in graph.tensors.values() if tensor.batched)}
    for info in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        if info.name in batched:
            info.type.tensor_type.shape.dim[0].dim_value = images
    return model


def sites_json(graph: Graph) -> str:
    """sites.json: which tensor holds which site's codes · 2^(−fraction_bits), where floating point isn't proven to be
    exact, and which biases lie off the grid of the sums that they are added to."""
    content = {
        "bittrue": 1,
        "input": graph.image,
        "output": graph.values[graph.job.program.output].tensor,
        "sites": [
            {
                "site": site.name,
                "tensor": site.value.tensor,
                "fraction_bits": site.value.fraction_bits,
                "shape": list(in_file(site.value.shape, site.value.first)),
                "channels_first": site.value.first,
            }
            for site in graph.sites
        ],
        "unproven": graph.unproven,
        "off_grid": graph.off_grid,
    }
    return json.dumps(content, indent=1) + "\n"
