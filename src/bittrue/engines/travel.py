"""What travels to workers, and how: a network once, data by reference where they lie there too, else in chunks.

Work is small but for its networks, which are left out of its bytes and travel by themselves, each once. A data set
whose files can be found again is sent as where they are; every example that is then read must have the digest that it
has here. Whatever lies in memory, or isn't found there, goes in chunks of the raw examples.
"""

import io
import math
import os
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.metrics import metric_named
from bittrue.analysis.evaluating.metrics.metric import Metric
from bittrue.data import Dataset
from bittrue.data.folders import FolderSource
from bittrue.data.parts import PartSource
from bittrue.data.rows import MemoryRows
from bittrue.data.source import Raw, Source, Targets
from bittrue.data.unchanged import DataFile, data_file
from bittrue.errors import DataError
from bittrue.network import Network

CHUNK_BYTES = 8 << 20
"""Of raw examples, as many go together as take about so much memory."""


class _WorkPickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self.networks: dict[str, Network] = {}

    def persistent_id(self, thing: Any) -> tuple[str, str] | None:
        if isinstance(thing, Metric):
            return "metric", thing.name
        if not isinstance(thing, Network):
            return None
        self.networks[thing.hash] = thing
        return "network", thing.hash


class _WorkUnpickler(pickle.Unpickler):
    def __init__(self, content: bytes, networks: Mapping[str, Network]) -> None:
        super().__init__(io.BytesIO(content))
        self._networks = networks

    def persistent_load(self, known: tuple[str, str]) -> Network | Metric:
        kind, name = known
        return self._networks[name] if kind == "network" else metric_named(name)


def packed_work(work: object) -> tuple[bytes, dict[str, Network]]:
    """The work without its networks, and these by their hashes."""
    file = io.BytesIO()
    pickler = _WorkPickler(file)
    pickler.dump(work)
    return file.getvalue(), pickler.networks


def unpacked_work(content: bytes, networks: Mapping[str, Network]) -> Any:
    """What `packed_work` has packed."""
    return _WorkUnpickler(content, networks).load()


class _InMemoryError(Exception):
    """The examples lie nowhere that they could be read again."""


class AbsentError(Exception):
    """Here is no file where there is one for whoever sent the data."""


class _ReferencePickler(pickle.Pickler):
    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, MemoryRows | PartSource):
            raise _InMemoryError
        if isinstance(thing, DataFile):
            return _found_again, (thing.path, thing.size)
        return NotImplemented


def _found_again(path: Path, size: int) -> DataFile:
    """The file of this name here: its device and its times are others, its content may not be."""
    try:
        found = data_file(path)
    except OSError:
        raise AbsentError(str(path)) from None
    if found.size != size:
        raise DataError(f"{path} has {found.size:,} bytes, and {size:,} where the study was started")
    return found


def reference(dataset: Dataset) -> bytes | None:
    """Where the examples lie, and the digests of all; None where they lie in memory alone."""
    _ = dataset.sha256  # reads every example, so that all digests are known
    file = io.BytesIO()
    try:
        _ReferencePickler(file, protocol=5).dump(dataset)
    except (_InMemoryError, AttributeError, TypeError, pickle.PicklingError):
        return None
    return file.getvalue()


def referred(content: bytes) -> Dataset:
    """The data set that `reference` refers to, here. Raises: AbsentError where it isn't; DataError where it differs."""
    found: Dataset = pickle.loads(content)
    source = getattr(found.source, "source", found.source)  # behind another order
    if isinstance(source, FolderSource) and not source.files[0].exists():
        raise AbsentError(str(source.files[0]))
    return found


@dataclass(frozen=True)
class Chunk:
    """Consecutive raw examples (n, …), or where their shapes differ each as (1, …), and the rows of their labels where
    these are no classes."""

    examples: Raw | tuple[Raw, ...]
    targets: Raw | None


