"""ONNX's sums of products: Conv, Gemm and MatMul (B6)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrue.exports.onnx.graph import FLOAT32, STOP, Constant, Graph, Value, in_file, refused
from bittrue.exports.onnx.table import export_onnx
from bittrue.fixed import Quantizer
from bittrue.fixed.arrays import signed_sums
from bittrue.program import MultiplyAccumulate, MultiplyTensors, Step
from bittrue.shapes import Shape


@dataclass(frozen=True)
class _Sums:
    """What sums of products reach on their way, in units of their last bit.

    products: without the bias. finest: the most fraction bits of an output channel's sum.
    """

    products: int
    whole: int
    finest: int


@export_onnx.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    sums = _sums(instruction, x)
    _require_exact_sums(instruction.accumulator, sums.finest, sums.whole, step, graph)
    if instruction.weight.ndim == 2:
        _dense(instruction, step, graph, x, sums.whole)
    else:
        _convolution(instruction, step, graph, x, sums)


def _convolution(instruction: MultiplyAccumulate, step: Step, graph: Graph, x: Value, sums: _Sums) -> None:
    *kernel, _, filters = instruction.weight.shape
    rank = len(kernel)
    if len(x.shape) != rank + 1:
        raise refused(graph, step, "has no convolution over some of an image's axes alone", STOP)
    # onnxruntime convolves in float32 alone; a bias with a finer last bit than the products' is added in float64.
    apart = sums.whole > FLOAT32 >= sums.products and graph.dialect.carries_float64
    graph.carrier(step, [x], sums.products if apart else sums.whole, float64=False)
    x = graph.channels_first(x)
    # (*kernel, in, out) → (out, in, *kernel)
    order = (rank + 1, rank, *range(rank))
    inputs = [x.tensor, _weight(instruction, step, graph, order, False)]
    before, after = zip(*instruction.padding, strict=True)
    geometry: dict[str, Any] = {
        "kernel_shape": list(kernel),
        "strides": list(instruction.strides),
        "pads": [*before, *after],
        "dilations": list(instruction.dilation),
        "group": instruction.groups,
    }
    if instruction.bias is None or not apart:
        if instruction.bias is not None:
            inputs.append(_bias(instruction, step, graph, x, (filters,)))
        graph.compute(step, "Conv", inputs, first=True, double=False, reach=sums.whole, **geometry)
        return
    made = in_file(step.type.shape, first=True)
    products = graph.add("Conv", step.name, inputs, f"{step.name}.products", made, **geometry)
    longer = graph.add("Cast", f"{products}.float64", [products], f"{products}.float64", made, "float64", to="float64")
    bias = _bias(instruction, step, graph, x, (filters,) + (1,) * rank, double=True)
    graph.carrier(step, [], sums.whole, float64=True)
    graph.compute(step, "Add", [longer, bias], first=True, double=True, reach=sums.whole)


def _dense(instruction: MultiplyAccumulate, step: Step, graph: Graph, x: Value, reach: int) -> None:
    x = graph.channels_last(x)
    double = graph.carrier(step, [x], reach, float64=True)
    x = graph.as_float64(x) if double else x
    weight = _weight(instruction, step, graph, (0, 1), double)
    if instruction.bias is None:
        graph.compute(step, "MatMul", [x.tensor, weight], first=False, double=double, reach=reach)
        return
    bias = _bias(instruction, step, graph, x, instruction.bias.shape, double=double)
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


def _bias(
    instruction: MultiplyAccumulate, step: Step, graph: Graph, x: Value, shape: Shape, *, double: bool = False
) -> str:
    """The bias in the shape in which the file adds it."""
    assert instruction.bias is not None
    sums = tuple(x.fraction_bits + bits for bits in instruction.weight_fraction_bits)
    bits = (instruction.bias_fraction_bits,)
    constant = Constant(step, "bias", instruction.bias, bits, lambda array: array.reshape(shape), 0, sums)
    return graph.constant_in(double, graph.dialect.constant(graph, constant), shape)


def _sums(instruction: MultiplyAccumulate, x: Value) -> _Sums:
    """In whatever order products are added, a sum of some of them lies between those of all positive and of all
    negative ones."""
    filters = instruction.weight.shape[-1]
    above, below = signed_sums(instruction.weight)
    weight_bits = np.broadcast_to(np.array(instruction.weight_fraction_bits), (filters,)).tolist()
    biases = [0] * filters if instruction.bias is None else instruction.bias.tolist()
    least, most = max(-x.low, 0), max(x.high, 0)
    products, whole, finest = 0, 0, x.fraction_bits + max(weight_bits)
    for positive, negative, bits, bias in zip(above, below, weight_bits, biases, strict=True):
        own = x.fraction_bits + bits
        last = max(own, instruction.bias_fraction_bits) if bias else own
        reach = max(positive * most + negative * least, negative * most + positive * least)
        with_bias = reach << last - own
        if bias:
            with_bias += abs(bias) << last - instruction.bias_fraction_bits
        products, whole, finest = max(products, reach), max(whole, with_bias), max(finest, last)
    return _Sums(products, whole, finest)


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
