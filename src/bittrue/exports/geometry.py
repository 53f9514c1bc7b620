"""Windows and moves as other libraries say them: how many positions lie inside, and which axes change places."""

from itertools import permutations
from math import prod

import numpy as np

from bittrue.operators.movement import row_major
from bittrue.program import Move, WindowSum
from bittrue.shapes import Shape


def positions_inside(shape: Shape, instruction: WindowSum) -> np.ndarray:
    """How many positions of each window lie inside an input of `shape`, its channels last; windows aren't dilated."""
    total = np.ones((), np.int64)
    geometry = zip(shape, instruction.window, instruction.strides, instruction.padding, strict=False)
    for size, window, stride, (before, after) in geometry:
        starts = np.arange(0, size + before + after - window + 1, stride) - before
        inside = np.minimum(starts + window, size) - np.maximum(starts, 0)
        total = np.multiply.outer(total, inside)
    return total


def permutation_of(instruction: Move, shape: Shape) -> tuple[int, ...] | None:
    """The order of axes that a move puts a value of `shape` in; None where it does something else."""
    own = row_major(shape)
    for order in permutations(range(len(shape))):
        wanted = [(shape[axis], own[axis]) for axis in order if shape[axis] > 1]
        there = [pair for pair in zip(instruction.sizes, instruction.strides, strict=True) if pair[0] > 1]
        if wanted == there and not instruction.offset:
            return order
    return None


def repetitions_of(instruction: Move, shape: Shape) -> tuple[int, ...] | None:
    """How often a move repeats each position of a value of `shape` in place, a factor an axis; None where it does
    something else."""
    places = list(zip(instruction.sizes, instruction.strides, strict=True))
    if instruction.offset:
        return None
    factors = []
    for whole, own in zip(shape, row_major(shape), strict=True):
        if not places or places.pop(0) != (whole, own):
            return None
        factors.append(places.pop(0)[0] if places and places[0][1] == 0 else 1)
    return None if places else tuple(factors)


def slices_of(instruction: Move, shape: Shape) -> tuple[tuple[int, int, int], ...] | None:
    """The slice (start, step, size) of each axis that a move takes from a value of `shape`; None where it does
    something else."""
    if len(instruction.sizes) != len(shape) or not 0 <= instruction.offset < prod(shape):
        return None
    starts = [int(start) for start in np.unravel_index(instruction.offset, shape)]
    found = []
    for start, whole, size, stride, own in zip(
        starts, shape, instruction.sizes, instruction.strides, row_major(shape), strict=True
    ):
        step = stride // own if size > 1 else 1
        if step == 0 or (size > 1 and stride % own) or not 0 <= start + step * (size - 1) < whole:
            return None
        found.append((start, step, size))
    return tuple(found)
