"""A data set in a random order that a seed gives, so that its first images are a fair sample of all of them."""

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bittrue.data.dataset import Dataset
from bittrue.data.source import Raw, Rows, Source, Targets
from bittrue.errors import DataError

SEEDS = 2**32
"""Seeds are 0 or more, and below this."""


def shuffled(dataset: Dataset, seed: int) -> Dataset:
    """The examples of `dataset` in the order that `seed` gives, the same for as many examples wherever it is drawn.

    Examples that can't be read in any order without reading past others are copied to a temporary file first, in one
    pass: archives, batches of a loader, rows of a table. Files of images, arrays in files of their own and in memory
    are read where they lie.

    Raises: DataError for a seed that is none, and where the examples can't be read.
    """
    if not 0 <= seed < SEEDS:
        raise DataError(f"The seed {seed} is outside 0 to {SEEDS - 1:,}: give a number of that range.")
    # The generator whose stream NumPy has frozen for good.
    order = np.random.RandomState(seed).permutation(dataset.images) + dataset.first
    source = dataset.source
    first, last = dataset.first, dataset.first + dataset.images
    examples: Examples = Direct(source) if source.any_order else Copied.of(source.read(first, last, 1), first)
    targets = source.targets
    if targets is not None:
        values = Shuffled(targets.values, Copied.of(source.read_targets(targets, first, last, 1), first), order)
        targets = replace(targets, values=values)
    shuffled_source = ShuffledSource(
        where=source.where,
        splits=source.splits,
        images=dataset.images,
        shape=source.shape,
        labels=None if source.labels is None else source.labels[order],
        classes=source.classes,
        targets=targets,
        class_names=source.class_names,
        channels_first=source.channels_first,
        remedy=source.remedy,
        source=source,
        examples=examples,
        order=order,
    )
    return replace(dataset, source=shuffled_source, first=0)


class Examples(Protocol):
    """Examples by their numbers, in any order."""

    def example(self, number: int) -> Raw:
        """Example `number` as (1, …)."""


@dataclass(frozen=True, eq=False)
class Direct:
    """Those of a source that reads in any order."""

    source: Source

    def example(self, number: int) -> Raw:
        (found,) = self.source.read(number, number + 1, 1)
        return found


@dataclass(frozen=True, eq=False)
class Copied:
    """Examples, `first` and the next ones, in a temporary file that goes with this object; starts: of each, there."""

    file: IO[bytes]
    starts: Sequence[int]
    first: int

    @classmethod
    def of(cls, examples: Iterator[Raw], first: int) -> "Copied":
        """A copy of `examples`, each (1, …). Raises DataError where there is no room for it."""
        file = tempfile.TemporaryFile()  # noqa: SIM115  # stays open as long as this object is there
        starts: list[int] = []
        try:
            for example in examples:
                starts.append(file.tell())
                np.lib.format.write_array(file, example, allow_pickle=False)
            file.flush()
        except OSError as error:
            file.close()
            raise DataError(
                f"A copy of the examples can't be made in {tempfile.gettempdir()} ({error.strerror}): make room there, "
                "or name another folder in the environment variable TMPDIR."
            ) from None
        copied = cls(file, starts, first)
        weakref.finalize(copied, file.close)
        return copied

    def example(self, number: int) -> Raw:
        self.file.seek(self.starts[number - self.first])
        found: Raw = np.lib.format.read_array(self.file, allow_pickle=False)
        return found


@dataclass(frozen=True, eq=False)
class Shuffled:
    """The rows of `values` in another order; `order` says which of `examples` comes where."""

    values: Rows
    examples: Examples
    order: NDArray[np.int64]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of its values."""
        return self.values.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all of it."""
        return (len(self.order), *self.values.shape[1:])

    @property
    def any_order(self) -> bool:
        """Whether rows are read in any order at no cost."""
        return True

    def rows(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        """Yield the rows `start` to `stop`, `size` at a time."""
        return _together(self.examples, self.order, start, stop, size)


@dataclass(frozen=True, eq=False, kw_only=True)
class ShuffledSource(Source):
    """The examples of a source in another order; whether they change is for that source to notice."""

    source: Source
    examples: Examples
    order: NDArray[np.int64]

    @property
    def any_order(self) -> bool:
        return True

    def number(self, place: int) -> int:
        return self.source.number(int(self.order[place]))

    def read(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        return self.chunks(start, stop, size)

    def read_targets(self, targets: Targets, start: int, stop: int, size: int) -> Iterator[Raw]:
        return targets.values.rows(start, stop, size)

    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        return _together(self.examples, self.order, start, stop, size)


def _together(examples: Examples, order: NDArray[Any], start: int, stop: int, size: int) -> Iterator[Raw]:
    """Those at the places `start` to `stop` of the order, `size` at a time where all are of one shape."""
    for first in range(start, stop, size):
        found = [examples.example(int(number)) for number in order[first : min(first + size, stop)]]
        if all(example.shape == found[0].shape for example in found):
            yield np.concatenate(found)
        else:
            yield from found
