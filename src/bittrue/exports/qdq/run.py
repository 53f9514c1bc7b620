"""Runs a network's QDQ file here, in onnxruntime."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bittrue.data import Dataset
from bittrue.exports.job import Job
from bittrue.exports.onnx.codes import write_codes
from bittrue.exports.onnx.graph import Graph
from bittrue.exports.onnx.model import with_batch
from bittrue.exports.qdq.target import qdq_bytes, qdq_graph
from bittrue.exports.tools import MissingToolError

_IMAGES_AT_ONCE = 64

AS_DEFINED, BY_DEFAULT = "ORT_DISABLE_ALL", "ORT_ENABLE_ALL"
"""onnxruntime's levels of optimization: each node as ONNX defines it, and what a session does unless told otherwise."""


def run_qdq(job: Job, images: Dataset, folder: Path) -> Path:
    """The folder with the codes of every site that has codes, as onnxruntime runs the exported file on these images,
    each node as ONNX defines it. What float32 makes of exact numbers that it isn't proven to hold is compared where
    they are rounded next.

    Raises: BittrueError where QDQ can't have the network; MissingToolError where onnxruntime isn't installed.
    """
    if find_spec("onnxruntime") is None:
        raise MissingToolError("onnxruntime isn't installed: python -m pip install onnxruntime.")
    graph = qdq_graph(job)
    tensors = dict.fromkeys(site.value.tensor for site in graph.sites if site.name not in _without_codes(graph))
    write_codes(graph, outputs(graph, images, list(tensors), AS_DEFINED), folder, "onnxruntime")
    return folder


def _without_codes(graph: Graph) -> set[str]:
    """Sites whose numbers may lie beside their codes: unproven ones, and those that pass on such a one's."""
    found: set[str] = set()
    sites: set[str] = set()
    for step in graph.job.program.steps:
        own = (step.site or step.name) in graph.unproven
        if step.quantizer is None and (own or found.intersection(step.inputs)):
            found.add(step.name)
            sites.add(step.site or step.name)
    return sites


def outputs(graph: Graph, images: Dataset, tensors: Sequence[str], level: str) -> Iterator[dict[str, np.ndarray]]:
    """Tensors of the file by name, images first, computed at a level of optimization."""
    import onnxruntime
    from onnx import ValueInfoProto

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    first, content = graph.values[graph.image].first, qdq_bytes(graph)
    for batch in images.batches(_IMAGES_AT_ONCE):
        x = np.moveaxis(batch.x, -1, 1) if first else batch.x
        model = with_batch(content, graph, len(x))
        there = {info.name for info in model.graph.output}
        model.graph.output.extend(ValueInfoProto(name=name) for name in tensors if name not in there)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        given = {graph.image: np.ascontiguousarray(x, np.float32)}
        yield dict(zip(tensors, session.run(list(tensors), given), strict=True))