@dataclass(frozen=True, eq=False)
class Chunked:
    """A data set cut into chunks of `size` examples; `travelling`: the data set without its examples."""

    dataset: Dataset
    size: int
    travelling: Dataset

    @classmethod
    def of(cls, dataset: Dataset) -> "Chunked":
        shape = dataset.source.shape
        size = max(1, CHUNK_BYTES // (8 * math.prod(shape)))
        return cls(dataset, size, replace(dataset, source=_without_examples(dataset, size), first=0))

    def of_images(self, images: range) -> range:
        """The chunks that hold these images."""
        return range(images.start // self.size, -(-images.stop // self.size))

    def read(self, number: int) -> Chunk:
        """One chunk. Raises: DataError where it can't be read."""
        source, first = self.dataset.source, self.dataset.first
        start, stop = number * self.size, min((number + 1) * self.size, self.dataset.images)
        parts = list(source.read(first + start, first + stop, self.size))
        is_even = all(part.shape[1:] == parts[0].shape[1:] for part in parts)
        examples = np.concatenate(parts) if is_even else tuple(one[None] for part in parts for one in part)
        if source.targets is None:
            return Chunk(examples, None)
        rows = source.read_targets(source.targets, first + start, first + stop, self.size)
        return Chunk(examples, np.concatenate(list(rows)))


def _without_examples(dataset: Dataset, size: int) -> "ChunkSource":
    source, first = dataset.source, dataset.first
    numbers = None
    if type(source).number is not Source.number:
        numbers = np.array([source.number(first + place) for place in range(dataset.images)])
    targets = source.targets
    if targets is not None:
        rows = ChunkRows((dataset.images, *targets.values.shape[1:]), targets.values.dtype, size)
        targets = Targets(rows, targets.why)
    return ChunkSource(
        where=source.where,
        splits=source.splits,
        images=dataset.images,
        shape=source.shape,
        labels=None if dataset.labels is None else np.array(dataset.labels),
        classes=source.classes,
        targets=targets,
        class_names=source.class_names,
        channels_first=source.channels_first,
        remedy=source.remedy,
        size=size,
        begins=first,
        numbers=numbers,
    )


@dataclass(frozen=True, eq=False)
class ChunkRows:
    """Rows of labels of the chunks that are here."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    size: int
    here: dict[int, Chunk] = field(default_factory=dict)

    @property
    def any_order(self) -> bool:
        return True

    def rows(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        """The rows `start` to `stop`, whose chunks are here."""
        for first in range(start, stop, size):
            yield np.concatenate([self._row(image) for image in range(first, min(first + size, stop))])

    def _row(self, image: int) -> Raw:
        targets = self.here[image // self.size].targets
        if targets is None:
            raise TypeError("a chunk came without its labels")
        place = image % self.size
        return targets[place : place + 1]


@dataclass(frozen=True, eq=False, kw_only=True)
class ChunkSource(Source):
    """Examples that come in chunks; `here`: those that have come. begins: what the first one's number was. numbers:
    what errors call each, where it isn't that."""

    size: int
    begins: int
    numbers: NDArray[np.int64] | None
    here: dict[int, Chunk] = field(default_factory=dict)

    @property
    def any_order(self) -> bool:
        return True

    def number(self, place: int) -> int:
        return self.begins + place if self.numbers is None else int(self.numbers[place])

    def put(self, chunks: Mapping[int, Chunk]) -> None:
        """Have these chunks, and no others."""
        rows = [] if self.targets is None else [self.targets.values]
        for holder in (self, *rows):
            if isinstance(holder, ChunkSource | ChunkRows):
                holder.here.clear()
                holder.here.update(chunks)

    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        for first in range(start, stop, size):
            found = [self._example(image) for image in range(first, min(first + size, stop))]
            if all(example.shape == found[0].shape for example in found):
                yield np.concatenate(found)
            else:
                yield from found

    def _example(self, image: int) -> Raw:
        examples, place = self.here[image // self.size].examples, image % self.size
        return examples[place] if isinstance(examples, tuple) else examples[place : place + 1]


def in_folder(folder: str) -> None:
    """Read relative paths from the folder where the study was started, if there is one of its name here."""
    if Path(folder).is_dir():
        os.chdir(folder)
