"""Arrays in files: an archive `.npz`, one `.npy`, a pair `x.npy,y.npy`, or a folder of `.npy` files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bittrue.data.arrays import SUFFIX, StoredArray, archived_array, archived_names, single_array
from bittrue.data.labels import read_labels
from bittrue.data.names import choose_pair
from bittrue.data.source import Raw, Source, split_error
from bittrue.data.unchanged import data_file
from bittrue.errors import DataError


@dataclass(frozen=True, eq=False, kw_only=True)
class ArraySource(Source):
    """The rows of a stored array; `channels_first` where it is (N, C, H, W)."""

    x: StoredArray
    channels_first: bool

    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        for raw in self.x.rows(start, stop, size):
            yield np.moveaxis(raw, 1, -1) if self.channels_first else raw


def npz_source(path: Path, split: str, *, layout: str) -> ArraySource:
    """The examples and labels of `split` in the archive `path`, by the names in `bittrue.data.names`.

    Examples are (N, …) in the `layout` nhwc or nchw; for labels see `read_labels`. Raises DataError, OSError.
    """
    file = data_file(path)
    remedy = "save it as numpy.savez(path, x=…, y=…)"
    pair, splits = choose_pair(archived_names(file), split, str(path), remedy)
    x = archived_array(file, pair.x)
    y = None if pair.y is None else archived_array(file, pair.y)
    return _source(str(path), splits, x, y, layout)


def npy_source(paths: tuple[Path, ...], split: str, *, layout: str) -> ArraySource:
    """The examples in the first of one or two `.npy` files, the labels in the second. Raises DataError, OSError."""
    where = ",".join(map(str, paths))
    if split != "test":
        raise split_error(where, split, ("test",))
    x, *y = (single_array(data_file(path)) for path in paths)
    return _source(where, ("test",), x, y[0] if y else None, layout)


def npy_folder_source(folder: Path, split: str, *, layout: str) -> ArraySource:
    """As `npz_source`, with files NAME.npy in `folder` for the archive's arrays. Raises DataError, OSError."""
    names = sorted(file.stem for file in folder.glob(f"*{SUFFIX}"))
    remedy = "call the files x.npy and y.npy, or name two as x.npy,y.npy"
    pair, splits = choose_pair(names, split, str(folder), remedy)
    x = single_array(data_file(folder / f"{pair.x}{SUFFIX}"))
    y = None if pair.y is None else single_array(data_file(folder / f"{pair.y}{SUFFIX}"))
    return _source(str(folder), splits, x, y, layout)


def _source(where: str, splits: tuple[str, ...], x: StoredArray, y: StoredArray | None, layout: str) -> ArraySource:
    if layout == "nchw" and len(x.shape) != 4:
        raise DataError(
            f"{where} holds {x.name} of shape {x.shape}, and only four axes (N, C, H, W) can be read with "
            "--layout nchw."
        )
    labels, classes, targets = (None, None, None) if y is None else read_labels(y, x.shape[0], where)
    shape = x.shape[1:]
    return ArraySource(
        where=where,
        splits=splits,
        images=x.shape[0],
        shape=(*shape[1:], shape[0]) if layout == "nchw" else shape,
        labels=labels,
        classes=classes,
        targets=targets,
        x=x,
        channels_first=layout == "nchw",
    )
