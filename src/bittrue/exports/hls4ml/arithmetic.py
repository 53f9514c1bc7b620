"""hls4ml's layers of arithmetic between values, and of scales, clips and leaky branches (B7, B8)."""

from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from bittrue.exports.hls4ml.graph import Graph, Tensor, numbers, refused, words_of
from bittrue.exports.hls4ml.precision import holding
from bittrue.exports.hls4ml.table import STOP, export_hls4ml
from bittrue.fixed import FixedFormat, Quantizer
from bittrue.program import Add, Below, Clip, Extremum, MultiplyTensors, ScaleOffset, Step

_RELU_LIMITS = {1: "relu1", 6: "relu6"}


@export_hls4ml.rule(Add)
def _(instruction: Add, step: Step, graph: Graph) -> None:
    _chain(step, graph, "add", lambda a, b: (a[0] + b[0], a[1] + b[1]))


@export_hls4ml.rule(Extremum)
def _(instruction: Extremum, step: Step, graph: Graph) -> None:
    choose = max if instruction.largest else min
    operation = "maximum" if instruction.largest else "minimum"
    _chain(step, graph, operation, lambda a, b: (choose(a[0], b[0]), choose(a[1], b[1])))


@export_hls4ml.rule(MultiplyTensors)
def _(instruction: MultiplyTensors, step: Step, graph: Graph) -> None:
    if instruction.matrices:
        raise refused(step, "multiplies matrices of data only under some backends", STOP)
    first, second = graph.sources(step)
    product = FixedFormat(
        first.format.signed or second.format.signed,
        first.format.word_length + second.format.word_length,
        first.format.fraction_bits + second.format.fraction_bits,
    )
    _require_one_shape(step, (first, second))
    graph.compute(step, "Merge", [first, second], product, _merge("multiply", step))


Interval = tuple[int, int]


def _chain(step: Step, graph: Graph, operation: str, combined: Callable[[Interval, Interval], Interval]) -> None:
    """Layers of two operands each, exact but for the last, which is the step's own."""
    total, *others = graph.sources(step)
    _require_one_shape(step, (total, *others))
    if not others:
        graph.convert(step, total)
        return
    bits = max(operand.format.fraction_bits for operand in (total, *others))
    for place, other in enumerate(others, 1):
        ends = [
            (operand.low << bits - operand.format.fraction_bits, operand.high << bits - operand.format.fraction_bits)
            for operand in (total, other)
        ]
        low, high = combined(*ends)
        exact = holding(low, high, bits)
        if place == len(others):
            widest = FixedFormat(True, max(operand.format.word_length for operand in (total, other)), bits)
            graph.compute(step, "Merge", [total, other], widest, _merge(operation, step))
            return
        result = Tensor("", step.type.shape, exact, low, high)
        total = graph.add(f"{step.name}_{place}", "Merge", [total, other], result, _merge(operation, step))


def _merge(operation: str, step: Step) -> dict[str, Any]:
    return {"op": operation, "output_shape": list(step.type.shape)}


def _require_one_shape(step: Step, operands: tuple[Tensor, ...]) -> None:
    if any(operand.shape != step.type.shape for operand in operands) or len(step.type.shape) > 3:
        raise refused(step, "combines values of one shape, of three axes at most", STOP)


@export_hls4ml.rule(ScaleOffset)
def _(instruction: ScaleOffset, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    if instruction.below is not None:
        _leaky(instruction, instruction.below, step, graph, x)
        return
    scale, offset = (_by_channel(step, codes, x) for codes in (instruction.scale, instruction.offset))
    scale_bits, offset_bits = instruction.scale_fraction_bits, instruction.offset_fraction_bits
    values = {
        "scale_data": numbers(scale, scale_bits, f"{step.name}.scale"),
        "bias_data": numbers(offset, offset_bits, f"{step.name}.offset"),
    }
    if (values["scale_data"] == 1).all() and not offset.any():  # which hls4ml leaves out, its rounding with it
        graph.convert(step, x)
        return
    precision = {
        "scale": words_of(scale, scale_bits, graph.spec_of(step, "scale")),
        "bias": words_of(offset, offset_bits, graph.spec_of(step, "offset")),
    }
    attributes = {"n_in": x.size, "n_filt": x.shape[-1], "use_gamma": True, "use_beta": True}
    product = _product(x.quantizer, precision["scale"])
    graph.compute(step, "BatchNormalization", [x], product, attributes, arrays=values, precision=precision)


def _leaky(instruction: ScaleOffset, below: Below, step: Step, graph: Graph, x: Tensor) -> None:
    identity = (instruction.scale == 1 << max(instruction.scale_fraction_bits, 0)).all()
    if below.threshold or not identity or instruction.offset.any() or below.offset.any():
        raise refused(step, "scales in two branches only where they meet in 0 and the upper one changes nothing", STOP)
    bits = instruction.scale_fraction_bits
    slopes = numbers(below.scale, bits, f"{step.name}.slope")
    words = words_of(below.scale, bits, graph.spec_of(step, "slope"))
    common: dict[str, Any] = {"precision": {"param": words}}
    product = _product(x.quantizer, words)
    attributes: dict[str, Any] = {"n_in": x.size}
    if (slopes == slopes.flat[0]).all():
        attributes |= {"activation": "leakyrelu", "activ_param": float(slopes.flat[0])}
        graph.compute(step, "LeakyReLU", [x], product, attributes, **common)
        return
    attributes |= {"activation": "prelu"}
    arrays = {"param_data": np.array(np.broadcast_to(slopes, x.shape))}
    graph.compute(step, "PReLU", [x], product, attributes, arrays=arrays, **common)


@export_hls4ml.rule(Clip)
def _(instruction: Clip, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    low, high = instruction.low, instruction.high
    if high is not None and _value(x.high, x) <= high:
        high = None  # nothing comes in above it
    if low is not None and _value(x.low, x) >= low:
        low = None
    if low is None and high is None:
        graph.convert(step, x)
        return
    if high is not None and low is None and x.low >= 0:
        low = Fraction(0)
    if low != 0 or (high is not None and high not in _RELU_LIMITS):
        limits = " and ".join(map(str, _RELU_LIMITS))
        raise refused(step, f"clips below at 0 alone, and above at {limits}, as the plan has rounded them", STOP)
    name = "relu" if high is None else _RELU_LIMITS[int(high)]
    graph.compute(step, "Activation", [x], x.format, {"activation": name, "n_in": x.size})


def _value(code: int, x: Tensor) -> Fraction:
    return Fraction(code) / Fraction(2) ** x.format.fraction_bits


def _by_channel(step: Step, codes: np.ndarray, x: Tensor) -> np.ndarray:
    """Codes by channel, where they are the same at all places."""
    if not x.shape or prod(codes.shape[:-1]) != 1:
        raise refused(step, "scales by channel alone", STOP)
    return np.array(np.broadcast_to(codes.reshape(-1), (x.shape[-1],)))


def _product(first: Quantizer, second: Quantizer) -> FixedFormat:
    one, other = first.format, second.format
    return FixedFormat(
        one.signed or other.signed, one.word_length + other.word_length, one.fraction_bits + other.fraction_bits
    )
