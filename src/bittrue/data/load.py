"""load_dataset: from what a user writes after `--data` to a Dataset."""

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from pathlib import Path

from bittrue.data.dataset import Dataset
from bittrue.data.digits import SCALE as DIGITS_SCALE
from bittrue.data.digits import digits_source
from bittrue.data.folders import folder_source
from bittrue.data.preprocess import Preprocessing, as_values
from bittrue.data.source import Source
from bittrue.errors import DataError

_KNOWN = "digits, cifar10:DIR, FILE.npz, or a folder of class folders"


def load_dataset(
    spec: str,
    *,
    split: str = "test",
    resize: tuple[int, int] | None = None,
    scale: Fraction | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    layout: str = "nhwc",
    shape: tuple[int | None, ...] | None = None,
) -> Dataset:
    """The data set that `spec` names, ready to stream.

    `spec`: `digits` (scikit-learn's; its scale is 1/16 unless given), `cifar10:DIR`, an `.npz` file with arrays `x` and
    perhaps `y`, or a folder of class folders (or of `test` and `train` folders of these). `split`: `test` or `train`;
    an `.npz` file is all test. `resize`, `scale`, `mean`, `std`: see Preprocessing. `layout`: of the arrays in an
    `.npz` file.

    `shape`: of one example as the network wants it, None where any size will do; examples of another shape are refused,
    but axes of one come and go (8×8 and 8×8×1), and a grey image serves as a vector.

    Raises DataError for whatever can't be read or doesn't fit.
    """
    name, source, scale = _open(spec, split, layout, scale, sizes_may_differ=resize is not None)
    preprocessing = Preprocessing(
        layout, Fraction(1) if scale is None else scale, resize, as_values(mean), as_values(std)
    )
    found = preprocessing.output_shape(source.shape, source.where)
    return Dataset(
        name=name,
        split=split,
        splits=source.splits,
        images=source.images,
        shape=found if shape is None else _fitted(found, shape, source.where),
        classes=source.classes,
        class_names=source.class_names,
        preprocessing=preprocessing,
        source=source,
    )


def _open(
    spec: str, split: str, layout: str, scale: Fraction | None, *, sizes_may_differ: bool
) -> tuple[str, Source, Fraction | None]:
    """The name, the source and the scale of what `spec` names."""
    kind, _, folder = spec.partition(":")
    path = Path(spec)
    is_npz = path.suffix == ".npz" and not path.is_dir()
    if layout != "nhwc" and not is_npz:
        raise DataError(f"{spec} has its channels last already: leave --layout out, which is for .npz files.")
    if spec == "digits":
        return spec, digits_source(split), DIGITS_SCALE if scale is None else scale
    if kind == "cifar10":
        if not folder:
            raise DataError("The data set cifar10 lives in a folder: write cifar10:DIR.")
        from bittrue.data.cifar10 import cifar10_source  # archives, pickles: not before they are needed

        return kind, cifar10_source(Path(folder).expanduser(), split), scale
    try:
        if is_npz and path.is_file():
            from bittrue.data.npz import npz_source  # zip archives: not before they are needed

            return path.name, npz_source(path, split, layout=layout), scale
        if spec and path.is_dir():
            return path.resolve().name, folder_source(path, split, sizes_may_differ=sizes_may_differ), scale
    except OSError as error:
        raise DataError(f"{spec} can't be read ({error.strerror}).") from error
    what = "a file that is no .npz file" if path.is_file() else "neither a file nor a folder here"
    raise DataError(f"The data {spec!r} is {what}: write {_KNOWN}.")


def _fitted(found: tuple[int, ...], wanted: tuple[int | None, ...], where: str) -> tuple[int, ...]:
    """`found`, or `wanted` where the same values in the same order fill it; DataError where they don't."""
    if _fits(found, wanted):
        return found
    exact = tuple(size for size in wanted if size is not None)
    both_are_images = len(found) == len(wanted) == 3  # then an axis of one has its place, and is no other's
    same_axes = not both_are_images and [size for size in found if size != 1] == [size for size in exact if size != 1]
    grey_as_vector = (
        len(exact) == 1 and len(found) in (2, 3) and (len(found) == 2 or found[2] == 1) and prod(found) == exact[0]
    )
    if len(exact) == len(wanted) and (same_axes or grey_as_vector):
        return exact
    raise DataError(
        f"{where} gives examples of shape {_by(found)} but the network wants {_by(wanted)}: {_remedy(found, wanted)}."
    )


def _remedy(found: tuple[int, ...], wanted: tuple[int | None, ...]) -> str:
    """What to do about examples of the shape `found`."""
    if len(wanted) != 3 or len(found) not in (2, 3):
        return "give examples of that shape"
    if len(found) == 3 and _fits((*found[1:], found[0]), wanted):
        return "if their channels come first, read them with --layout nchw"
    channels = found[2] if len(found) == 3 else 1
    if wanted[2] not in (None, channels):
        return f"give images of {wanted[2]} channel{'' if wanted[2] == 1 else 's'}"
    return "resize them with --resize HxW"


def _fits(found: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(found) == len(wanted) and all(want in (None, have) for have, want in zip(found, wanted, strict=True))


def _by(shape: tuple[int | None, ...]) -> str:
    return "×".join("any" if size is None else str(size) for size in shape)
