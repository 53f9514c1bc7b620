"""Arrays in files: an archive `.npz`, one `.npy`, a pair `x.npy,y.npy`, or a folder of `.npy` files."""

from pathlib import Path

from bittrue.data.arrays import SUFFIX, archived_array, archived_names, single_array
from bittrue.data.names import choose_pair
from bittrue.data.rows import RowSource, row_source
from bittrue.data.source import split_error
from bittrue.data.unchanged import data_file


def npz_source(path: Path, split: str, *, layout: str) -> RowSource:
    """The examples and labels of `split` in the archive `path`, by the names in `bittrue.data.names`.

    Examples are (N, …) in the `layout` nhwc or nchw; for labels see `read_labels`. Raises DataError, OSError.
    """
    file = data_file(path)
    remedy = "save it as numpy.savez(path, x=…, y=…)"
    pair, splits = choose_pair(archived_names(file), split, str(path), remedy)
    x = archived_array(file, pair.x)
    y = None if pair.y is None else archived_array(file, pair.y)
    return row_source(str(path), splits, x, y, channels_first=layout == "nchw")


def npy_source(paths: tuple[Path, ...], split: str, *, layout: str) -> RowSource:
    """The examples in the first of one or two `.npy` files, the labels in the second. Raises DataError, OSError."""
    where = ",".join(map(str, paths))
    if split != "test":
        raise split_error(where, split, ("test",))
    x, *y = (single_array(data_file(path)) for path in paths)
    return row_source(where, ("test",), x, y[0] if y else None, channels_first=layout == "nchw")


def npy_folder_source(folder: Path, split: str, *, layout: str) -> RowSource:
    """As `npz_source`, with files NAME.npy in `folder` for the archive's arrays. Raises DataError, OSError."""
    names = sorted(file.stem for file in folder.glob(f"*{SUFFIX}"))
    remedy = "call the files x.npy and y.npy, or name two as x.npy,y.npy"
    pair, splits = choose_pair(names, split, str(folder), remedy)
    x = single_array(data_file(folder / f"{pair.x}{SUFFIX}"))
    y = None if pair.y is None else single_array(data_file(folder / f"{pair.y}{SUFFIX}"))
    return row_source(str(folder), splits, x, y, channels_first=layout == "nchw")
