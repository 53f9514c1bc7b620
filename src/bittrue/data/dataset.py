"""Dataset: preprocessed examples as a stream of batches, with a hash of the content."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bittrue.data.preprocess import Preprocessing
from bittrue.data.source import Labels, Raw, Source
from bittrue.environment import exact_floats
from bittrue.errors import DataError

_HASH_CHUNK = 2**20  # bytes of raw examples read at a time for the hash


@dataclass(frozen=True, eq=False)
class Batch:
    """Consecutive examples: `x` float32 (N, …), channels last, `y` int64 (N,) or None, `start` the first one's index.

    `targets`: labels that are no classes (masks, several numbers), as the data hold them, (N, …), or None. The arrays
    are contiguous, writable and nobody else's.
    """

    x: NDArray[np.float32]
    y: Labels | None
    start: int
    targets: Raw | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples after preprocessing, streamed in a fixed order.

    Memory does not grow with their number, but for labels and digests, 8 bytes each. Whatever is read again is compared
    with what it was before, so that all passes see the same examples, those of the hash.

    - `name`, `split`, and `splits`, those that the data has;
    - `images`: how many examples; `shape`: of one, channels last;
    - `classes`: how many classes, or None without labels (integer labels without names: the highest plus one);
    - `class_names`: in label order, where they are known;
    - `preprocessing`, and behind it the raw `source`, whose example `first` is this data set's number 0.
    """

    name: str
    split: str
    splits: tuple[str, ...]
    images: int
    shape: tuple[int, ...]
    classes: int | None
    class_names: tuple[str, ...] | None
    preprocessing: Preprocessing
    source: Source = field(repr=False)
    first: int = field(default=0, repr=False)

    @property
    def labels_are(self) -> Literal["classes", "targets", "none"]:
        """What the labels are: classes, which `labels` and `Batch.y` hold; other `targets`, which `Batch` holds."""
        if self.source.targets is not None:
            return "targets"
        return "none" if self.source.labels is None else "classes"

    @property
    def target_shape(self) -> tuple[int, ...] | None:
        """The shape of one example's target where `labels_are` targets, else None."""
        return None if self.source.targets is None else self.source.targets.values.shape[1:]

    @cached_property
    def labels(self) -> Labels | None:
        """Every example's class, int64 (images,), or None where `labels_are` no classes; read-only."""
        if self.source.labels is None:
            return None
        labels = self.source.labels[self.first : self.first + self.images]
        labels.flags.writeable = False
        return labels

    @cached_property
    def sha256(self) -> str:
        """`sha256:…` over raw examples, labels, shapes and preprocessing; computed once, in one streamed pass.

        The same content gives the same hash whatever the file's kind; `take` and `skip` hash their own examples.
        """
        examples = hashlib.sha256()
        shape, kind = self.source.shape, ""
        size = max(1, _HASH_CHUNK // (8 * math.prod(shape)))
        for raw in self.source.read(self.first, self.first + self.images, size):
            little_endian = np.ascontiguousarray(raw, dtype=raw.dtype.newbyteorder("<"))
            kind = little_endian.dtype.str
            if raw.shape[1:] != shape:  # only images from files of their own, which come one at a time
                examples.update(repr(raw.shape[1:]).encode())
            examples.update(little_endian.data)
        labels = self._hash_of_labels()
        facts = (
            "bittrue data 1",
            f"{self.images} examples of {shape} {kind} as {self.shape}",
            f"preprocessing: {self.preprocessing.describe()}",
            f"examples: {examples.hexdigest()}",
            f"labels: {labels.hexdigest()}",
        )
        return "sha256:" + hashlib.sha256("\n".join(facts).encode()).hexdigest()

    def batches(self, batch_size: int, *, start: int = 0, images: int | None = None) -> Iterator[Batch]:
        """Yield `images` examples (default: all) from `start` on, `batch_size` at a time, the last batch maybe smaller.

        An example's values don't depend on the batch size. Raises DataError for a size below 1, for more examples than
        there are, for a file that can't be read, and for a value that is NaN or infinite; ChangedError where the data
        are no longer what they were.
        """
        if batch_size < 1:
            raise DataError(f"The batch size {batch_size} is below 1: write at least 1.")
        stop = self.images if images is None else start + images
        self._check_range(start, stop)
        return self._stream(batch_size, start, stop)

    def take(self, images: int) -> "Dataset":
        """The first `images` examples."""
        self._check_range(0, images)
        return replace(self, images=images)

    def skip(self, images: int) -> "Dataset":
        """All but the first `images` examples."""
        self._check_range(images, self.images)
        return replace(self, images=self.images - images, first=self.first + images)

    def check_classes(self, outputs: int) -> None:
        """Raise DataError unless every example has a label that a network with `outputs` classes can give."""
        if self.source.targets is not None:
            raise DataError(
                f"{self.source.where} {self.source.targets.why}, and accuracy needs a class (0, 1, …) or a one-hot row "
                "for each: use other labels, or for these --metric mse, mean-iou (masks), f1 or auc (several labels)."
            )
        if self.labels is None:
            raise DataError(f"{self.source.where} has no labels: accuracy and loss need them, in an array y.")
        wrong = np.flatnonzero(self.labels >= outputs)
        if wrong.size:
            raise DataError(
                f"{self.source.where} labels image {self.first + wrong[0]} as class {self.labels[wrong[0]]}, "
                f"but the network has {outputs} outputs (classes 0 to {outputs - 1})."
            )

    def _hash_of_labels(self) -> "hashlib._Hash":
        targets = self.source.targets
        if targets is None:
            return hashlib.sha256(b"none" if self.labels is None else self.labels.astype("<i8").tobytes())
        values = targets.values
        found = hashlib.sha256(f"{values.dtype.newbyteorder('<').str} {values.shape[1:]}".encode())
        size = max(1, _HASH_CHUNK // (8 * math.prod(values.shape[1:])))
        for rows in self.source.read_targets(targets, self.first, self.first + self.images, size):
            found.update(np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<")).data)
        return found

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start < stop <= self.images:
            raise DataError(
                f"The examples {start:,} to {stop:,} were asked for, but the {self.split} split of {self.name} "
                f"has {self.images:,} here: ask for at least one and no more than there are."
            )

    def _stream(self, batch_size: int, start: int, stop: int) -> Iterator[Batch]:
        parts: list[NDArray[np.float32]] = []
        done = start
        whose = (self.first + start, self.first + stop, batch_size)
        targets = None if self.source.targets is None else self.source.read_targets(self.source.targets, *whose)
        for raw in self.source.read(*whose):
            parts.append(self._preprocess(raw, done + sum(map(len, parts))))
            count = sum(map(len, parts))
            if count == batch_size or done + count == stop:
                y = None if self.labels is None else self.labels[done : done + count].copy()
                x = parts[0] if len(parts) == 1 else np.concatenate(parts)
                yield Batch(x, y, done, None if targets is None else np.array(next(targets)))
                done += count
                parts = []

    @exact_floats()
    def _preprocess(self, raw: Raw, index: int) -> NDArray[np.float32]:
        """Preprocess the examples from `index` on; NaN and infinities stop here, at the door."""
        if raw.dtype.kind == "f":  # looked at before the resize too, which may skip pixels
            self._check_finite(raw, index, "holds")
        x = self.preprocessing.apply(raw)
        self._check_finite(x, index, "becomes, as float32 after its preprocessing,")
        return x.reshape(len(raw), *self.shape)

    def _check_finite(self, values: Raw, index: int, verb: str) -> None:
        finite = np.isfinite(values)
        if not finite.all():
            example, *place = (int(i) for i in np.argwhere(~finite)[0])
            image = self.source.number(self.first + index + example)
            raise DataError(
                f"Image {image} of {self.source.where} {verb} {values[(example, *place)]} "
                f"at {tuple(place)}: take it out, or put the data or its scale right."
            )
