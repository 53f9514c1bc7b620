"""The constants of each instruction: what hardware keeps in a memory beside the data (B5).

One rule an instruction gives its arrays with the role that names them; every export that stores constants reads them
here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrue.program import (
    Add,
    Bypass,
    Clip,
    Concatenate,
    Divide,
    Extremum,
    LogSoftmax,
    Lookup,
    Move,
    MultiplyAccumulate,
    MultiplyTensors,
    Normalize,
    NormalizeTable,
    Pad,
    Quantize,
    Reshape,
    ScaleOffset,
    Select,
    Softmax,
    SoftmaxTable,
    Step,
    WindowExtremum,
    WindowSum,
)
from bittrue.program.functions import BatchNorm
from bittrue.rules import RuleTable


@dataclass(frozen=True, eq=False)
class Part:
    """A constant array of a step.

    role: of its site, as in `conv1.weight`. codes: integers. fraction_bits: one, or one a place on the last axis.
    axes: what each axis of the array counts.
    """

    role: str
    codes: np.ndarray
    fraction_bits: tuple[int, ...]
    axes: tuple[str, ...]


parts: RuleTable[Callable[[Any], tuple[Part, ...]]] = RuleTable("constants")
"""Rules `(instruction) -> parts`."""


@parts.rule(
    *(Add, Bypass, Clip, Concatenate, Extremum, LogSoftmax, Move, MultiplyTensors, Pad, Quantize, Reshape, Select),
    *(Softmax, SoftmaxTable, WindowExtremum, WindowSum),
)
def _(instruction: Any) -> tuple[Part, ...]:
    return ()


@parts.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate) -> tuple[Part, ...]:
    spatial = {0: (), 1: ("kernel",), 2: ("kernel row", "kernel column")}.get(
        instruction.weight.ndim - 2, tuple(f"kernel {axis}" for axis in range(instruction.weight.ndim - 2))
    )
    axes = (*spatial, "input channel", "output channel")
    weight = Part("weight", instruction.weight, instruction.weight_fraction_bits, axes)
    if instruction.bias is None:
        return (weight,)
    return weight, Part("bias", instruction.bias, (instruction.bias_fraction_bits,), ("output channel",))


@parts.rule(ScaleOffset)
def _(instruction: ScaleOffset) -> tuple[Part, ...]:
    pairs = [("scale", instruction.scale, instruction.offset, "offset")]
    if instruction.below is not None:
        pairs.append(("scale_below", instruction.below.scale, instruction.below.offset, "offset_below"))
    return tuple(
        part
        for scale_role, scale, offset, offset_role in pairs
        for part in (
            Part(scale_role, scale, (instruction.scale_fraction_bits,), axes_of(scale.shape)),
            Part(offset_role, offset, (instruction.offset_fraction_bits,), axes_of(offset.shape)),
        )
    )


@parts.rule(Divide)
def _(instruction: Divide) -> tuple[Part, ...]:
    if instruction.divisor is None:
        return ()
    bits = (instruction.divisor_fraction_bits,)
    return (Part("divisor", instruction.divisor, bits, axes_of(instruction.divisor.shape)),)


@parts.rule(Normalize, NormalizeTable)
def _(instruction: Normalize | NormalizeTable) -> tuple[Part, ...]:
    numbers = (
        ("gamma", instruction.gamma, instruction.gamma_fraction_bits),
        ("beta", instruction.beta, instruction.beta_fraction_bits),
    )
    return tuple(Part(role, codes, (bits,), ("element",)) for role, codes, bits in numbers if codes is not None)


@parts.rule(Lookup)
def _(instruction: Lookup) -> tuple[Part, ...]:
    function = instruction.function
    if not isinstance(function, BatchNorm):
        return ()
    numbers = (
        ("gamma", function.gamma, function.gamma_fraction_bits),
        ("beta", function.beta, function.beta_fraction_bits),
        ("mean", function.mean, function.mean_fraction_bits),
        ("variance", function.variance, function.variance_fraction_bits),
    )
    return tuple(Part(role, codes, (bits,), ("channel",)) for role, codes, bits in numbers if codes is not None)


def parts_of(step: Step) -> tuple[Part, ...]:
    """The constant arrays of a step."""
    return parts[type(step.instruction)](step.instruction)


def axes_of(shape: tuple[int, ...]) -> tuple[str, ...]:
    """What the axes of a tensor with channels last count."""
    named = {0: (), 1: ("channel",), 2: ("position", "channel"), 3: ("row", "column", "channel")}
    return named.get(len(shape), tuple(f"axis {axis}" for axis in range(len(shape))))
