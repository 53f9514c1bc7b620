"""Source: where raw examples come from, before any preprocessing."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bittrue.data.unchanged import Digests
from bittrue.errors import ChangedError, DataError, SplitError

Labels = NDArray[np.int64]
Raw = NDArray[np.generic]


class Rows(Protocol):
    """An array whose first axis counts examples, read in chunks."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of its values."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all of it."""

    @property
    def any_order(self) -> bool:
        """Whether a row is read wherever it is, without reading past those before it."""

    def rows(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        """Yield the rows `start` to `stop`, `size` at a time, in arrays that nobody writes to any more."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Labels that are no classes: their `values`, one row an example, and `why`, as in "labels image 3 with -1"."""

    values: Rows
    why: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Source(ABC):
    """Raw examples in a fixed order, read in chunks.

    - `where`: what an error calls it (a path, or a name);
    - `splits`: the splits that the data has, this one among them;
    - `images`: how many examples;
    - `shape`: of the first example, channels last; only images from files of their own may differ from it;
    - `labels`: one class an example, or None. They and the digests are held in memory, 8 bytes an example each;
    - `classes`: how many classes, or None without labels;
    - `targets`: what the labels are where they are no classes, or None;
    - `class_names`: in label order, where they are known;
    - `channels_first`: whether images had their channels first where they come from;
    - `remedy`: what to do, a sentence, where an example is another one when it is read again.
    """

    where: str
    splits: tuple[str, ...]
    images: int
    shape: tuple[int, ...]
    labels: Labels | None
    classes: int | None
    targets: Targets | None = None
    class_names: tuple[str, ...] | None = None
    channels_first: bool = False
    remedy: str = "Start again, and leave the data alone meanwhile."

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

    @property
    def any_order(self) -> bool:
        """Whether an example is read wherever it is, without reading past those before it."""
        return False

    def number(self, place: int) -> int:
        """What the example at a place of this source's order is called in errors."""
        return place

    def read(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        """The `chunks`, each compared with what the same examples were when they were read before.

        Raises ChangedError for an example that is another one now, and DataError for what can't be read.
        """
        for raw in self.chunks(start, stop, size):
            raw = np.ascontiguousarray(raw)
            self._compare(self._digests, start, raw, "example")
            yield raw
            start += len(raw)

    def read_targets(self, targets: Targets, start: int, stop: int, size: int) -> Iterator[Raw]:
        """The rows of the source's `targets`, compared as the examples are."""
        for rows in targets.values.rows(start, stop, size):
            rows = np.ascontiguousarray(rows)
            self._compare(self._target_digests, start, rows, "the label of example")
            yield rows
            start += len(rows)

    def _compare(self, digests: Digests, start: int, found: Raw, what: str) -> None:
        other = digests.first_other(start, found)
        if other is not None:
            raise ChangedError(
                f"{self.where} changed while it was in use: {what} {other:,} is another one than before. {self.remedy}"
            )

    @cached_property
    def _target_digests(self) -> Digests:
        return Digests(self.images)

    @cached_property
    def _digests(self) -> Digests:
        return Digests(self.images)

    @abstractmethod
    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        """Yield the examples `start` to `stop` in order as arrays (n, …) of one shape each, n ≤ `size`.

        A chunk never crosses start + k · `size`, so that whole chunks make up each batch, and nobody writes to it any
        more. Raises DataError for what can't be read.
        """


def split_error(where: str, split: str, splits: tuple[str, ...]) -> SplitError:
    """The error for a split that the data doesn't have."""
    return SplitError(f"{where} has no split {split!r}: write --split {' or '.join(splits)}.", splits)


def reason(error: Exception) -> str:
    """What a library says in `error`, on one line without control characters, to be quoted in a sentence of ours."""
    printable = "".join(character if character.isprintable() else " " for character in str(error))
    return " ".join(printable.split()) or type(error).__name__
