"""A job's network as the nodes of an ONNX file."""

# Imported for the rules that they register.
from bittrue.exports.job import Job
from bittrue.exports.onnx import arithmetic, gaps, movement, pooling, products  # noqa: F401
from bittrue.exports.onnx.graph import Dialect, Graph, refused
from bittrue.exports.onnx.table import export_onnx
from bittrue.exports.storage import storage_of
from bittrue.program import Step

LARGEST_POINT = 60
"""Fraction bits of either sign: the powers of two that two of them make are float32 numbers."""


def graph_of(job: Job, dialect: Dialect) -> Graph:
    """The nodes of a job's network.

    Raises: BittrueError for what the file can't have, with the node and what to do; CarrierError for codes of more than
    64 bits, or that nothing bounds.
    """
    graph = Graph(job, dialect)
    for step in job.program.steps:
        if not step.type.is_float:
            storage_of(step)
            _require_scale(step, graph)
    for step in job.program.steps:
        gap = export_onnx.gap(type(step.instruction))
        if gap is not None:
            raise refused(graph, step, f"doesn't compute a {type(step.instruction).__name__} with these bits", gap)
        export_onnx[type(step.instruction)](step.instruction, step, graph)
    return graph


def _require_scale(step: Step, graph: Graph) -> None:
    bits = [abs(kind.fraction_bits) for kind in (step.exact, step.type) if kind.fraction_bits is not None]
    if max(bits, default=0) > 2 * LARGEST_POINT or abs(step.type.binary_point) > LARGEST_POINT:
        raise refused(
            graph,
            step,
            f"scales by powers of two in float32, and a binary point {step.type.binary_point} bits away is out of its "
            "reach",
            f"give it one of at most {LARGEST_POINT}",
        )
