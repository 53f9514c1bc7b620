"""What is changed, by kind, in the files of each export whose check can be run again for every change."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from bittrue.exports.job import Job
from bittrue.exports.mutation import constants, source, vectors
from bittrue.exports.mutation.bench import Bench, bench_of
from bittrue.exports.mutation.mutant import BenchT, Draw
from bittrue.exports.mutation.verilog.bench import VerilogBench, verilog_bench_of
from bittrue.exports.mutation.verilog.memories import memory_bit
from bittrue.exports.mutation.verilog.parameters import (
    Changes,
    Place,
    another_overflow,
    another_rounding,
    fewer,
    left_out,
    near,
    one_less,
    parameter,
    switched,
)

_ROUNDS = "no number lies where the modes differ"
_OVERFLOWS = "no number overflows"
_BOUND = "no number reaches the bound"
_SHIFT = "no number that the shift tells apart"
_ACCUMULATOR = "no sum needs more bits"

C_KINDS: Mapping[str, Draw[Bench]] = {
    "weight bit": constants.weight,
    "bias bit": constants.summand,
    "factor bit": constants.factor,
    "table entry": constants.entry,
    "memory image bit": constants.memory,
    "vector bit": vectors.vector,
    "rounding mode": source.c_line("rounding mode", source.rounding, _ROUNDS),
    "shift": source.c_line("shift", source.shift, _SHIFT),
    "saturation bound": source.c_line("saturation bound", source.bound, _BOUND),
    "overflow mode": source.c_line("overflow mode", source.overflow, _OVERFLOWS),
    "accumulator width": source.c_line("accumulator width", source.accumulator, _ACCUMULATOR),
}
"""Of the C, the memory images and the vectors."""

_QUANTIZING = ("requantize", "divide", "divide_sequential", "multiply_accumulate")

MEMORIES: Mapping[str, tuple[Collection[str], str]] = {
    "weight bit": (("weight",), "multiplied by 0, or in a lane without a sum"),
    "bias bit": (("bias", "starts", "offset", "offset_below", "no_offset"), "added to no number that keeps it"),
    "factor bit": (
        ("scale", "scale_below", "factor", "divisor", "alignment"),
        "multiplied by 0, or of no effect on any number",
    ),
    "table entry": (("table",), "unused: no input looks it up"),
    "place bit": (("places", "place"), "the same word stands at both places"),
}
"""Of a memory that the Verilog reads, by the roles of its numbers; and what it means that none on the way changes."""

PARAMETERS: Mapping[str, tuple[Mapping[Place, Changes], str]] = {
    "rounding mode": (dict.fromkeys(((module, "ROUNDING") for module in _QUANTIZING), another_rounding), _ROUNDS),
    "overflow mode": (dict.fromkeys(((module, "OVERFLOW") for module in _QUANTIZING), another_overflow), _OVERFLOWS),
    "shift": (
        {
            ("bias", "SHIFT"): near(0),
            ("bias", "BIAS_SHIFT"): near(0),
            ("scale_offset", "SHIFT"): near(0),
            ("scale_offset", "OFFSET_SHIFT"): near(0),
            ("clip", "SHIFT"): near(0),
            ("divide", "SHIFT"): near(0),
            ("requantize", "IN_FRACTION"): near(),
            ("divide_sequential", "IN_FRACTION"): near(),
            ("multiply_accumulate", "PRODUCT_FRACTION"): near(),
        },
        _SHIFT,
    ),
    "saturation bound": (
        {
            ("clip", "LOW"): near(),
            ("clip", "HIGH"): near(),
            ("clip", "HAS_LOW"): left_out,
            ("clip", "HAS_HIGH"): left_out,
            ("scale_offset", "THRESHOLD"): near(),
            ("requantize", "OUT_WIDTH"): one_less,
        },
        _BOUND,
    ),
    "divisor": ({("divide", "MULTIPLIER"): near(), ("divide", "DIVISOR"): near(1)}, _ROUNDS),
    "accumulator width": (
        {("multiply_accumulate", "SUM_WIDTH"): one_less, ("window_sum", "OUT_WIDTH"): one_less},
        _ACCUMULATOR,
    ),
    "sign": (
        {
            ("window_extremum", "IN_SIGNED"): switched,
            ("window_sum", "IN_SIGNED"): switched,
            ("multiply_accumulate", "IN_SIGNED"): switched,
            ("multiply_accumulate", "WEIGHT_SIGNED"): switched,
            ("bias", "BIAS_SIGNED"): switched,
            ("scale_offset", "SCALE_SIGNED"): switched,
            ("scale_offset", "OFFSET_SIGNED"): switched,
            ("requantize", "OUT_SIGNED"): switched,
        },
        "no word has its highest bit set",
    ),
    "window": (
        {
            ("window", "STRIDE_ROWS"): near(1),
            ("window", "STRIDE_COLUMNS"): near(1),
            ("window", "DILATION_ROWS"): near(1),
            ("window", "DILATION_COLUMNS"): near(1),
            ("window", "PADDING_ROWS"): near(0),
            ("window", "PADDING_COLUMNS"): near(0),
        },
        "the windows have the same words",
    ),
    "queue depth": (
        {("fifo", "DEPTH"): fewer, ("window", "DEPTH"): one_less},
        "long enough, for every word came and a queue's length changes none",
    ),
}
"""Of an instance of a library module, by module and parameter: what else it may be; and what it means that no number
on the way changes."""

VERILOG_KINDS: Mapping[str, Draw[VerilogBench]] = {
    **{kind: memory_bit(roles, kind, same) for kind, (roles, same) in MEMORIES.items()},
    **{kind: parameter(kind, places, same) for kind, (places, same) in PARAMETERS.items()},
}
"""Of the Verilog and what it reads."""


@dataclass(frozen=True)
class Changed(Generic[BenchT]):
    """An export whose files are changed. bench: writes it into an empty folder and sees that its check passes."""

    bench: Callable[[Job, Path], BenchT]
    kinds: Mapping[str, Draw[BenchT]]


KINDS: Mapping[str, Changed[Any]] = {
    "c": Changed(bench_of, C_KINDS),
    "verilog": Changed(verilog_bench_of, VERILOG_KINDS),
}
"""By what `verify --mutate --against` calls them; a kind that an export has no place for is left out."""
