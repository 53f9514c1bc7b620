"""The target `qonnx`: a folder with the network in QONNX."""

from collections.abc import Mapping
from pathlib import Path

from bittrue.exports.job import Job, Target
from bittrue.exports.onnx.graph import Graph
from bittrue.exports.onnx.model import MODEL, SITES, onnx_bytes, sites_json
from bittrue.exports.onnx.network import graph_of
from bittrue.exports.qonnx.quantizers import DIALECT, DOMAIN
from bittrue.frontends.doors import NEEDS_ONNX_TO_WRITE

OPSET, IR_VERSION = 13, 8
"""The oldest that have all that is written: what reads QONNX is seldom new."""


def qonnx_graph(job: Job) -> Graph:
    """The nodes. Raises: BittrueError for what QONNX can't have."""
    NEEDS_ONNX_TO_WRITE.check()
    return graph_of(job, DIALECT)


def qonnx_bytes(graph: Graph) -> bytes:
    """The file."""
    return onnx_bytes(graph, OPSET, IR_VERSION, {DOMAIN: 1})


def _check(job: Job) -> None:
    qonnx_graph(job)


def _write(job: Job, folder: Path) -> Mapping[str, str]:
    graph = qonnx_graph(job)
    (folder / MODEL).write_bytes(qonnx_bytes(graph))
    (folder / SITES).write_text(sites_json(graph), encoding="utf-8", newline="\n")
    return {}


TARGET = Target("qonnx", "float nodes with a Quant at every rounding", needs_images=False, check=_check, write=_write)
