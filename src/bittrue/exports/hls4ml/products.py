"""hls4ml's layers of sums of products: Dense, Conv1D, Conv2D and DepthwiseConv (B6)."""

from typing import Any

import numpy as np

from bittrue.exports.hls4ml.graph import Graph, Tensor, numbers, refused, words_of
from bittrue.exports.hls4ml.padding import padded
from bittrue.exports.hls4ml.precision import holding, result_of
from bittrue.exports.hls4ml.table import STOP, export_hls4ml
from bittrue.fixed import FixedFormat, Overflow, Quantizer
from bittrue.program import MultiplyAccumulate, Step


@export_hls4ml.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    *kernel, _, filters = instruction.weight.shape
    rank = len(x.shape) - 1
    if kernel and len(kernel) != rank:
        raise refused(step, "has no convolution over some of an image's axes alone", STOP)
    if rank > 2 or not x.shape:
        raise refused(step, f"has no products over {rank} spatial axes", STOP)
    if any(size != 1 for size in instruction.dilation):
        raise refused(step, "computes dilated convolutions only under some backends", STOP)
    depthwise = instruction.groups > 1
    if depthwise and not instruction.groups == x.shape[-1] == filters:
        raise refused(step, "has grouped convolutions with one input and one output channel a group alone", STOP)
    weight, precision, arrays = _constants(instruction, step, graph)
    accumulator, in_order = _accumulator(instruction, step, x)
    common: dict[str, Any] = {"arrays": arrays, "precision": precision | {"accum": accumulator}, "in_order": in_order}
    if not rank:
        attributes: dict[str, Any] = {"data_format": "channels_last", "n_in": x.shape[0], "n_out": filters}
        arrays["weight_data"] = weight
        graph.compute(step, "Dense", [x], accumulator.format, attributes, **common)
        return
    ones = (1,) * rank
    window = tuple(kernel) or ones
    padding = instruction.padding if kernel else ((0, 0),) * rank
    if rank == 1:  # hls4ml's own padding before a Conv1D goes to the first reader of the value, whoever that is
        x, padding = padded(graph, step, x, padding), ((0, 0),)
    geometry = geometry_of(x, window, instruction.strides if kernel else ones, padding, "filt")
    attributes = geometry | {"n_chan": x.shape[-1], "n_filt": filters, "data_format": "channels_last"}
    name = f"Conv{rank}D"
    if depthwise:
        name = f"Depthwise{name}"
        attributes["depth_multiplier"] = 1
        arrays["depthwise_data"] = weight.reshape(*window, x.shape[-1], 1)
    else:
        arrays["weight_data"] = weight.reshape(*window, x.shape[-1], filters)
    graph.compute(step, name, [x], accumulator.format, attributes, **common)


def geometry_of(
    x: Tensor,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    prefix: str,
) -> dict[str, int]:
    """hls4ml's attributes of windows over one or two axes."""
    found: dict[str, int] = {}
    axes = (("height", "top", "bottom"), ("width", "left", "right"))[-len(window) :]
    for place, (axis, before, after) in enumerate(axes):
        size = x.shape[place] + sum(padding[place])
        found |= {
            f"in_{axis}": x.shape[place],
            f"out_{axis}": (size - window[place]) // strides[place] + 1,
            f"{prefix}_{axis}": window[place],
            f"stride_{axis}": strides[place],
            f"pad_{before}": padding[place][0],
            f"pad_{after}": padding[place][1],
        }
    return found


def _constants(
    instruction: MultiplyAccumulate, step: Step, graph: Graph
) -> tuple[np.ndarray, dict[str, Quantizer], dict[str, np.ndarray]]:
    """The weights as numbers, the precisions of weights and bias, and the bias as numbers."""
    bits = instruction.weight_fraction_bits
    finest = max(bits)
    # A layer of hls4ml has one format for its weights: those of all channels are aligned to the finest.
    factors = np.array([1 << finest - own for own in bits], object)
    codes = instruction.weight.astype(object) * factors if len(set(bits)) > 1 else instruction.weight
    weight = numbers(codes, finest, f"{step.name}.weight")
    precision = {"weight": words_of(codes, finest, graph.spec_of(step, "weight"))}
    bias, bias_bits = instruction.bias, instruction.bias_fraction_bits
    if bias is None:
        bias, bias_bits = np.zeros(instruction.weight.shape[-1], np.int64), 0
    precision["bias"] = words_of(bias, bias_bits, graph.spec_of(step, "bias"))
    return weight, precision, {"bias_data": numbers(bias, bias_bits, f"{step.name}.bias")}


def _accumulator(instruction: MultiplyAccumulate, step: Step, x: Tensor) -> tuple[Quantizer, bool]:
    """The accumulator's precision, and whether the order of the sum counts.

    Exact: every sum's final code fits, so those in between may wrap. hls4ml stores each product in the accumulator's
    format before it adds it: `product = quantized`, or whatever makes no difference to that.
    """
    products = x.format.fraction_bits + max(instruction.weight_fraction_bits)
    finest = max(products, instruction.bias_fraction_bits if instruction.bias is not None else products)
    own = instruction.accumulator
    if own is None:
        exact = holding(step.exact.low or 0, step.exact.high or 0, step.exact.binary_point)
        return _wide_enough(exact, result_of(step)), False
    if own.overflow is Overflow.UNBOUNDED:
        remedy = f"give {step.name}.accumulator an overflow mode such as AP_WRAP, or EXACT"
        raise refused(step, "has no accumulator that is UNBOUNDED", remedy)
    loses_nothing = own.format.fraction_bits >= finest
    if not instruction.quantized_products and not (loses_nothing and own.overflow is Overflow.WRAP):
        remedy = f"plan with --product quantized, or give {step.name}.accumulator EXACT"
        raise refused(step, "rounds each product to the accumulator's format", remedy)
    return own, not (loses_nothing and own.overflow is Overflow.WRAP)


def _wide_enough(accumulator: Quantizer, result: Quantizer) -> Quantizer:
    """AMD's header aborts where more bits are rounded off than a word has: then the accumulator takes as many."""
    format = accumulator.format
    wanted = max(format.word_length, format.fraction_bits - result.format.fraction_bits)
    wider = FixedFormat(format.signed, wanted, format.fraction_bits)
    return Quantizer(wider, accumulator.rounding, accumulator.overflow)
