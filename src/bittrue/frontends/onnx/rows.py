"""An ONNX operator in one row: what it means, and all that other passes must know of it.

Each family's table in `rules/` holds such rows. Layouts, batch axes, folded constants and names are derived from them;
no other place lists operators.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import Enum, auto
from math import prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import NodeUse, Rule
from bittrue.shapes import Shape

Along = Callable[[NodeUse, int], Iterable[int]]
"""(use, rank) → the axes of its input along which an operator works."""

Moved = Callable[[NodeUse, int, Shape, Shape], int | None]
"""(use, batch axis, shape, the result's shape) → the result's batch axis; None where it can't be told."""


class Naming(Enum):
    """What an operator is to the name of its node."""

    OPERATION = auto()
    """A step in a layer, with the operator's name behind the layer's."""
    LAYER = auto()
    """It stands for a layer, by its weights, and has the layer's name."""
    NONE = auto()
    """Arithmetic with shapes, which says nothing of the layer that it stands in."""


@dataclass(frozen=True)
class Folding:
    """An operator whose results from constants ONNX's own reference computes.

    size: no fewer values than the result has, known before it is computed. keeps: it hands on the values of its first
    input, so what it makes of a stored tensor is shared like the tensor.
    """

    size: Callable[[Sequence[np.ndarray]], int]
    keeps: bool = False


def nowhere(use: NodeUse, rank: int) -> Iterable[int]:
    """Along no axis: images are computed one by one."""
    return ()


def in_place(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    """Operands are aligned at their last axes."""
    return batch - len(shape) + len(made) if len(made) >= len(shape) else None


def without(along: Along) -> Moved:
    """Where the batch axis goes in what takes the axes `along` away, or leaves them with size 1."""

    def moved(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
        if len(made) == len(shape):
            return batch
        return batch - sum(axis < batch for axis in along(use, len(shape)))

    return moved


@dataclass(frozen=True)
class OnnxOperator:
    """rule: the network nodes that it becomes; None for what is computed from constants alone.

    axes: what it does to axes. along: the axes that it works along. moved: where it takes the batch axis.
    folding: None where it isn't computed from constants.
    """

    rule: Rule | None
    _: KW_ONLY
    axes: Axes
    along: Along = nowhere
    moved: Moved = in_place
    folding: Folding | None = None
    naming: Naming = Naming.OPERATION

    @property
    def applied(self) -> Rule:
        """The rule of an operator that must have one.

        Raises ModelError for what is computed from constants alone.
        """
        if self.rule is None:
            raise ModelError(
                "it is computed from constants alone, and this one isn't, which is not supported: leave it to the host"
            )
        return self.rule


Table = dict[str, OnnxOperator]
"""Rows by the operator's name in the file."""


def broadcast_size(arrays: Sequence[np.ndarray]) -> int:
    try:
        return prod(np.broadcast_shapes(*(array.shape for array in arrays)))
    except ValueError:
        raise ModelError("its constants' shapes don't fit each other: export the model again") from None


def total_size(arrays: Sequence[np.ndarray]) -> int:
    """Of what takes values from its inputs, each once at most."""
    return sum(array.size for array in arrays)


def product_size(arrays: Sequence[np.ndarray]) -> int:
    return prod(array.size for array in arrays[:2])


def product_of(sizes: np.ndarray) -> int:
    """The number of values of a shape that is stored."""
    if sizes.dtype.kind not in "iu":
        raise ModelError("its shape holds no whole numbers: export the model again")
    return abs(prod(int(size) for size in sizes.reshape(-1)[:64]))


ELEMENTWISE = Folding(broadcast_size)
PASSED_ON = Folding(broadcast_size, keeps=True)
PARTS = Folding(total_size)
REGROUPED = Folding(total_size, keeps=True)
PRODUCTS = Folding(product_size)


def function(rule: Rule, *, folding: Folding | None = ELEMENTWISE, naming: Naming = Naming.OPERATION) -> OnnxOperator:
    """The row of a function of each number by itself."""
    return OnnxOperator(rule, axes=Axes.EACH, folding=folding, naming=naming)
