"""ONNX's arithmetic between values, and its scales, clips and leaky branches (B7, B8)."""

from fractions import Fraction

import numpy as np

from bittrue.exports.onnx.graph import STOP, Constant, Exact, Graph, Value, dtype_of, in_file, refused
from bittrue.exports.onnx.products import aligned
from bittrue.exports.onnx.table import export_onnx
from bittrue.program import Add, Below, Clip, Extremum, Quantize, ScaleOffset, Step
from bittrue.program.bounds import Bounds


@export_onnx.rule(Quantize)
def _(instruction: Quantize, step: Step, graph: Graph) -> None:
    """The network's input: an image of three axes has its channels first, as ONNX's own operators want it."""
    first = len(step.type.shape) == 3
    graph.finish(step, Exact(graph.image, first, False, Bounds(), None), step.type.shape)


@export_onnx.rule(Add)
def _(instruction: Add, step: Step, graph: Graph) -> None:
    operands = list(graph.sources(step))
    bits = max(operand.fraction_bits for operand in operands)
    _combine(step, graph, operands, {2: "Add"}, "Sum", sum(operand.aligned(bits) for operand in operands))


@export_onnx.rule(Extremum)
def _(instruction: Extremum, step: Step, graph: Graph) -> None:
    operands = list(graph.sources(step))
    bits = max(operand.fraction_bits for operand in operands)
    reach = max(operand.aligned(bits) for operand in operands)
    _combine(step, graph, operands, {}, "Max" if instruction.largest else "Min", reach)


def _combine(
    step: Step, graph: Graph, operands: list[Value], by_count: dict[int, str], otherwise: str, reach: int
) -> None:
    if len(operands) == 1:
        graph.pass_on(step, operands[0])
        return
    operator = by_count.get(len(operands), otherwise)
    double = graph.carrier(step, operands, reach, float64=operator != "Sum")
    operands = aligned(step, graph, operands, double)
    tensors = [operand.tensor for operand in operands]
    graph.compute(step, operator, tensors, first=operands[0].first, double=double, reach=reach)


@export_onnx.rule(ScaleOffset)
def _(instruction: ScaleOffset, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    if instruction.below is not None:
        _leaky(instruction, instruction.below, step, graph, x)
        return
    scale_bits, offset_bits = instruction.scale_fraction_bits, instruction.offset_fraction_bits
    scales = not _is_one(instruction.scale, scale_bits)
    offsets = bool(instruction.offset.any())
    products = x.fraction_bits + (scale_bits if scales else 0)
    last = max(products, offset_bits) if offsets else products
    largest = _largest(instruction.scale) if scales else 1
    reach = (x.reach * largest) << last - products
    reach += _largest(instruction.offset) << last - offset_bits if offsets else 0
    double = graph.carrier(step, [x], reach, float64=True)
    x = graph.as_float64(x) if double else x
    if not scales and not offsets:
        graph.pass_on(step, x)
        return
    tensor = x.tensor
    if scales:
        inputs = [tensor, _placed(step, graph, "scale", instruction.scale, scale_bits, x)]
        if not offsets:
            graph.compute(step, "Mul", inputs, first=x.first, double=double, reach=reach)
            return
        shape = in_file(x.shape, x.first)
        tensor = graph.add("Mul", f"{step.name}_scaled", inputs, f"{step.name}.scaled", shape, dtype_of(double))
    inputs = [tensor, _placed(step, graph, "offset", instruction.offset, offset_bits, x)]
    graph.compute(step, "Add", inputs, first=x.first, double=double, reach=reach)


def _leaky(instruction: ScaleOffset, below: Below, step: Step, graph: Graph, x: Value) -> None:
    upper = _is_one(instruction.scale, instruction.scale_fraction_bits) and not instruction.offset.any()
    if below.threshold or below.offset.any() or not upper:
        what = "scales in two branches only where they meet in 0 and the upper one changes nothing"
        raise refused(graph, step, what, STOP)
    bits = instruction.scale_fraction_bits
    reach = max(x.reach << bits, x.reach * _largest(below.scale))
    flat = int(below.scale.max()) <= 1 << bits
    if graph.carrier(step, [x], reach, float64=flat):
        # onnxruntime has no leaky branch in float64; where no slope exceeds 1, the larger of x and slope·x is one.
        x = graph.as_float64(x)
        inputs = [x.tensor, _placed(step, graph, "slope", below.scale, bits, x)]
        shape = in_file(x.shape, x.first)
        sloped = graph.add("Mul", f"{step.name}_sloped", inputs, f"{step.name}.sloped", shape, "float64")
        graph.compute(step, "Max", [x.tensor, sloped], first=x.first, double=True, reach=reach)
        return
    if below.scale.size == 1 and graph.trained(f"{step.node}.slope") is None:
        slope = float(np.ravel(below.scale)[0]) * 2.0**-bits
        graph.compute(step, "LeakyRelu", [x.tensor], first=x.first, double=False, reach=reach, alpha=slope)
        return
    slopes = _placed(step, graph, "slope", below.scale, bits, x)
    graph.compute(step, "PRelu", [x.tensor, slopes], first=x.first, double=False, reach=reach)


@export_onnx.rule(Clip)
def _(instruction: Clip, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    low, high = instruction.low, instruction.high
    if low is None and high is None:
        graph.pass_on(step, x)
        return
    bits = step.exact.binary_point
    ends = [abs(end) * Fraction(2) ** bits for end in (low, high) if end is not None]
    reach = max([x.aligned(bits), *(int(end) for end in ends)])
    double = graph.carrier(step, [x], reach, float64=True)
    x = graph.as_float64(x) if double else x
    if high is None and low == 0:
        graph.compute(step, "Relu", [x.tensor], first=x.first, double=double, reach=reach)
        return
    inputs = [x.tensor]
    for role, end in (("low", low), ("high", high)):
        inputs.append("" if end is None else graph.number(f"{step.name}.{role}", float(end), double))
    while not inputs[-1]:
        inputs.pop()
    graph.compute(step, "Clip", inputs, first=x.first, double=double, reach=reach)


def _placed(step: Step, graph: Graph, role: str, codes: np.ndarray, bits: int, x: Value) -> str:
    """A constant of a step where the file broadcasts it against the value."""
    missing = len(x.shape) - codes.ndim
    whole = codes.reshape((1,) * missing + codes.shape) if x.first else codes

    def arranged(array: np.ndarray) -> np.ndarray:
        return np.moveaxis(array, -1, 0) if x.first else array

    constant = Constant(step, role, whole, (bits,), arranged, 0 if x.first else codes.ndim - 1)
    return graph.constant_in(x.double, graph.dialect.constant(graph, constant), arranged(whole).shape)


def _is_one(codes: np.ndarray, fraction_bits: int) -> bool:
    return fraction_bits >= 0 and bool((codes == 1 << fraction_bits).all())


def _largest(codes: np.ndarray) -> int:
    return max(-int(codes.min()), int(codes.max()))
