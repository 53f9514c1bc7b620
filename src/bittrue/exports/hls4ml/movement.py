"""hls4ml's layers of movement: Reshape, Transpose, Concatenate (B5)."""

from dataclasses import replace

from bittrue.exports.geometry import permutation_of
from bittrue.exports.hls4ml.graph import Graph, Tensor, refused
from bittrue.exports.hls4ml.precision import holding
from bittrue.exports.hls4ml.table import STOP, export_hls4ml
from bittrue.fixed import FixedFormat
from bittrue.program import Concatenate, Move, Reshape, Step


@export_hls4ml.rule(Reshape)
def _(instruction: Reshape, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    graph.convert(step, x)


@export_hls4ml.rule(Move)
def _(instruction: Move, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    order = permutation_of(instruction, x.shape)
    if order is None or len(x.shape) > 3:
        raise refused(step, "moves whole axes of three at most, and slices and repeats nothing", STOP)
    result = replace(x, shape=tuple(x.shape[axis] for axis in order))
    moved = graph.add(f"{step.name}_moved", "Transpose", [x], result, {"perm": list(order)})
    graph.convert(step, moved)


@export_hls4ml.rule(Concatenate)
def _(instruction: Concatenate, step: Step, graph: Graph) -> None:
    total, *others = graph.sources(step)
    rank = len(step.type.shape)
    axis = instruction.axis % rank
    if rank > 3:
        raise refused(step, "concatenates values of three axes at most", STOP)
    if not others:
        graph.convert(step, total)
        return
    if axis != rank - 1:
        graph.parallel_only[step.name] = "its io_stream concatenates channels alone"
    bits = max(operand.format.fraction_bits for operand in (total, *others))
    attributes = {"axis": axis + 1, "op": f"concatenate{rank}d"}  # hls4ml counts the batch axis
    for place, other in enumerate(others, 1):
        shape = tuple(size + other.shape[axis] * (own == axis) for own, size in enumerate(total.shape))
        aligned = [
            code << bits - operand.format.fraction_bits
            for operand in (total, other)
            for code in (operand.low, operand.high)
        ]
        low, high = min(aligned), max(aligned)
        if place == len(others):
            longest = max(operand.format.word_length for operand in (total, other))
            graph.compute(step, "Concatenate", [total, other], FixedFormat(True, longest, bits), attributes)
            return
        result = Tensor("", shape, holding(low, high, bits), low, high)
        total = graph.add(f"{step.name}_{place}", "Concatenate", [total, other], result, attributes)
