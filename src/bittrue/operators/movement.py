"""Operators that move values about without computing: input, flatten, reshape, pad, concatenate, identity."""

from dataclasses import dataclass
from math import prod

from bittrue.errors import ModelError
from bittrue.network import Operator, Shape, format_shape, shape_of

Padding = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Input(Operator):
    """The network's input; `shape` leaves the batch axis out."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Identity(Operator):
    """Passes its input on: dropout at inference, a linear activation."""


@dataclass(frozen=True, eq=False)
class Flatten(Operator):
    """All axes in one, row-major over (height, width, channels)."""


@dataclass(frozen=True, eq=False)
class Reshape(Operator):
    """The same values, row-major, in another shape (batch axis left out, no −1)."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class ZeroPadding(Operator):
    """Zeros around the spatial axes: (before, after) for each."""

    padding: Padding


@dataclass(frozen=True, eq=False)
class Concatenate(Operator):
    """Inputs one after the other along `axis`, counted without the batch axis, from 0."""

    axis: int
