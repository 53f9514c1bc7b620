"""Kernels that compute each code by itself: add, extremum, clip, scale and offset."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, lru_cache, partial, reduce
from math import ceil
from typing import Any

import numpy as np
import torch

from bittrue.fixed import Rounding
from bittrue.operators.broadcasting import spread
from bittrue.program import Add, Clip, CodeType, Extremum, Instruction, ScaleOffset, Step
from bittrue.shapes import Shape
from bittrue.simulation.carrier import Carrier, carrier_for, power_of_two
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove_step
from bittrue.simulation.rounding import round_certain
from bittrue.simulation.values import Codes, Result, alignment, shifted

_MOST_KEPT = 64
"""How many batches' ends are remembered with what follows from them."""

_PIECE = 1 << 17
"""Numbers computed at once in float64: a megabyte, which stays in the cores' caches."""


@kernel.rule(Add)
def _(instruction: Add, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    shifts = alignment(step, types)

    def add(inputs: tuple[Codes, ...]) -> Result:
        operands = list(zip(inputs, shifts, strict=True))
        # Every partial sum stays within the sum of the absolute bounds.
        carrier = carrier_for(sum(x.bound << shift for x, shift in operands), step.name)
        first, *others = spread([shifted(x, shift, carrier) for x, shift in operands])
        total = first + others[0] if others else first
        for other in others[1:]:
            total = total.add_(other) if total.shape[1:] == step.type.shape else total + other
        low = sum(x.low << shift for x, shift in operands)
        return Result(total, low, sum(x.high << shift for x, shift in operands))

    return add


@kernel.rule(Extremum)
def _(instruction: Extremum, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    shifts = alignment(step, types)
    choose, choose_end = (torch.maximum, max) if instruction.largest else (torch.minimum, min)

    def extremum(inputs: tuple[Codes, ...]) -> Result:
        operands = list(zip(inputs, shifts, strict=True))
        carrier = carrier_for(max(x.bound << shift for x, shift in operands), step.name)
        found = reduce(choose, spread([shifted(x, shift, carrier) for x, shift in operands]))
        low = choose_end(x.low << shift for x, shift in operands)
        return Result(found, low, choose_end(x.high << shift for x, shift in operands), tight=True)

    return extremum


@kernel.rule(Clip)
def _(instruction: Clip, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    (shift,) = alignment(step, types)
    assert step.exact.fraction_bits is not None
    unit = Fraction(2) ** step.exact.fraction_bits
    least = None if instruction.low is None else int(instruction.low * unit)
    most = None if instruction.high is None else int(instruction.high * unit)

    def limited(code: int) -> int:
        code = code if least is None else max(code, least)
        return code if most is None else min(code, most)

    def clip(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        low, high = x.low << shift, x.high << shift
        # A bound beyond every code of this batch changes nothing, and need not fit the carrier.
        lower = least if least is not None and least > low else None
        upper = most if most is not None and most < (high if lower is None else max(high, lower)) else None
        reach = max(abs(low), abs(high), abs(lower or 0), abs(upper or 0))
        y = shifted(x, shift, carrier_for(reach, step.name))
        if lower is not None or upper is not None:
            y = y.clamp_(lower, upper) if y is not x.tensor or x.reusable else y.clamp(lower, upper)
        return Result(y, limited(low), limited(high), tight=True)

    return clip


@kernel.rule(ScaleOffset)
def _(instruction: ScaleOffset, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    branches = branches_of(instruction, step, types)
    reach, constants = lru_cache(_MOST_KEPT)(partial(branch_bound, branches)), cache(partial(_constants, branches))
    width = max(len(numbers) for branch in branches for numbers in branch)
    first_above = None
    if instruction.below is not None:
        assert types[0].fraction_bits is not None
        first_above = ceil(instruction.below.threshold * Fraction(2) ** types[0].fraction_bits)
        farthest = 1 << Carrier.INT64.bits  # beyond every code, and no farther than torch compares with
        first_above = min(max(first_above, -farthest), farthest)

    def scale_offset(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        bound = reach(x.bound)
        # A scale is held even where all codes are zero.
        carrier = carrier_for(reach(max(x.bound, 1)), step.name)
        if first_above is None and carrier is not Carrier.INT64 and _folds(step):
            return _folded(x, width, constants, step, bound)
        codes = _rows(x.tensor, width).to(carrier.dtype)
        scaled = [codes * scales + offsets for scales, offsets in constants(carrier, 1.0)]
        result = scaled[0]
        if first_above is not None:
            result = torch.where(_rows(x.tensor, width) >= first_above, scaled[0], scaled[1])
        return Result(result.reshape(x.tensor.shape), -bound, bound)

    return scale_offset


Branch = tuple[list[int], list[int]]
"""Scales and offsets, aligned to the exact result's fraction bits: one in all, one a channel, or one an element."""


def branches_of(instruction: ScaleOffset, step: Step, types: tuple[CodeType, ...]) -> list[Branch]:
    source, finest = types[0].fraction_bits, step.exact.fraction_bits
    assert source is not None
    assert finest is not None
    scale_shift = finest - source - instruction.scale_fraction_bits
    offset_shift = finest - instruction.offset_fraction_bits
    pairs = [(instruction.scale, instruction.offset)]
    if instruction.below is not None:
        pairs.append((instruction.below.scale, instruction.below.offset))
    shape = step.type.shape
    arrays = [array for pair in pairs for array in pair]
    if any(array.size not in (1, array.shape[-1]) for array in arrays):
        pairs = [(_by_element(scale, shape), _by_element(offset, shape)) for scale, offset in pairs]
    return [(_integers(scale, scale_shift), _integers(offset, offset_shift)) for scale, offset in pairs]


def _by_element(codes: np.ndarray, shape: Shape) -> np.ndarray:
    return codes if codes.size == 1 else np.broadcast_to(codes, shape)


def branch_bound(branches: list[Branch], bound: int) -> int:
    return max(
        abs(scale) * bound + abs(offset)
        for scales, offsets in branches
        for scale, offset in zip(*_broadcast(scales, offsets), strict=True)
    )


def _constants(branches: list[Branch], carrier: Carrier, power: float) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The scales and offsets of each branch on a carrier, times a power of two (1 for integers)."""
    tensors = [[torch.tensor(numbers, dtype=carrier.dtype) for numbers in branch] for branch in branches]
    return [(scales * power, offsets * power) if power != 1 else (scales, offsets) for scales, offsets in tensors]


def _folds(step: Step) -> bool:
    return step.quantizer is not None and step.quantizer.rounding is Rounding.NEAREST_EVEN


def _folded(x: Codes, width: int, constants: Callable[..., Any], step: Step, bound: int) -> Result:
    """The map and its rounding in one go: a power of two in the constants leaves them, and the result, exact in
    float64."""
    assert step.quantizer is not None
    assert step.exact.fraction_bits is not None
    shift = step.exact.fraction_bits - step.quantizer.format.fraction_bits
    limit = (bound >> shift) + 1 if shift >= 0 else bound << -shift
    ((scales, offsets),) = constants(Carrier.FLOAT64, power_of_two(-shift, step.name))
    rounded = affine_rounded(x, width, scales, offsets, step.quantizer.rounding, carrier_for(limit, step.name))
    return Result(rounded, -limit, limit, rounded=True)


def affine_rounded(
    x: Codes, width: int, scale: torch.Tensor, offset: torch.Tensor, rounding: Rounding, carrier: Carrier
) -> torch.Tensor:
    """scale·x + offset in float64, rounded to integers on `carrier`."""
    return mapped_rounded(x, width, scale, offset, (None, None), rounding, carrier)


def mapped_rounded(
    x: Codes,
    width: int,
    scale: torch.Tensor,
    offset: torch.Tensor,
    ends: tuple[float | None, float | None],
    rounding: Rounding,
    carrier: Carrier,
) -> torch.Tensor:
    """scale·x + offset in float64, kept between two ends, rounded to integers on `carrier`: in pieces that stay in the
    cache.

    width: how many scales and offsets there are: one in all, one a channel, or one an element.

    The caller has proven that the rounding of the computed number is that of the exact one. Written over x where that
    is allowed: fresh memory costs more than the arithmetic.
    """
    rows = _rows(x.tensor, width)
    in_place = x.reusable and x.tensor.dtype == carrier.dtype
    result = rows if in_place else torch.empty(rows.shape, dtype=carrier.dtype)
    height = max(_PIECE // max(rows.shape[1], 1), 1)
    buffer = torch.empty((min(height, rows.shape[0]), rows.shape[1]), dtype=torch.float64)
    for start in range(0, rows.shape[0], height):
        source = rows[start : start + height]
        piece = buffer[: len(source)].copy_(source)
        piece.mul_(scale).add_(offset)
        if ends != (None, None):
            piece.clamp_(*ends)
        result[start : start + height] = round_certain(piece, rounding)
    return result.reshape(x.tensor.shape)


def _rows(tensor: torch.Tensor, width: int) -> torch.Tensor:
    """Rows of as many numbers as there are constants; of a few where one constant serves all."""
    return tensor.reshape(-1, tensor.shape[-1] if width == 1 else width)


def _integers(codes: np.ndarray, shift: int) -> list[int]:
    return [code << shift for code in codes.reshape(-1).tolist()]


def _broadcast(first: Sequence[int], second: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    length = max(len(first), len(second))
    return list(first) * (length // len(first)), list(second) * (length // len(second))


@prove_step.rule(Add)
def _(instruction: Add, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, sum(bound << shift for bound, shift in zip(bounds, alignment(step, types), strict=True)))


@prove_step.rule(Extremum)
def _(instruction: Instruction, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, max(bound << shift for bound, shift in zip(bounds, alignment(step, types), strict=True)))


@prove_step.rule(Clip)
def _(instruction: Clip, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    # A bound may be the only number that something is known about, or the longest.
    ends = (abs(step.exact.low or 0), abs(step.exact.high or 0))
    return carried(step, max(bounds[0] << alignment(step, types)[0], *ends))


@prove_step.rule(ScaleOffset)
def _(instruction: ScaleOffset, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, branch_bound(branches_of(instruction, step, types), bounds[0]))
