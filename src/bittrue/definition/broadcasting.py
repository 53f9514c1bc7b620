"""NumPy's broadcasting on flat lists: shapes are aligned at their last axes, and an axis of size 1 is repeated."""

from collections.abc import Sequence
from itertools import product
from typing import TypeVar

from bittrue.errors import BittrueError
from bittrue.program import Step

T = TypeVar("T")


def broadcast(items: Sequence[T], shape: Sequence[int], target: Sequence[int], step: Step) -> list[T]:
    """The items of a tensor, in row-major order, repeated to fill the shape `target`.

    Raises BittrueError, which names the step, where they don't.
    """
    aligned = (1,) * (len(target) - len(shape)) + tuple(shape)
    if len(aligned) != len(target) or any(
        size not in (1, wanted) for size, wanted in zip(aligned, target, strict=True)
    ):
        raise BittrueError(
            f"Step '{step.name}' reads the shape {tuple(shape)}, which doesn't fit {tuple(target)}; "
            "lower the network again."
        )
    found = []
    for place in product(*map(range, target)):
        flat = 0
        for index, size in zip(place, aligned, strict=True):
            flat = flat * size + (index if size > 1 else 0)
        found.append(items[flat])
    return found
