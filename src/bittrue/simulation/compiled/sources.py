"""What a fused group begins with: sums of products, a window's extremum, or codes as they are."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from math import prod

import numpy as np

from bittrue.operators.windows import window_shape
from bittrue.program import (
    Add,
    Clip,
    CodeType,
    Instruction,
    Lookup,
    MultiplyAccumulate,
    ScaleOffset,
    Step,
    WindowExtremum,
)
from bittrue.rules import RuleTable
from bittrue.simulation.compiled.geometry import Geometry, reads_the_image
from bittrue.simulation.compiled.packing import DIGIT_BITS, Packing, digits, packed
from bittrue.simulation.compiled.stages import ON_TORCH, Kind, Span, Stage, UnsuitedError
from bittrue.simulation.sums.accumulators import never_acts
from bittrue.simulation.sums.bounds import SumBounds

SUM_BITS = 31
"""Products are added in int32: what is added before it goes to float64 stays below 2^31, in any order."""

_SHORTEST_CHUNK = 64
"""Fewer products than this are not worth a pass of additions in float64: the weights are cut in two instead."""

_MOST_TAPS = 256
ZERO_POINT = 1 << 15
"""What unsigned words of 16 bits are multiplied without."""


class SourceKind(IntEnum):
    """`source` of group.h."""

    PRODUCTS = 0
    DEPTHWISE = 1
    CODES = 2
    LARGEST = 3
    LEAST = 4


@dataclass(frozen=True, eq=False)
class Source:
    """The first part of a group, for inputs of a span.

    largest_sum: what no sum of products in int32 can exceed. unsigned: whether its inputs are unsigned words of
    16 bits. zero: what is added to each code before it is multiplied. layer, packing: whose weights, and how they lie.
    chunk: how many products are added in int32.
    reach: of all numbers of it in the group's own type. stages: what belongs to it (the bias). span: what comes out.
    must_be_wide: whether the sums are added in float64.
    """

    kind: SourceKind
    geometry: Geometry
    span: Span
    reach: int
    unsigned: bool = False
    zero: int = 0
    layer: "KeptLayer | None" = None
    packing: "Packing | None" = None
    chunk: int = 0
    stages: tuple[Stage, ...] = ()
    must_be_wide: bool = False
    largest_sum: int = 0

    @property
    def places(self) -> tuple[int, ...]:
        """Where each part of the weights stands."""
        return (0, DIGIT_BITS) if self.packing is not None and self.packing.in_two else (0,)

    @property
    def weights(self) -> tuple[np.ndarray, ...]:
        """The weights, laid out at their first use."""
        return self.layer.weights(self.packing) if self.layer is not None and self.packing is not None else ()


class KeptLayer:
    """What is worth keeping of a layer: its bounds, and its weights as the kernels want them."""

    def __init__(self, sums: SumBounds) -> None:
        self.sums = sums
        self._weights: dict[Packing, tuple[np.ndarray, ...]] = {}

    def weights(self, packing: Packing) -> tuple[np.ndarray, ...]:
        """The weights laid out."""
        weight, groups = self.sums.instruction.weight, self.sums.instruction.groups
        if packing not in self._weights:
            rows = weight.reshape(-1, weight.shape[-1])
            parts = digits(rows) if packing.in_two else (rows,)
            self._weights[packing] = tuple(
                np.ascontiguousarray(part, np.int16) if groups > 1 else packed(part, packing) for part in parts
            )
        return self._weights[packing]


Kept = dict[int, KeptLayer]

source_of: RuleTable[Callable[..., Source]] = RuleTable("source of a compiled group", gaps_allowed=True)
"""Rules `(instruction, step, type, span, kept, bytes) -> Source` for the step's first input. Raises UnsuitedError.

