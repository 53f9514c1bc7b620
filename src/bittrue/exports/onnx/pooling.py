"""ONNX's pooling: MaxPool, AveragePool, and both over a whole image (B10)."""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from bittrue.exports.geometry import positions_inside
from bittrue.exports.onnx.graph import STOP, Graph, Value, refused
from bittrue.exports.onnx.table import export_onnx
from bittrue.fixed import Rounding
from bittrue.program import Bounds, Step, WindowExtremum, WindowSum
from bittrue.shapes import Shape


@export_onnx.rule(WindowExtremum)
def _(instruction: WindowExtremum, step: Step, graph: Graph) -> None:
    if instruction.minimum:
        raise refused(graph, step, "pools no minima", STOP)
    (x,) = graph.sources(step)
    double = graph.carrier(step, [x], x.reach, float64=True)
    more = {"dilations": list(instruction.dilation)}
    _pool(instruction, step, graph, x, "MaxPool", "GlobalMaxPool", x.reach, more, double=double)


@export_onnx.rule(WindowSum)
def _(instruction: WindowSum, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    if any(size != 1 for size in instruction.dilation):
        raise refused(graph, step, "averages over no dilated windows", STOP)
    count, divisors = prod(instruction.window), np.asarray(instruction.divisor)
    padded = any(before or after for before, after in instruction.padding)
    if (divisors == count).all():
        include = 1
    elif padded and np.array_equal(divisors.reshape(-1), positions_inside(x.shape, instruction).reshape(-1)):
        include = 0
    else:
        raise refused(graph, step, "averages over windows, and has no other sums over them", STOP)
    graph.carrier(step, [x], _quotient_reach(step, x, count), float64=False)
    bounds = Bounds.of_codes(min(x.low, 0), max(x.high, 0), x.fraction_bits)
    attributes = {"count_include_pad": include} if padded else {}
    reach = x.reach * count if step.is_dyadic else None
    _pool(instruction, step, graph, x, "AveragePool", "GlobalAveragePool", reach, attributes, bounds=bounds)


def _quotient_reach(step: Step, x: Value, count: int) -> int:
    """What float32 must hold so that a quotient that it rounds is rounded again to the plan's code.

    The exact quotient is a multiple of 1/(n·2^m), n ≤ count, and so is every number at which the result's rounding
    turns, where m = max(F_x, F_y + 1). onnxruntime divides a float32 by a float32, so its quotient is off by at most
    2^(−25) of itself, and that takes it nowhere across where the sum in units of 2^(−m) stays within 24 bits. HALF_UP
    adds one half to it first, and rounds again.
    """
    if step.is_dyadic:
        return x.reach * count
    quantizer = step.rounds_with
    turns = quantizer.format.fraction_bits + 1
    finest = max(x.fraction_bits, turns)
    reach = (x.reach * count) << finest - x.fraction_bits
    if quantizer.rounding is Rounding.NEAREST_AWAY:
        reach = 4 * (reach + (count << finest - turns))
    return reach


def _pool(
    instruction: WindowExtremum | WindowSum,
    step: Step,
    graph: Graph,
    x: Value,
    windows: str,
    whole: str,
    reach: int | None,
    attributes: Mapping[str, Any],
    *,
    double: bool = False,
    bounds: Bounds | None = None,
) -> None:
    rank = len(instruction.window)
    if rank != len(x.shape) - 1:
        raise refused(graph, step, "pools over all axes of an image but the channels'", STOP)
    x = graph.channels_first(graph.as_float64(x) if double else x)
    before, after = (tuple(pads) for pads in zip(*instruction.padding, strict=True))
    if instruction.window == x.shape[:-1] and not any((*before, *after)) and not double:
        shape: Shape = (*(1,) * rank, x.shape[-1])
        graph.compute(step, whole, [x.tensor], first=True, double=False, reach=reach, bounds=bounds, shape=shape)
        return
    if any(pad >= size for pads in (before, after) for pad, size in zip(pads, instruction.window, strict=True)):
        raise refused(graph, step, "pools over no window that lies in the padding alone", STOP)
    shape = (*_positions(instruction, x.shape), x.shape[-1])
    graph.compute(
        step,
        windows,
        [x.tensor],
        first=True,
        double=double,
        reach=reach,
        bounds=bounds,
        shape=shape,
        kernel_shape=list(instruction.window),
        strides=list(instruction.strides),
        pads=[*before, *after],
        **attributes,
    )


def _positions(instruction: WindowExtremum | WindowSum, shape: Shape) -> Shape:
    return tuple(
        (size + before + after - dilation * (window - 1) - 1) // stride + 1
        for size, window, stride, dilation, (before, after) in zip(
            shape, instruction.window, instruction.strides, instruction.dilation, instruction.padding, strict=False
        )
    )
