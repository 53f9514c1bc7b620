"""Modules of windows: extrema, sums and averages (B10)."""

from fractions import Fraction
from math import prod

import numpy as np

from bittrue.analysis.cost.hardware import Operand
from bittrue.exports.verilog.division import divide_parameters
from bittrue.exports.verilog.draft import CLOCK, Draft, Parameter, entering
from bittrue.exports.verilog.flow import Flow, bounds_of
from bittrue.exports.verilog.rounding import OVERFLOWS, ROUNDINGS, quantized_bounds, word_of
from bittrue.exports.verilog.table import export_verilog, finish, finish_rounded
from bittrue.exports.verilog.windows import Windows
from bittrue.fixed import FixedFormat, Quantizer
from bittrue.program import Bounds, WindowExtremum, WindowSum
from bittrue.program.bounds import hull

_FLAGS = {f"in_{name}": f"tap_{name}" for name in ("first", "last")}


def _windows(instruction: WindowExtremum | WindowSum, draft: Draft) -> Windows:
    geometry = instruction.window, instruction.strides, instruction.padding, instruction.dilation
    windows = Windows.of(draft.step, draft.shapes[0], *geometry)
    draft.needed.append(windows.needed(windows.channels))
    draft.cycles = windows.cycles(windows.channels * prod(windows.kernel))
    draft.late[0] = windows.late
    draft.spare[0] = windows.spare
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
        finish_rounded(draft, _divided(draft, total, divisors, windows.channels, draft.step.quantizer))


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
    draft.multiply(x.operand, Operand(width, signed=False))
    return draft.stage("scale_offset", parameters, x, y)


def _divided(draft: Draft, x: Flow, divisors: np.ndarray, channels: int, quantizer: Quantizer) -> Flow:
    """x / divisor, rounded to the quantizer's format, for each position's positive divisor, with `channels` words at
    each: by a product where there is one divisor, else bit by bit."""
    bits = quantizer.format.fraction_bits
    exact = Bounds.of_codes(x.low, x.high, x.fraction_bits)
    extremes = {int(divisors.min()), int(divisors.max())}
    low, high = quantized_bounds(hull(exact.scaled(Fraction(1, divisor)) for divisor in extremes), quantizer)
    width, signed = word_of(quantizer, low, high)
    code = draft.fresh("code")
    draft.line(f"logic [{width - 1}:0] {code};")
    text = f"$signed({code})" if signed else f"$signed({{1'b0, {code}}})"
    if (divisors == divisors[0]).all():
        held = draft.flow("held", x.fraction_bits, x.low, x.high)
        draft.stage("register", {"WIDTH": x.width}, x, held)
        source = FixedFormat(True, x.width, x.fraction_bits)
        parameters = divide_parameters(source, int(divisors[0]), quantizer, width) | {"OUT_SIGNED": f"1'b{int(signed)}"}
        magnitude = Operand(x.width + max(bits - x.fraction_bits, 0), signed=False)
        draft.multiply(magnitude, Operand(int(parameters["MULTIPLIER_WIDTH"]), signed=False))
        draft.multiply(magnitude, Operand(int(divisors[0]).bit_length(), signed=False))
        draft.instance("divide", parameters, {"value": held.data, "code": code})
        return draft.renamed(held, "average", text, bits, low, high)
    held = draft.flow("held", x.fraction_bits, x.low, x.high)
    divisor_width = int(divisors.max()).bit_length()
    divisor = draft.fresh("divisor")
    draft.line(f"logic [{divisor_width - 1}:0] {divisor};")
    table = np.repeat(divisors, channels)
    constants: dict[str, Parameter] = {
        "WIDTH": x.width,
        "CONSTANT_WIDTH": divisor_width,
        "PERIOD": table.size,
        "CONSTANTS": draft.memory(draft.step, "divisor", table, divisor_width),
    }
    draft.stage("constant", constants, x, held, out_constant=divisor)
    average = draft.flow("average", bits, low, high)
    draft.line(f"assign {average.data} = {text};")
    formats: dict[str, Parameter] = {
        "IN_WIDTH": x.width,
        "IN_SIGNED": 1,
        "IN_FRACTION": x.fraction_bits,
        "DIVISOR_WIDTH": divisor_width,
        "OUT_WIDTH": width,
        "OUT_SIGNED": int(signed),
        "OUT_FRACTION": bits,
        "ROUNDING": ROUNDINGS[quantizer.rounding],
        "OVERFLOW": OVERFLOWS[quantizer.overflow],
    }
    draft.cycles = max(draft.cycles, draft.size * (x.width + max(bits - x.fraction_bits, 0) + 3))
    ports = {f"in_{part}": f"{held.name}_{part}" for part in ("valid", "ready")} | {"value": held.data}
    ports |= {f"out_{part}": f"{average.name}_{part}" for part in ("valid", "ready")} | {"code": code}
    draft.instance("divide_sequential", formats, CLOCK | ports | {"divisor": divisor})
    return average
