"""Source: where raw examples come from, before any preprocessing."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bittrue.errors import DataError

Labels = NDArray[np.int64]
Raw = NDArray[np.generic]


@dataclass(frozen=True, eq=False, kw_only=True)
class Source(ABC):
    """Raw examples in a fixed order, read in chunks.

    - `where`: what an error calls it (a path, or a name);
    - `splits`: the splits that the data has, this one among them;
    - `images`: how many examples;
    - `shape`: of the first example, channels last; only images from files of their own may differ from it;
    - `labels`: one class an example, or None. They alone are held in memory, 8 bytes an example;
    - `classes`: how many classes, or None without labels;
    - `class_names`: in label order, where they are known.
    """

    where: str
    splits: tuple[str, ...]
    images: int
    shape: tuple[int, ...]
    labels: Labels | None
    classes: int | None
    class_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.images == 0 or 0 in self.shape:
            raise DataError(f"{self.where} holds no examples: give a data set with at least one.")
        if self.labels is not None and len(self.labels) != self.images:
            raise DataError(
                f"{self.where} holds {self.images:,} examples but {len(self.labels):,} labels: there must be one each."
            )
        if self.labels is not None and self.classes is not None:
            wrong = np.flatnonzero((self.labels < 0) | (self.labels >= self.classes))
            if wrong.size:
                raise DataError(
                    f"{self.where} labels image {wrong[0]} as class {self.labels[wrong[0]]}, "
                    f"outside its classes 0 to {self.classes - 1}."
                )

    @abstractmethod
    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        """Yield the examples `start` to `stop` in order as arrays (n, …) of one shape each, n ≤ `size`.

        A chunk never crosses start + k · `size`, so that whole chunks make up each batch. Raises DataError for what
        can't be read.
        """


def split_error(where: str, split: str, splits: tuple[str, ...]) -> DataError:
    """The error for a split that the data doesn't have."""
    return DataError(f"{where} has no split {split!r}: write --split {' or '.join(splits)}.")


def reason(error: Exception) -> str:
    """What a library says in `error`, on one line without control characters, to be quoted in a sentence of ours."""
    printable = "".join(character if character.isprintable() else " " for character in str(error))
    return " ".join(printable.split()) or type(error).__name__