kept: what is worth keeping of the layer, by the binary point of its inputs; a rule adds to it. bytes: whether products
of bytes are cheaper than of words of 16 bits.
"""


@source_of.rule(Clip, ScaleOffset, Add, Lookup)
def _(instruction: Instruction, step: Step, kind: CodeType, span: Span, kept: Kept, bytes: bool) -> Source:
    """The codes themselves; what the instruction does to them are stages."""
    if not kind.shape:
        raise UnsuitedError
    flat = (1, prod(kind.shape[:-1]), kind.shape[-1])
    return Source(SourceKind.CODES, Geometry(flat, flat), span, span.reach)


@source_of.rule(WindowExtremum)
def _(instruction: WindowExtremum, step: Step, kind: CodeType, span: Span, kept: Kept, bytes: bool) -> Source:
    geometry = _windows(kind, instruction.window, instruction.strides, instruction.padding, instruction.dilation)
    source = SourceKind.LEAST if instruction.minimum else SourceKind.LARGEST
    return Source(source, geometry, span, span.reach, unsigned=_is_unsigned(span))


def _is_unsigned(span: Span) -> bool:
    """Whether codes need unsigned words of 16 bits; UnsuitedError where they need more."""
    if span.low >= -ZERO_POINT and span.high < ZERO_POINT:
        return False
    if span.low >= 0 and span.high < 2 * ZERO_POINT:
        return True
    raise UnsuitedError


def _windows(
    kind: CodeType,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
) -> Geometry:
    """The geometry of windows over one or two axes."""
    rank, channels = len(window), kind.shape[-1]
    if rank not in (1, 2):
        raise UnsuitedError
    shape = window_shape(kind.shape[:-1], window, strides, padding, dilation)
    before = tuple(pair[0] for pair in padding)
    # One axis is a row of columns.
    return Geometry(
        (*_two(kind.shape[:-1], 1), channels),
        (*_two(shape, 1), channels),
        _two(window, 1),
        _two(strides, 1),
        _two(dilation, 1),
        _two(before, 0),
    )


def _two(numbers: tuple[int, ...], filling: int) -> tuple[int, int]:
    first, second = (filling,) * (2 - len(numbers)) + tuple(numbers)
    return first, second


@source_of.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, kind: CodeType, span: Span, kept: Kept, bytes: bool) -> Source:
    layer = _kept_layer(instruction, step, span, kept)
    sums, shift, unsigned = layer.sums, _accumulator_shift(instruction, layer.sums, span), _is_unsigned(span)
    depthwise = instruction.groups > 1
    if depthwise and not _is_depthwise(instruction, unsigned):
        raise UnsuitedError
    zero, adding, in_bytes = _multiplied(sums, span, unsigned, bytes and not depthwise)
    if depthwise and not adding.whole:
        raise UnsuitedError
    stages, reach = _alignment(sums, span, zero, shift)
    least, most = (end << shift for end in sums.partial_sums(span.low, span.high))
    geometry, packing, chunk = _products(instruction, kind), Packing(adding.in_two, in_bytes), adding.chunk
    run = -(-geometry.run // packing.unit) * packing.unit
    if not depthwise and (adding.whole or run <= chunk) and reads_the_image(geometry, run, 1 if in_bytes else 2):
        packing = replace(packing, runs=geometry.window[0])
        chunk = geometry.window[0] * run if adding.whole else chunk
    return Source(
        SourceKind.DEPTHWISE if depthwise else SourceKind.PRODUCTS,
        geometry,
        Span(least, most, sums.fraction_bits + shift),
        max(reach, adding.reach),
        unsigned,
        zero if in_bytes else 0,
        layer,
        packing,
        chunk,
        stages,
        not adding.whole,
        adding.largest_sum,
    )


def _multiplied(sums: SumBounds, span: Span, unsigned: bool, bytes: bool) -> tuple[int, "Adding", bool]:
    """What is added to each code before it is multiplied, how the products are added, and whether they are of bytes,
    where `bytes` allows that."""
    if bytes and _are_bytes(span, sums):
        zero = -min(span.low, 0)
        adding = _adding(sums, _largest(span, zero))
        if adding.whole:
            return zero, adding, True
    zero = -ZERO_POINT if unsigned else 0
    return zero, _adding(sums, _largest(span, zero)), False


def _are_bytes(span: Span, sums: SumBounds) -> bool:
    """Whether the weights are bytes, and the codes too, counted from the least of them on."""
    low, high = sums.weight_ends
    return low >= -128 and high < 128 and max(span.high, 0) - min(span.low, 0) < 256


def _kept_layer(instruction: MultiplyAccumulate, step: Step, span: Span, kept: Kept) -> KeptLayer:
    """The layer's bounds and weights; refuses weights that aren't words of 16 bits."""
    if instruction.weight.dtype == object:
        raise UnsuitedError
    if span.binary_point not in kept:
        kept[span.binary_point] = KeptLayer(SumBounds(instruction, span.binary_point, step.name))
    low, high = kept[span.binary_point].sums.weight_ends
    if low < -ZERO_POINT or high >= ZERO_POINT:
        raise UnsuitedError
    return kept[span.binary_point]


def _accumulator_shift(instruction: MultiplyAccumulate, sums: SumBounds, span: Span) -> int:
    """How many bits finer than G an accumulator is that never acts; refuses one that may."""
    accumulator = instruction.accumulator
    if accumulator is None:
        return 0
    if not never_acts(sums, accumulator, span.low, span.high):
        raise UnsuitedError
    return accumulator.format.fraction_bits - sums.fraction_bits


def _largest(span: Span, zero: int) -> int:
    """The largest absolute value that is multiplied, `zero` being added to each code, those of the padding too."""
    return max(span.high + zero, -span.low - zero, abs(zero))


@dataclass(frozen=True)
class Adding:
    """How products are added in int32.

    whole: all of them, `chunk` then being their number; else `chunk` at a time, of weights that are cut in two where
    `in_two`. reach: of the whole sums. largest_sum: what no sum in int32 can exceed.
    """

    whole: bool
    in_two: bool
    chunk: int
    reach: int
    largest_sum: int


def _adding(sums: SumBounds, largest: int) -> Adding:
    """What int32 must hold are the sums as they are multiplied, before they are aligned and the bias is added."""
    shifts = _each(sums.shifts, sums.magnitudes)
    unaligned = max((bound >> bits for bound, bits in zip(sums.magnitudes, shifts, strict=True)), default=0)
    reach = largest * unaligned
    if reach < 1 << SUM_BITS:
        return Adding(True, False, prod(sums.instruction.weight.shape[:-1]), reach, reach)
    low, high = sums.weight_ends
    weight = max(-low, high)
    in_two = _longest(largest, weight) < _SHORTEST_CHUNK
    if in_two:
        weight = 1 << DIGIT_BITS - 1
    chunk = _longest(largest, weight)
    return Adding(False, in_two, chunk, reach, largest * weight * chunk)


def _alignment(sums: SumBounds, span: Span, zero: int, shift: int) -> tuple[tuple[Stage, ...], int]:
    """The stage that aligns the sums and adds the bias, where there is anything to do, and what the numbers reach."""
    bias, scale = _biases(sums, zero, shift), [1 << bits + shift for bits in sums.shifts]
    least, most = (end << shift for end in sums.partial_sums(span.low, span.high))
    reach = max(-least, most)
    if zero:
        largest = _largest(span, zero)
        reach = max(reach, *(sums.magnitudes[i] * largest + abs(code) << shift for i, code in enumerate(bias)))
    if not any(bias) and scale == [1]:
        return (), reach
    constants = ([], bias) if scale == [1] else (scale, bias)
    return (Stage(Kind.AFFINE, max(reach, *map(abs, bias)), constants),), reach


def _biases(sums: SumBounds, zero: int, shift: int) -> list[int]:
    """The biases at the sum's binary point, `shift` bits finer than G."""
    biases = sums.biases
    if zero:
        # Σ (x + zero)·w is what the kernel adds: the rest is a constant.
        weight = sums.instruction.weight
        totals = weight.reshape(-1, weight.shape[-1]).astype(np.int64).sum(0).tolist()
        triples = zip(biases, totals, _each(sums.shifts, totals), strict=True)
        biases = [code + (-zero * total << bits) for code, total, bits in triples]
    return [code << shift for code in biases]


def _each(numbers: list[int], channels: list[int]) -> list[int]:
    return numbers * (len(channels) // len(numbers))


def _longest(largest: int, largest_weight: int) -> int:
    """How many products of these stay below what int32 holds, an even number."""
    return ((1 << SUM_BITS) - 1) // max(largest * largest_weight, 1) // 2 * 2


def _is_depthwise(instruction: MultiplyAccumulate, unsigned: bool) -> bool:
    *window, inputs, outputs = instruction.weight.shape
    return inputs == 1 and outputs == instruction.groups and not unsigned and prod(window) <= _MOST_TAPS


def _products(instruction: MultiplyAccumulate, kind: CodeType) -> Geometry:
    outputs = instruction.weight.shape[-1]
    if not instruction.strides:
        positions = prod(kind.shape[:-1])
        return Geometry((1, positions, kind.shape[-1]), (1, positions, outputs))
    window = instruction.weight.shape[:-2]
    found = _windows(kind, window, instruction.strides, instruction.padding, instruction.dilation)
    return Geometry(
        found.inputs, (*found.outputs[:2], outputs), found.window, found.strides, found.dilation, found.padding
    )


for _instruction in ON_TORCH:
    source_of.unsupported(_instruction, reason="torch computes it")
