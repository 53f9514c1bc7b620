"""`.npz` files: arrays `x` and, if there are labels, `y`, streamed from the zip archive row by row.

`numpy.load` would read a whole array at once, so the members are read here: NumPy's own header reader, then raw rows.
Objects (pickles) are refused by their type, before anything of them is read. Source of the format: numpy.lib.format.
"""

import lzma
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bittrue.data.source import Labels, Raw, Source, reason, split_error
from bittrue.errors import DataError

SPLITS = ("test",)  # an archive is one set of arrays
_LABEL_CHUNK = 2**20  # bytes of labels read at a time
_SKIP = 2**18  # bytes read past at a time
_DAMAGE = (  # what zipfile, its decompressors and NumPy's header reader raise on damaged files
    EOFError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Member:
    """An array in the archive: `name` without `.npy`, its `dtype` and `shape`, and the bytes before its first row."""

    path: Path
    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    offset: int

    def rows(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        """Yield the rows `start` to `stop`, `size` at a time; those before `start` are read past."""
        row_bytes = prod(self.shape[1:]) * self.dtype.itemsize
        with (
            _damage_named(self.path),
            zipfile.ZipFile(self.path) as archive,
            archive.open(f"{self.name}.npy") as stream,
        ):
            # Read past what comes before: seek() would hold 16 MB at a time, and may give up the check of the CRC.
            before = self.offset + start * row_bytes
            while skipped := stream.read(min(before, _SKIP)):
                before -= len(skipped)
            for first in range(start, stop, size):
                count = min(size, stop - first)
                content = stream.read(count * row_bytes)
                yield np.frombuffer(content, self.dtype, count * prod(self.shape[1:])).reshape(count, *self.shape[1:])


@dataclass(frozen=True, eq=False, kw_only=True)
class NpzSource(Source):
    """The array `x` of an archive; `channels_first` where it is (N, C, H, W)."""

    member: Member
    channels_first: bool

    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        for raw in self.member.rows(start, stop, size):
            yield np.moveaxis(raw, 1, -1) if self.channels_first else raw


def npz_source(path: Path, split: str, *, layout: str) -> NpzSource:
    """The examples `x` (N, …) of `path` in the `layout` nhwc or nchw, and the labels `y` where there are any.

    `y` holds classes, (N,) or (N, 1), or one-hot rows (N, classes), of any number type. Raises DataError.
    """
    if split not in SPLITS:
        raise split_error(str(path), split, SPLITS)
    with _damage_named(path), zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        if "x" not in names:
            raise DataError(
                f"{path} holds no array x but {', '.join(names) or 'nothing'}: save it as numpy.savez(path, x=…, y=…)."
            )
        x = _member(path, archive, "x")
        y = _member(path, archive, "y") if "y" in names else None
    if layout == "nchw" and len(x.shape) != 4:
        raise DataError(
            f"{path} holds x of shape {x.shape}, and only four axes (N, C, H, W) can be read with --layout nchw."
        )
    labels, classes = (None, None) if y is None else _read_labels(y)
    shape = x.shape[1:]
    return NpzSource(
        where=str(path),
        splits=SPLITS,
        images=x.shape[0],
        shape=(*shape[1:], shape[0]) if layout == "nchw" else shape,
        labels=labels,
        classes=classes,
        member=x,
        channels_first=layout == "nchw",
    )


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> Member:
    """Read and check the header of the array `name`."""
    with archive.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise DataError(f"{path} holds {name} with named fields: save plain numbers.")
        shape, fortran_order, dtype = read_header(stream)
        offset = stream.tell()
    if dtype.hasobject:
        raise DataError(
            f"{path} holds {name} as Python objects (a pickle), which are never loaded: save plain numbers."
        )
    if dtype.kind not in "buif":
        raise DataError(f"{path} holds {name} of type {dtype}: save it as integers or real floating-point numbers.")
    if not shape or min(shape) < 0:
        raise DataError(f"{path} holds {name} of shape {shape}: its first axis must count the examples.")
    if fortran_order and len(shape) > 1:
        raise DataError(
            f"{path} holds {name} in Fortran order, whose examples can't be streamed: "
            f"save numpy.ascontiguousarray({name})."
        )
    expected = prod(shape) * dtype.itemsize
    if (found := archive.getinfo(f"{name}.npy").file_size - offset) != expected:
        raise DataError(f"{path} is damaged: {name} has {found:,} bytes where its shape {shape} asks for {expected:,}.")
    return Member(path, name, dtype, shape, offset)


def _read_labels(y: Member) -> tuple[Labels, int]:
    """`y` as classes, int64 (N,), and how many there are: one-hot rows tell, else it is the highest plus one."""
    if len(y.shape) > 2 or 0 in y.shape[1:]:
        raise DataError(f"{y.path} holds y of shape {y.shape}: labels are classes (N,) or one-hot rows (N, classes).")
    is_one_hot = len(y.shape) == 2 and y.shape[1] > 1
    labels = np.empty(y.shape[0], np.int64)
    size = max(1, _LABEL_CHUNK // max(1, prod(y.shape[1:]) * y.dtype.itemsize))
    done = 0
    for rows in y.rows(0, y.shape[0], size):
        found, wrong = _from_one_hot(rows) if is_one_hot else _from_classes(rows.reshape(-1))
        if wrong.size:
            raise DataError(
                f"{y.path} labels image {done + wrong[0]} with {rows[wrong[0]].tolist()}, "
                "which is neither a class (0, 1, …) nor a one-hot row: leave y out where the network has no classes."
            )
        labels[done : done + len(rows)] = found
        done += len(rows)
    if is_one_hot:
        return labels, y.shape[1]
    return labels, int(labels.max(initial=0)) + 1


def _from_one_hot(rows: Raw) -> tuple[Labels, NDArray[np.intp]]:
    """The classes of one-hot `rows`, and the indices of rows that are not one-hot."""
    ones = rows == 1
    wrong = np.flatnonzero((ones.sum(axis=1) != 1) | ((rows != 0).sum(axis=1) != 1))
    return ones.argmax(axis=1).astype(np.int64), wrong


def _from_classes(values: Raw) -> tuple[Labels, NDArray[np.intp]]:
    """`values` as classes, and the indices of those that are no whole number from 0 to 2^31 − 1."""
    numbers = values.astype(np.float64)
    in_range = (numbers >= 0) & (numbers < 2**31)  # false for NaN
    classes = np.where(in_range, numbers, 0).astype(np.int64)
    return classes, np.flatnonzero(~in_range | (classes != numbers))


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Say which file is damaged, whatever the reader below stumbled over."""
    try:
        yield
    except _DAMAGE as error:
        raise DataError(
            f"{path} can't be read as an .npz file ({reason(error)}): it is damaged, or no .npz file."
        ) from error
