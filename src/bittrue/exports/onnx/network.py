"""A job's network as the nodes of an ONNX file."""

# Imported for the rules that they register.
from bittrue.exports.job import Job
from bittrue.exports.onnx import arithmetic, gaps, movement, pooling, products  # noqa: F401
from bittrue.exports.onnx.graph import Dialect, Graph, refused
from bittrue.exports.onnx.table import export_onnx
from bittrue.exports.storage import storage_of
from bittrue.program import Step

LARGEST_EXPONENT = 100
"""Of numbers above, and powers of two below, 1: what is computed with them stays well within float32's 126."""


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
    """Refuse numbers whose exponent float32 doesn't have."""
    for kind in (step.exact, step.type):
        if kind.fraction_bits is None:
            continue
        largest = max(-(kind.low or 0), kind.high or 0).bit_length() - kind.fraction_bits
        if max(kind.fraction_bits, largest) > LARGEST_EXPONENT:
            what = f"computes in float32, and {step.site or step.name} has numbers beyond 2^±{LARGEST_EXPONENT}"
            raise refused(graph, step, what, "give it, or the sites before it, a binary point nearer to its words")
