"""Modules of windows: extrema, sums and averages (B10)."""

from math import prod

import numpy as np

from bittrue.exports.verilog.draft import CLOCK, Draft, Parameter, entering
from bittrue.exports.verilog.flow import Flow, bounds_of
from bittrue.exports.verilog.rounding import requantized
from bittrue.exports.verilog.table import export_verilog, finish, finish_rounded
from bittrue.exports.verilog.windows import Windows
from bittrue.fixed import Quantizer
from bittrue.program import WindowExtremum, WindowSum

_FLAGS = {f"in_{name}": f"tap_{name}" for name in ("first", "last")}


def _windows(instruction: WindowExtremum | WindowSum, draft: Draft) -> Windows:
    geometry = instruction.window, instruction.strides, instruction.padding, instruction.dilation
    windows = Windows.of(draft.step, draft.sources[0].type.shape, *geometry)
    draft.needed.append(windows.needed(windows.channels))
    draft.cycles = windows.cycles(windows.channels * prod(windows.kernel))
    return windows


@export_verilog.rule(WindowExtremum)
def window_extremum(instruction: WindowExtremum, draft: Draft) -> None:
    windows = _windows(instruction, draft)
    word = windows.instance(draft, blocks=windows.channels, blocks_a_group=1, inner=1)
    low, high = bounds_of(draft.sources[0].type, draft.step)
    best = draft.flow("best", draft.sources[0].type.binary_point, low, high)
    draft.line(f"logic [{word.width - 1}:0] best_word;")
    text = "$signed(best_word)" if word.signed else "$signed({1'b0, best_word})"
    draft.line(f"assign {best.data} = {text};")
    parameters: dict[str, Parameter] = {
        "WIDTH": word.width,
        "IN_SIGNED": int(word.signed),
        "MINIMUM": int(instruction.minimum),
    }
    ports = CLOCK | entering("tap") | {"in_inside": "tap_inside"} | _FLAGS | entering(best.name, "out")
    draft.instance("window_extremum", parameters, ports | {"out_data": "best_word"})
    finish(draft, best)


@export_verilog.rule(WindowSum)
def window_sum(instruction: WindowSum, draft: Draft) -> None:
    windows = _windows(instruction, draft)
    word = windows.instance(draft, blocks=windows.channels, blocks_a_group=1, inner=1)
    low, high = bounds_of(draft.sources[0].type, draft.step)
    count = prod(windows.kernel)
    bits = draft.sources[0].type.binary_point
    total = draft.flow("sum", bits, count * min(low, 0), count * max(high, 0))
    parameters: dict[str, Parameter] = {
        "IN_WIDTH": word.width,
        "IN_SIGNED": int(word.signed),
        "OUT_WIDTH": total.width,
    }
    draft.instance("window_sum", parameters, CLOCK | entering("tap") | _FLAGS | entering(total.name, "out"))
    divisors = instruction.divisor.reshape(-1)
    largest = int(divisors.max())
    if (divisors == largest).all() and largest & (largest - 1) == 0:
        # A power of two moves the binary point and nothing else.
        moved = draft.renamed(total, "average", total.data, bits + largest.bit_length() - 1, total.low, total.high)
        finish(draft, moved)
    elif draft.step.quantizer is None:
        finish(draft, _multiplied(draft, total, largest // divisors, windows.channels, largest.bit_length() - 1))
    else:
        finish_rounded(draft, divided(draft, total, divisors, windows.channels, draft.step.quantizer))


def _multiplied(draft: Draft, x: Flow, factors: np.ndarray, channels: int, fraction_bits: int) -> Flow:
    """x times a positive number of each position, which has more fraction bits by that."""
    table = np.repeat(factors, channels)
    most = int(factors.max())
    y = draft.flow("average", x.fraction_bits + fraction_bits, x.low * most, x.high * most)
    width = most.bit_length()
    parameters: dict[str, Parameter] = {
        "IN_WIDTH": x.width,
        "OUT_WIDTH": y.width,
        "SCALE_WIDTH": width,
        "SCALE_SIGNED": 0,
        "OFFSET_WIDTH": 1,
        "OFFSET_SIGNED": 0,
        "PERIOD": table.size,
        "SCALES": draft.memory(draft.step, "factor", table, width),
        "OFFSETS": draft.memory(draft.step, "no_offset", np.zeros(table.size, np.int64), 1),
    }
    draft.multipliers += 1
    return draft.stage("scale_offset", parameters, x, y)


def divided(draft: Draft, x: Flow, divisors: np.ndarray, channels: int, quantizer: Quantizer) -> Flow:
    """x / divisor, rounded to the quantizer's format, for each position's positive divisor, with `channels` words at
    each."""
    table = divisors[:1] if (divisors == divisors[0]).all() else np.repeat(divisors, channels)
    # Enough bits behind the quotient's point for the quantizer, or none.
    shift = max(quantizer.format.fraction_bits - x.fraction_bits, 0)
    most = max(-x.low, x.high) << shift
    # Two more bits say what is left of the quotient: nothing, less than a half, a half, more.
    y = draft.flow("quotient", x.fraction_bits + shift + 2, (x.low << shift) * 4 - 4, (x.high << shift) * 4 + 3)
    width = int(divisors.max()).bit_length()
    parameters: dict[str, Parameter] = {
        "IN_WIDTH": x.width,
        "SHIFT": shift,
        "WIDE": max(most.bit_length(), 1),
        "OUT_WIDTH": y.width,
        "DIVISOR_WIDTH": width,
        "PERIOD": table.size,
        "DIVISORS": draft.memory(draft.step, "divisor", table, width),
    }
    draft.cycles = max(draft.cycles, draft.size * (most.bit_length() + 3))
    draft.stage("quotient", parameters, x, y)
    return requantized(draft, y, quantizer)
