"""Records: what is kept of some images of one row, and how those of many are put together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
"""Per-image results by name, each of the shape (images,)."""

DTYPES = ("|b1", "<i4", "<i8", "<f8")


@dataclass(frozen=True, eq=False)
class Record:
    """The images [start, start + images) of one row.

    `arrays`: per-image results by name, each of the shape (images,) and one of the dtypes bool, int32, int64, float64.
    `counters`: integers by group and name, such as {"overflows": {"conv1.output": 3}}.
    """

    start: int
    images: int
    arrays: Arrays
    counters: Mapping[str, Mapping[str, int]]

    def __post_init__(self) -> None:
        if self.start < 0 or self.images < 1:
            raise ValueError(f"a record of {self.images} images from {self.start} on")
        for name, array in self.arrays.items():
            if array.shape != (self.images,) or stored_dtype(array) not in DTYPES:
                raise ValueError(f"'{name}' is {array.dtype}{array.shape} in a record of {self.images} images")


def stored_dtype(array: NDArray[Any]) -> str:
    """The dtype as it is stored, little-endian."""
    return array.dtype.newbyteorder("<").str


def gaps(records: Sequence[Record], images: int) -> tuple[range, ...]:
    """The images of [0, images) that no record covers, in order; `records` in the order of their images."""
    ends = [0, *(record.start + record.images for record in records)]
    starts = [*(record.start for record in records), images]
    between = (range(end, min(start, images)) for end, start in zip(ends, starts, strict=True))
    return tuple(gap for gap in between if gap)


def joined(parts: Sequence[Arrays]) -> Arrays:
    """The per-image results of several parts as those of one, in their order."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def totals(records: Iterable[Record], group: str, how: Callable[[int, int], int]) -> dict[str, int]:
    """The counters of a group over all records, in the order in which names come; `how` joins two of a name."""
    found: dict[str, int] = {}
    for record in records:
        for name, number in record.counters[group].items():
            found[name] = how(found[name], number) if name in found else number
    return found
