"""ONNX's sums of products: Conv, Gemm and MatMul (B6)."""

import numpy as np

from bittrue.exports.onnx.graph import Constant, Graph, Value, refused
from bittrue.exports.onnx.table import export_onnx
from bittrue.fixed import Quantizer
from bittrue.program import MultiplyAccumulate, MultiplyTensors, Step


@export_onnx.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    finest, reach = _reach(instruction, x)
    _require_exact_sums(instruction.accumulator, finest, reach, step, graph)
    kernel = instruction.weight.shape[:-2]
    if not kernel:
        _dense(instruction, step, graph, x, reach)
        return
    rank = len(kernel)
    if len(x.shape) != rank + 1:
        raise refused(graph, step, "has no convolution over some of an image's axes alone", "stop before it")
    graph.carrier(step, [x], reach, float64=False)
    x = graph.channels_first(x)
    # (*kernel, in, out) → (out, in, *kernel)
    order = (rank + 1, rank, *range(rank))
    inputs = [x.tensor, _weight(instruction, step, graph, order, False)]
    if instruction.bias is not None:
        inputs.append(_bias(instruction, step, graph, x, False))
    before, after = zip(*instruction.padding, strict=True)
    graph.compute(
        step,
        "Conv",
        inputs,
        first=True,
        double=False,
        reach=reach,
        kernel_shape=list(kernel),
        strides=list(instruction.strides),
        pads=[*before, *after],
        dilations=list(instruction.dilation),
        group=instruction.groups,
    )


def _dense(instruction: MultiplyAccumulate, step: Step, graph: Graph, x: Value, reach: int) -> None:
    x = graph.channels_last(x)
    double = graph.carrier(step, [x], reach, float64=True)
    x = graph.as_float64(x) if double else x
    weight = _weight(instruction, step, graph, (0, 1), double)
    if instruction.bias is None:
        graph.compute(step, "MatMul", [x.tensor, weight], first=False, double=double, reach=reach)
        return
    bias = _bias(instruction, step, graph, x, double)
    if len(x.shape) == 1:
        graph.compute(step, "Gemm", [x.tensor, weight, bias], first=False, double=double, reach=reach)
        return
    dtype = "float64" if double else "float32"
    product = graph.add("MatMul", step.name, [x.tensor, weight], f"{step.name}.product", step.type.shape, dtype)
    graph.compute(step, "Add", [product, bias], first=False, double=double, reach=reach)


def _weight(instruction: MultiplyAccumulate, step: Step, graph: Graph, order: tuple[int, ...], double: bool) -> str:
    channel_axis = order.index(len(order) - 1)
    codes, bits = instruction.weight, instruction.weight_fraction_bits
    constant = Constant(step, "weight", codes, bits, lambda array: array.transpose(order), channel_axis)
    return graph.constant_in(double, graph.dialect.constant(graph, constant), codes.transpose(order).shape)


def _bias(instruction: MultiplyAccumulate, step: Step, graph: Graph, x: Value, double: bool) -> str:
    assert instruction.bias is not None
    sums = tuple(x.fraction_bits + bits for bits in instruction.weight_fraction_bits)
    bits = (instruction.bias_fraction_bits,)
    constant = Constant(step, "bias", instruction.bias, bits, lambda array: array, 0, sums)
    return graph.constant_in(double, graph.dialect.constant(graph, constant), instruction.bias.shape)


def _reach(instruction: MultiplyAccumulate, x: Value) -> tuple[int, int]:
    """The finest fraction bits of a sum and the largest number on its way, in units of an output channel's last bit: in
    whatever order products are added, no sum of some of them exceeds the sum of all their magnitudes."""
    filters = instruction.weight.shape[-1]
    magnitudes = np.abs(instruction.weight.reshape(-1, filters)).astype(np.float64).sum(0)
    weight_bits = np.broadcast_to(np.array(instruction.weight_fraction_bits), (filters,)).tolist()
    biases = [0] * filters if instruction.bias is None else instruction.bias.tolist()
    own = instruction.bias_fraction_bits if instruction.bias is not None else None
    finest, largest = x.fraction_bits + max(weight_bits), 0
    for magnitude, bits, bias in zip(magnitudes, weight_bits, biases, strict=True):
        products = x.fraction_bits + bits
        last = products if own is None or not bias else max(products, own)
        reach = (int(magnitude) * x.reach) << last - products
        if own is not None and bias:
            reach += abs(bias) << last - own
        largest, finest = max(largest, reach), max(finest, last)
    return finest, largest


def _require_exact_sums(accumulator: Quantizer | None, finest: int, reach: int, step: Step, graph: Graph) -> None:
    """Refuse an accumulator that may round or overflow."""
    if accumulator is None:
        return
    more = accumulator.format.fraction_bits - finest
    if more < 0 or reach << more > min(accumulator.max_code, -accumulator.min_code):
        remedy = f"give {step.node}.accumulator EXACT, or a word that holds every sum"
        raise refused(graph, step, "has no accumulator that rounds or overflows", remedy)


@export_onnx.rule(MultiplyTensors)
def _(instruction: MultiplyTensors, step: Step, graph: Graph) -> None:
    x, w = graph.sources(step)
    reach = x.reach * w.reach * (x.shape[-1] if instruction.matrices else 1)
    _require_exact_sums(instruction.accumulator, x.fraction_bits + w.fraction_bits, reach, step, graph)
    double = graph.carrier(step, [x, w], reach, float64=True)
    operands = aligned(step, graph, [x, w], double, last=instruction.matrices)
    graph.compute(
        step,
        "MatMul" if instruction.matrices else "Mul",
        [operand.tensor for operand in operands],
        first=operands[0].first,
        double=double,
        reach=reach,
    )


def aligned(step: Step, graph: Graph, operands: list[Value], double: bool, *, last: bool = False) -> list[Value]:
    """Operands in one layout and one type, those with fewer axes than the result with axes of size 1 before them.
    last: channels last in any case."""
    rank = len(step.type.shape)
    if last or any(len(operand.shape) != rank for operand in operands):
        operands = [_widened(step, graph, graph.channels_last(operand), rank) for operand in operands]
    else:
        operands = graph.in_one_layout(operands)
    return [graph.as_float64(operand) if double else operand for operand in operands]


def _widened(step: Step, graph: Graph, x: Value, rank: int) -> Value:
    missing = rank - len(x.shape)
    if missing <= 0:
        return x
    shape = (*(1,) * missing, *x.shape)
    name = f"{x.tensor}.for_{step.name}"
    sizes = graph.constant(f"{name}.shape", np.array((0, *shape), np.int64))
    graph.add("Reshape", name, [x.tensor, sizes], name, shape, "float64" if x.double else "float32")
    return Value(name, shape, x.fraction_bits, x.low, x.high, False, x.double)
