"""Executes a network's QONNX file here, with qonnx's own execution."""

import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bittrue.data import Dataset
from bittrue.exports.job import Job
from bittrue.exports.onnx.codes import write_codes
from bittrue.exports.onnx.graph import Graph
from bittrue.exports.onnx.model import with_batch
from bittrue.exports.qonnx.target import qonnx_bytes, qonnx_graph
from bittrue.exports.tools import MissingToolError

_IMAGES_AT_ONCE = 64
"""qonnx makes a session of onnxruntime for each node of each batch."""


def run_qonnx(job: Job, images: Dataset, folder: Path) -> Path:
    """The folder with the codes of every site, as qonnx executes the exported file on these images.

    Raises: BittrueError where QONNX can't have the network; MissingToolError where qonnx isn't installed.
    """
    if find_spec("qonnx") is None:
        raise MissingToolError("qonnx isn't installed: python -m pip install 'bittrue[qonnx]'.")
    graph = qonnx_graph(job)
    write_codes(graph, _executed(graph, qonnx_bytes(graph), images), folder, "qonnx")
    return folder


def _executed(graph: Graph, content: bytes, images: Dataset) -> Iterator[dict[str, Any]]:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx

    first = graph.values[graph.image].first
    for batch in images.batches(_IMAGES_AT_ONCE):
        x = np.moveaxis(batch.x, -1, 1) if first else batch.x
        model = ModelWrapper(with_batch(content, graph, len(x)))
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = {graph.image: np.ascontiguousarray(x, np.float32)}
            yield execute_onnx(model, given, return_full_exec_context=True)
