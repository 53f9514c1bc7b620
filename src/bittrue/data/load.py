"""load_dataset: from what a user writes after `--data` to a Dataset."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bittrue.data.dataset import Dataset
from bittrue.data.digits import SCALE as DIGITS_SCALE
from bittrue.data.digits import digits_source
from bittrue.data.fit import Shape, prepared
from bittrue.data.preprocess import Preprocessing, Scale, Size, Values, preprocessing
from bittrue.data.source import Source
from bittrue.errors import DataError
from bittrue.files import check_ordinary

_KNOWN = "digits, cifar10:DIR, FILE.npz, x.npy,y.npy, FILE.parquet, or a folder of class folders"


def load_dataset(
    spec: str | Path,
    *,
    split: str = "test",
    resize: Size = None,
    scale: Scale = None,
    mean: Values = None,
    std: Values = None,
    layout: str | None = None,
    shape: Shape | None = None,
) -> Dataset:
    """The data set that `spec` names, ready to stream.

    `spec`: `digits` (its scale is 1/16 unless given), `cifar10:DIR`, an `.npz` file, a `.npy` file or two as
    `x.npy,y.npy`, a `.parquet` file, a folder of `.npy` or `.parquet` files, or one of class folders (or of
    `test` and `train` folders of these). `split`: `test`, `train`, or another that the data have; data without splits
    are all `test`. `resize`, `scale`, `mean`, `std`: see Preprocessing; numbers, or text as on the command line.
    `layout`: `nhwc` (None, too) or `nchw`, of the arrays in NumPy's files.

    `shape`: of one example as the network wants it, None where any size will do; examples of another shape are refused,
    but axes of one come and go (8×8 and 8×8×1), and a grey image serves as a vector.

    Raises DataError for whatever can't be read or doesn't fit.
    """
    asked = Asked(str(spec), split, preprocessing(layout=layout, scale=scale, resize=resize, mean=mean, std=std))
    if str(spec) == "digits" and scale is None:
        asked = asked._replace(steps=replace(asked.steps, scale=DIGITS_SCALE))
    door = next((door for door in DOORS if door.matches(asked.spec)), None)
    if door is None:
        check_ordinary(asked.spec, DataError)
        what = "a file of a kind that isn't read" if Path(asked.spec).is_file() else "neither a file nor a folder here"
        raise DataError(f"The data {asked.spec!r} is {what}: write {_KNOWN}.")
    if asked.steps.layout != "nhwc" and not door.takes_layout:
        raise DataError(
            f"{asked.spec} has its channels last already: leave --layout out, which is for arrays in files."
        )
    try:
        name, source = door.open(asked)
    except OSError as error:
        raise DataError(f"{error.filename or asked.spec} can't be read ({error.strerror}).") from error
    return prepared(source, name, split, asked.steps, shape)


class Asked(NamedTuple):
    """What is wanted of a door: the user's `spec` and `split`, and the preprocessing that follows."""

    spec: str
    split: str
    steps: Preprocessing


class Door(NamedTuple):
    """A kind of data: whether a spec names it, and its name and source; `takes_layout`: arrays in either order."""

    matches: Callable[[str], bool]
    open: Callable[[Asked], tuple[str, Source]]
    takes_layout: bool = False


def _open_digits(asked: Asked) -> tuple[str, Source]:
    return "digits", digits_source(asked.split)


def _open_cifar10(asked: Asked) -> tuple[str, Source]:
    from bittrue.data.cifar10 import cifar10_source  # archives, pickles: not before they are needed

    kind, _, folder = asked.spec.partition(":")
    if not folder:
        raise DataError("The data set cifar10 lives in a folder: write cifar10:DIR.")
    return kind, cifar10_source(Path(folder).expanduser(), asked.split)


def _open_npz(asked: Asked) -> tuple[str, Source]:
    from bittrue.data.npz import npz_source  # zip archives: not before they are needed

    path = Path(asked.spec)
    return path.name, npz_source(path, asked.split, layout=asked.steps.layout)


def _open_npy(asked: Asked) -> tuple[str, Source]:
    from bittrue.data.npz import npy_source

    paths = _npy_files(asked.spec)
    return paths[0].name, npy_source(paths, asked.split, layout=asked.steps.layout)


def _open_npy_folder(asked: Asked) -> tuple[str, Source]:
    from bittrue.data.npz import npy_folder_source

    path = Path(asked.spec)
    return path.resolve().name, npy_folder_source(path, asked.split, layout=asked.steps.layout)


def _open_folder(asked: Asked) -> tuple[str, Source]:
    from bittrue.data.folders import folder_source

    path = Path(asked.spec)
    return path.resolve().name, folder_source(path, asked.split, sizes_may_differ=asked.steps.resize is not None)


def _open_parquet(asked: Asked) -> tuple[str, Source]:
    from bittrue.data.parquet import parquet_source

    path, resized = Path(asked.spec), asked.steps.resize is not None
    name = path.name if path.is_file() else path.resolve().name
    return name, parquet_source(path, asked.split, layout=asked.steps.layout, sizes_may_differ=resized)


def _npy_files(spec: str) -> tuple[Path, ...]:
    """The one or two `.npy` files that `spec` names; none where it names anything else."""
    names = [spec] if Path(spec).exists() else spec.split(",")
    paths = tuple(map(Path, names))
    fits = len(paths) <= 2 and all(path.suffix == ".npy" and path.is_file() for path in paths)
    return paths if fits else ()


def _is_file(suffix: str) -> Callable[[str], bool]:
    return lambda spec: Path(spec).suffix == suffix and Path(spec).is_file()


def _is_folder(spec: str) -> bool:
    return bool(spec) and Path(spec).is_dir()


def _holds(suffix: str) -> Callable[[str], bool]:
    return lambda spec: _is_folder(spec) and any(Path(spec).glob(f"*{suffix}"))


DOORS = (
    Door(lambda spec: spec == "digits", _open_digits),
    Door(lambda spec: spec.partition(":")[0] == "cifar10", _open_cifar10),
    Door(_is_file(".npz"), _open_npz, takes_layout=True),
    Door(lambda spec: bool(_npy_files(spec)), _open_npy, takes_layout=True),
    Door(_holds(".npy"), _open_npy_folder, takes_layout=True),
    Door(_is_file(".parquet"), _open_parquet, takes_layout=True),
    Door(_holds(".parquet"), _open_parquet, takes_layout=True),
    Door(_is_folder, _open_folder),
)
"""The kinds of data; the first that matches a spec opens it."""
