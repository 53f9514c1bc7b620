"""Examples and labels that are arrays of rows, in files or in memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bittrue.data.labels import read_labels
from bittrue.data.source import Raw, Rows, Source
from bittrue.errors import DataError


@dataclass(frozen=True, eq=False)
class MemoryRows:
    """The rows of an array that the caller holds, and may write to; what is read is a copy."""

    array: NDArray[np.generic]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of its values."""
        return self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all of it."""
        return self.array.shape

    @property
    def any_order(self) -> bool:
        """Whether a row is read wherever it is."""
        return True

    def rows(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        """Yield the rows `start` to `stop`, `size` at a time."""
        for first in range(start, stop, size):
            yield self.array[first : min(first + size, stop)].copy()


@dataclass(frozen=True, eq=False, kw_only=True)
class RowSource(Source):
    """The rows of `x`, which is (N, C, …) where `channels_first`."""

    x: Rows

    @property
    def any_order(self) -> bool:
        return self.x.any_order

    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        for raw in self.x.rows(start, stop, size):
            yield np.moveaxis(raw, 1, -1) if self.channels_first else raw


def row_source(
    where: str, splits: tuple[str, ...], x: Rows, y: Rows | None, *, channels_first: bool = False
) -> RowSource:
    """The examples `x` (N, …) and labels `y`, for which see `read_labels`. Raises DataError."""
    if channels_first and len(x.shape) < 3:
        raise DataError(f"{where} holds examples of shape {x.shape[1:]}, which have no channels: leave --layout out.")
    labels, classes, targets = (None, None, None) if y is None else read_labels(y, x.shape[0], where)
    shape = x.shape[1:]
    return RowSource(
        where=where,
        splits=splits,
        images=x.shape[0],
        shape=(*shape[1:], shape[0]) if channels_first else shape,
        labels=labels,
        classes=classes,
        targets=targets,
        x=x,
        channels_first=channels_first,
    )
