"""CIFAR-10 from its official files: binary batches, python batches, or the archive of either, in a folder.

Binary: per image 1 label byte, then 3,072 bytes red, green, blue, each row-major. Python: pickles with `data`, uint8
(N, 3072) in the same order, and `labels`. Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images,
2009.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bittrue.data.archive import download, unpack
from bittrue.data.pickles import load_plain_pickle
from bittrue.data.source import Labels, Raw, Source, split_error
from bittrue.data.unchanged import DataFile, data_file
from bittrue.errors import DataError

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_PIXELS = 3 * 32 * 32
_RECORD = 1 + _PIXELS
_LABEL_RECORDS = 256  # read at a time for their labels

Pieces = list[tuple[int, int]]  # which images of a file are read at a time: first, one past the last


@dataclass(frozen=True)
class Kind:
    """One of the two official forms: its folder, its archive, the files of each split, and how a file is read.

    `labels` gives all of a file's, `pixels` uint8 (n, 3072) for each of the pieces asked for. any_order: whether a
    piece is read without the rest of its file.
    """

    folder: str
    archive: str
    patterns: dict[str, str]
    labels: Callable[[DataFile], Labels]
    pixels: Callable[[DataFile, Pieces], Iterator[NDArray[np.uint8]]]
    any_order: bool

    def files(self, folder: Path) -> dict[str, list[Path]]:
        """Each split's files in `folder`, in order; splits without files are left out."""
        found = {split: sorted(folder.glob(pattern)) for split, pattern in self.patterns.items()}
        return {split: files for split, files in found.items() if files}


@dataclass(frozen=True, eq=False, kw_only=True)
class Cifar10Source(Source):
    """The batch files of one split, uint8 (n, 32, 32, 3), and how many images each holds; one is open at a time."""

    kind: Kind
    files: tuple[DataFile, ...]
    counts: tuple[int, ...]

    @property
    def any_order(self) -> bool:
        return self.kind.any_order

    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        offset = 0
        for file, count in zip(self.files, self.counts, strict=True):
            first, last = max(start - offset, 0), min(stop - offset, count)
            pieces: Pieces = []
            while first < last:
                # Up to the next multiple of `size`, counted over all files.
                until = min(last, first + size - (offset + first - start) % size)
                pieces.append((first, until))
                first = until
            if pieces:
                for pixels in self.kind.pixels(file, pieces):
                    yield pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            offset += count


def cifar10_source(folder: Path, split: str) -> Cifar10Source:
    """The `test` or `train` split of the CIFAR-10 in `folder`.

    Batches are looked for in `folder` and in the official subfolders, binary ones first; then an official archive in
    `folder` is unpacked beside itself; where `folder` is missing or empty the binary archive is downloaded into it and
    its sha256 checked. A split consists of those of its official batch files that are there. Raises DataError.
    """
    kind, found = _locate(folder)
    if split not in found:
        raise split_error(f"{folder}", split, tuple(found))
    try:
        files = tuple(data_file(path) for path in found[split])
    except OSError as error:
        raise DataError(f"{error.filename} can't be read ({error.strerror}).") from error
    labels = [kind.labels(file) for file in files]
    return Cifar10Source(
        where=str(found[split][0].parent),
        splits=tuple(found),
        images=sum(map(len, labels)),
        shape=(32, 32, 3),
        labels=np.concatenate(labels),
        classes=10,
        class_names=CLASS_NAMES,
        kind=kind,
        files=files,
        counts=tuple(map(len, labels)),
    )


def _locate(folder: Path) -> tuple[Kind, dict[str, list[Path]]]:
    """The kind of the batches in `folder`, and each split's files; unpacks or downloads where there are none yet."""
    for kind in KINDS:
        for place in (folder, folder / kind.folder):
            if found := kind.files(place):
                return kind, found
    for kind in KINDS:
        if (folder / kind.archive).is_file():
            unpack(folder / kind.archive, kind.folder)
            return kind, kind.files(folder / kind.folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            f"{folder} holds no CIFAR-10: name the folder of its official batches or of {BINARY.archive}, or "
            "an empty one to download into."
        )
    download(folder)
    return _locate(folder)


def _binary_labels(file: DataFile) -> Labels:
    """The labels of a binary batch, whose size is checked."""
    if file.size == 0 or file.size % _RECORD:
        raise DataError(
            f"{file.path} is damaged or cut off: its {file.size:,} bytes are no multiple of a record's {_RECORD:,}, "
            "so unpack it again."
        )
    count = file.size // _RECORD
    pieces = [(first, min(first + _LABEL_RECORDS, count)) for first in range(0, count, _LABEL_RECORDS)]
    return np.concatenate([records[:, 0] for records in _records(file, pieces)]).astype(np.int64)


def _binary_pixels(file: DataFile, pieces: Pieces) -> Iterator[NDArray[np.uint8]]:
    return (records[:, 1:] for records in _records(file, pieces))


def _records(file: DataFile, pieces: Pieces) -> Iterator[NDArray[np.uint8]]:
    """The records of a binary batch, (n, 3073) for each of `pieces`."""
    try:
        with file.opened() as stream:
            for first, until in pieces:
                stream.seek(first * _RECORD)
                content = stream.read((until - first) * _RECORD)
                file.check(stream)
                yield np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    except OSError as error:
        raise DataError(f"{file.path} can't be read ({error.strerror}).") from error


def _python_labels(file: DataFile) -> Labels:
    return _read_python(file)[0]


def _python_pixels(file: DataFile, pieces: Pieces) -> Iterator[NDArray[np.uint8]]:
    pixels = _read_python(file)[1]
    return (pixels[first:until] for first, until in pieces)


def _read_python(file: DataFile) -> tuple[Labels, NDArray[np.uint8]]:
    """A python batch, read whole (30 MB) and without running anything that the pickle names."""
    path = file.path
    content = load_plain_pickle(file)
    if not isinstance(content, dict):
        raise DataError(f"{path} is no CIFAR-10 batch: it holds no dictionary.")
    # Its keys are bytes, and text where Python 3 has written it again.
    pixels, labels = (content.get(name.encode(), content.get(name)) for name in ("data", "labels"))
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != _PIXELS:
        raise DataError(f"{path} is no CIFAR-10 batch: its 'data' is no uint8 array of shape (N, {_PIXELS}).")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 10 for label in labels):
        raise DataError(f"{path} is no CIFAR-10 batch: its 'labels' are no list of classes 0 to 9.")
    if len(labels) != len(pixels):
        raise DataError(f"{path} holds {len(pixels):,} images but {len(labels):,} labels: unpack it again.")
    return np.array(labels, np.int64), pixels


BINARY = Kind(
    folder="cifar-10-batches-bin",
    archive="cifar-10-binary.tar.gz",
    patterns={"test": "test_batch.bin", "train": "data_batch_[1-5].bin"},
    labels=_binary_labels,
    pixels=_binary_pixels,
    any_order=True,
)
PYTHON = Kind(
    folder="cifar-10-batches-py",
    archive="cifar-10-python.tar.gz",
    patterns={"test": "test_batch", "train": "data_batch_[1-5]"},
    labels=_python_labels,
    pixels=_python_pixels,
    any_order=False,
)
KINDS = (BINARY, PYTHON)
