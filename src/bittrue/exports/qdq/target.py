"""The target `qdq`: a folder with the network in ONNX, quantized as onnxruntime's tools do it."""

from collections.abc import Mapping
from pathlib import Path

from bittrue.exports.job import Job, Target
from bittrue.exports.onnx.graph import Graph
from bittrue.exports.onnx.model import MODEL, SITES, onnx_bytes, sites_json
from bittrue.exports.onnx.network import graph_of
from bittrue.exports.qdq.quantizers import DIALECT
from bittrue.frontends.doors import NEEDS_ONNX_TO_WRITE

OPSET, IR_VERSION = 13, 8
OPSET_OF_16_BITS, IR_VERSION_OF_16_BITS = 21, 10
_16_BITS = ("int16", "uint16")


def qdq_graph(job: Job) -> Graph:
    """The nodes. Raises: BittrueError for what QDQ can't have."""
    NEEDS_ONNX_TO_WRITE.check()
    return graph_of(job, DIALECT)


def qdq_bytes(graph: Graph) -> bytes:
    """The file."""
    stored = {array.dtype.name for array in graph.constants.values()}
    if stored & set(_16_BITS):
        return onnx_bytes(graph, OPSET_OF_16_BITS, IR_VERSION_OF_16_BITS, {})
    return onnx_bytes(graph, OPSET, IR_VERSION, {})


def _check(job: Job) -> None:
    qdq_graph(job)


def _write(job: Job, folder: Path) -> Mapping[str, str]:
    graph = qdq_graph(job)
    (folder / MODEL).write_bytes(qdq_bytes(graph))
    (folder / SITES).write_text(sites_json(graph), encoding="utf-8", newline="\n")
    return {}


TARGET = Target("qdq", "float nodes between 8 or 16 bits", needs_images=False, check=_check, write=_write)
