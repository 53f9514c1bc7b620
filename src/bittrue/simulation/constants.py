"""Scale and offset by constants, in one branch or two."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, lru_cache, partial
from math import ceil
from typing import Any

import numpy as np
import torch

from bittrue.fixed import Rounding
from bittrue.program import CodeType, ScaleOffset, Step
from bittrue.shapes import Shape
from bittrue.simulation.affine import affine_rounded, rows_of
from bittrue.simulation.carrier import Carrier, carrier_for, power_of_two
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove_step
from bittrue.simulation.values import Codes, Result
from bittrue.simulation.wide import WideKernel, WideResult, wide_kernel

_MOST_KEPT = 64
"""How many batches' ends are remembered with what follows from them."""


@kernel.rule(ScaleOffset)
def _(instruction: ScaleOffset, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    branches = branches_of(instruction, step, types)
    reach, constants = lru_cache(_MOST_KEPT)(partial(branch_bound, branches)), cache(partial(_constants, branches))
    width = max(len(numbers) for branch in branches for numbers in branch)
    first_above = None
    if instruction.below is not None:
        first_above = ceil(instruction.below.threshold * Fraction(2) ** types[0].binary_point)
        farthest = 1 << Carrier.INT64.bits  # beyond every code, and no farther than torch compares with
        first_above = min(max(first_above, -farthest), farthest)

    def scale_offset(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        bound = reach(x.bound)
        # A scale is held even where all codes are zero.
        carrier = carrier_for(reach(max(x.bound, 1)), step.name)
        if first_above is None and carrier is not Carrier.INT64 and _folds(step):
            return _folded(x, width, constants, step, bound)
        codes = rows_of(x.tensor, width).to(carrier.dtype)
        scaled = [codes * scales + offsets for scales, offsets in constants(carrier, 1.0)]
        result = scaled[0]
        if first_above is not None:
            result = torch.where(rows_of(x.tensor, width) >= first_above, scaled[0], scaled[1])
        return Result(result.reshape(x.tensor.shape), -bound, bound)

    return scale_offset


Branch = tuple[list[int], list[int]]
"""Scales and offsets, aligned to the exact result's fraction bits: one in all, one a channel, or one an element."""


def branches_of(instruction: ScaleOffset, step: Step, types: tuple[CodeType, ...]) -> list[Branch]:
    source, finest = types[0].binary_point, step.exact.binary_point
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
    shift = step.exact.binary_point - step.rounds_with.format.fraction_bits
    limit = (bound >> shift) + 1 if shift >= 0 else bound << -shift
    ((scales, offsets),) = constants(Carrier.FLOAT64, power_of_two(-shift, step.name))
    rounded = affine_rounded(x, width, scales, offsets, step.rounds_with.rounding, carrier_for(limit, step.name))
    return Result(rounded, -limit, limit, rounded=True)


def _integers(codes: np.ndarray, shift: int) -> list[int]:
    return [code << shift for code in codes.reshape(-1).tolist()]


def _broadcast(first: Sequence[int], second: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    length = max(len(first), len(second))
    return list(first) * (length // len(first)), list(second) * (length // len(second))


@wide_kernel.rule(ScaleOffset)
def _(instruction: ScaleOffset, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    source, finest = types[0].binary_point, step.exact.binary_point
    scale_shift = finest - source - instruction.scale_fraction_bits
    offset_shift = finest - instruction.offset_fraction_bits

    def branch(x: np.ndarray, scale: np.ndarray, offset: np.ndarray) -> np.ndarray:
        result: np.ndarray = x * (scale.astype(object) << scale_shift) + (offset.astype(object) << offset_shift)
        return result

    def scale_offset(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        y = branch(x, instruction.scale, instruction.offset)
        if instruction.below is not None:
            first_above = ceil(instruction.below.threshold * Fraction(2) ** source)
            y = np.where(x >= first_above, y, branch(x, instruction.below.scale, instruction.below.offset))
        return WideResult(y)

    return scale_offset


@prove_step.rule(ScaleOffset)
def _(instruction: ScaleOffset, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, branch_bound(branches_of(instruction, step, types), bounds[0]))
