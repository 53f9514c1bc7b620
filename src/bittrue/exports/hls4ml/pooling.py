"""hls4ml's pooling layers: maxima and averages over windows (B10)."""

from typing import Any

import numpy as np

from bittrue.exports.geometry import positions_inside
from bittrue.exports.hls4ml.graph import Graph, Tensor, refused, value_of
from bittrue.exports.hls4ml.padding import padded
from bittrue.exports.hls4ml.precision import holding, require_header_takes, result_of
from bittrue.exports.hls4ml.products import geometry_of
from bittrue.exports.hls4ml.table import STOP, export_hls4ml
from bittrue.fixed import Quantizer
from bittrue.program import Step, WindowExtremum, WindowSum
from bittrue.shapes import Padding

_OVERLAP = "its io_stream pools neither padded nor overlapping windows"


@export_hls4ml.rule(WindowExtremum)
def _(instruction: WindowExtremum, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    if instruction.minimum:
        raise refused(step, "pools no minima", STOP)
    _require_geometry(step, instruction, x)
    padding = instruction.padding
    if _any(padding) and x.low >= 0:  # no zero exceeds a value that isn't negative; hls4ml pads unsigned words wrongly
        x, padding = padded(graph, step, x, padding), ((0, 0),) * len(padding)
    _pool(graph, step, x, instruction, padding, "Max", x.quantizer, {})


@export_hls4ml.rule(WindowSum)
def _(instruction: WindowSum, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    _require_geometry(step, instruction, x)
    count = int(np.prod(instruction.window))
    padding = instruction.padding
    divisors = np.asarray(instruction.divisor)
    if (divisors == count).all():  # of all positions of the window, zeros in the padding among them
        x, padding = padded(graph, step, x, padding), ((0, 0),) * len(padding)
    elif not _any(padding) or not np.array_equal(
        divisors.reshape(-1), positions_inside(x.shape, instruction).reshape(-1)
    ):
        raise refused(step, "averages over windows, and has no other sums over them", STOP)
    low, high = min(x.low, 0) * count, max(x.high, 0) * count
    _pool(graph, step, x, instruction, padding, "Average", _quotient(x, step, low, high, count), {"count_pad": False})


def _quotient(x: Tensor, step: Step, low: int, high: int, count: int) -> Quantizer:
    """The accumulator of an average: hls4ml truncates the quotient to its format before it is rounded.

    The exact quotient is a multiple of 1/(n·2^m), n ≤ count, and so is every number at which the result's rounding
    turns, where m = max(F_x, F_y + 1): one that isn't such a number is at least 1/(n·2^m) from it, and truncating less
    than that takes it nowhere across.
    """
    bits = x.format.fraction_bits
    needed = max(bits, result_of(step).format.fraction_bits + 1) + count.bit_length() + 1
    return holding(low << needed - bits, high << needed - bits, needed)


def _pool(
    graph: Graph,
    step: Step,
    x: Tensor,
    instruction: WindowExtremum | WindowSum,
    padding: Padding,
    kind: str,
    accumulator: Quantizer,
    more: dict[str, Any],
) -> None:
    rank = len(instruction.window)
    # Where a window stands at one place only, its stride is free: hls4ml wants it as long as the window.
    strides = tuple(
        window if size + sum(pad) < window + stride else stride
        for window, size, pad, stride in zip(instruction.window, x.shape, padding, instruction.strides, strict=False)
    )
    geometry = geometry_of(x, instruction.window, strides, padding, "pool")
    attributes = geometry | {"n_filt": x.shape[-1], "data_format": "channels_last"} | more
    if rank == 1:
        attributes |= {"n_in": geometry["in_width"], "n_out": geometry["out_width"]}
    if _any(padding) or strides != tuple(instruction.window):
        graph.parallel_only[step.name] = _OVERLAP
    names = ("height", "width")[-rank:]
    shape = (*(geometry[f"out_{axis}"] for axis in names), x.shape[-1])
    source = accumulator.format if kind == "Average" else x.format
    require_header_takes(step, source, result_of(step))
    name = f"{kind}Pooling{rank}D"
    graph.finish(
        step, graph.add(step.name, name, [x], value_of(step, shape), attributes, precision={"accum": accumulator})
    )


def _require_geometry(step: Step, instruction: WindowExtremum | WindowSum, x: Tensor) -> None:
    if any(size != 1 for size in instruction.dilation):
        raise refused(step, "has no dilated windows", STOP)
    if len(instruction.window) > 2 or len(instruction.window) != len(x.shape) - 1:
        raise refused(step, "pools over one or two spatial axes alone", STOP)


def _any(padding: Padding) -> bool:
    return any(before or after for before, after in padding)
