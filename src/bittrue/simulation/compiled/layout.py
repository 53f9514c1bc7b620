"""A group laid out for the library: numbers narrow or wide, constants repeated over a block, memory kept alive."""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bittrue.fixed import Overflow
from bittrue.program import Step
from bittrue.simulation.compiled.library import GroupFields, StageFields
from bittrue.simulation.compiled.sources import Source, SourceKind
from bittrue.simulation.compiled.stages import OVERFLOWS, ROUNDINGS, Span, Stage, UnsuitedError

NARROW_BITS = 30
"""int32 holds sums of two numbers below 2^30, which is as far as rounding them goes."""
WIDE_BITS = 52
"""float64 holds such numbers with one half added."""

STORAGES: tuple[torch.dtype, ...] = (torch.int16, torch.uint16, torch.int32, torch.float32, torch.float64)
"""In the order of `storage` of group.h."""

_MOST_SHIFTED = 60
_REPEATED = 512
"""About how many numbers the stages work on at a time where a row has fewer."""


@dataclass(frozen=True, eq=False)
class Layout:
    """A group as the library takes it.

    fields: the structure, which points into `memory`. stored: what the result is stored in. span: what it lies
    between. places: at which stage the quantizer of a step is. bits: log2 of what the numbers are
    proven to stay below, and reach: what they reach.
    """

    fields: GroupFields
    memory: tuple[object, ...]
    stored: torch.dtype
    span: Span
    places: Mapping[Step, int]
    bits: int
    reach: int


def layout(
    source: Source,
    stages: Sequence[Stage],
    span: Span,
    stored_in: torch.dtype,
    stored: torch.dtype,
    operands: Mapping[str, torch.dtype],
) -> Layout:
    """Lay a group out. operands: how each is stored, in the order in which they are given to the library.

    Raises UnsuitedError where neither int32 nor float64 holds all its numbers.
    """
    all_stages = [*source.stages, *stages]
    constants = (abs(number) for stage in all_stages for numbers in stage.constants for number in numbers)
    reach = max([source.reach, *(stage.reach for stage in all_stages), *constants])
    wide = source.must_be_wide or reach >= 1 << NARROW_BITS or torch.float64 in (stored_in, *operands.values())
    shifts = [abs(stage.shift) for stage in all_stages]
    wide = wide or any(shift > NARROW_BITS for shift in shifts)
    if reach >= 1 << WIDE_BITS or any(shift > _MOST_SHIFTED for shift in shifts):
        raise UnsuitedError
    channels = source.geometry.outputs[2]
    width = _width(source.kind, channels)
    period = channels * max(_REPEATED // channels, 1) if width == channels else channels
    dtype = np.dtype(np.float64 if wide else np.int32)
    fields = (StageFields * max(len(all_stages), 1))()
    memory: list[object] = [fields, source]
    for place, stage in enumerate(all_stages):
        memory += _fill(fields[place], stage, dtype, period, list(operands), operands)
    group = GroupFields()
    group.source, group.wide, group.stages = source.kind, wide, len(all_stages)
    group.stored_in, group.stored_out = STORAGES.index(stored_in), STORAGES.index(stored)
    geometry = source.geometry
    group.height, group.width, group.channels = geometry.inputs
    group.out_height, group.out_width, group.out_channels = geometry.outputs
    for name in ("window", "strides", "dilation", "padding"):
        getattr(group, name)[:] = getattr(geometry, name)
    group.digits, group.chunk, group.zero = len(source.weights), max(source.chunk, 1), source.zero
    if source.packing is not None:
        group.bytes, group.direct = source.packing.in_bytes, source.packing.runs is not None
    for place, weights in enumerate(source.weights):
        group.weights[place] = weights.ctypes.data
        group.places[place] = 2.0 ** source.places[place]
    group.period = period
    group.stage = ctypes.addressof(fields)
    places = {stage.step: place for place, stage in enumerate(all_stages) if stage.step is not None}
    return Layout(group, tuple(memory), stored, span, places, WIDE_BITS if wide else NARROW_BITS, reach)


def _width(kind: SourceKind, channels: int) -> int:
    """The row of a block, as block.h has it."""
    if kind is not SourceKind.PRODUCTS or channels <= 16:
        return -(-channels // 16) * 16
    return -(-channels // 32) * 32


def _fill(
    fields: StageFields,
    stage: Stage,
    dtype: np.dtype,
    period: int,
    names: Sequence[str],
    operands: Mapping[str, torch.dtype],
) -> list[np.ndarray | None]:
    """Fill in a stage's structure; returns the arrays that it points to."""
    largest = (1 << (NARROW_BITS if dtype == np.int32 else WIDE_BITS)) - 1
    fields.kind, fields.shift, fields.operand_shift = stage.kind, stage.shift, stage.operand_shift
    # Every number is smaller, so that an end beyond it decides nothing.
    fields.low = -largest if stage.low is None else max(stage.low, -largest)
    fields.high = largest if stage.high is None else min(stage.high, largest)
    if stage.operand:
        fields.operand, fields.storage = names.index(stage.operand), STORAGES.index(operands[stage.operand])
    fields.rounding, fields.overflow = ROUNDINGS[stage.rounding], OVERFLOWS[Overflow.UNBOUNDED]
    quantizer = stage.quantizer
    if quantizer is not None:
        fields.rounding, fields.overflow = ROUNDINGS[quantizer.rounding], OVERFLOWS[quantizer.overflow]
        fields.word_length, fields.is_signed = quantizer.format.word_length, quantizer.format.signed
        fields.low, fields.high = max(quantizer.min_code, -largest), min(quantizer.max_code, largest)
    arrays: list[np.ndarray | None] = [_repeated(numbers, period, dtype) for numbers in stage.constants]
    arrays += [_repeated(numbers, period, np.dtype(np.float64)) for numbers in stage.reals]
    for name, array in zip(("first", "second", "third", "fourth"), arrays, strict=False):
        setattr(fields, name, None if array is None else array.ctypes.data)
    return arrays


def _repeated(numbers: Sequence[float], period: int, dtype: np.dtype) -> np.ndarray | None:
    if not numbers:
        return None
    return np.tile(np.array(numbers, dtype), period // len(numbers))
