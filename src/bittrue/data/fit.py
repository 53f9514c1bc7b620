"""Do examples fit the shape that a network wants? A source becomes a Dataset here, or is refused with a remedy."""

from dataclasses import replace
from math import prod

from bittrue.data.dataset import Dataset
from bittrue.data.preprocess import Preprocessing
from bittrue.data.source import Source
from bittrue.errors import DataError

Shape = tuple[int | None, ...]
"""Of one example, channels last; None where any size will do."""


def prepared(source: Source, name: str, split: str, steps: Preprocessing, shape: Shape | None) -> Dataset:
    """The data set of `source` called `name`, for a network that wants `shape`. Raises DataError where it can't be."""
    found = steps.output_shape(source.shape, source.where)
    return Dataset(
        name=name,
        split=split,
        splits=source.splits,
        images=source.images,
        shape=found if shape is None else _fitted(found, shape, source.where, steps),
        classes=source.classes,
        class_names=source.class_names,
        preprocessing=steps,
        source=source,
    )


def fitted(dataset: Dataset, shape: Shape) -> Dataset:
    """`dataset` for a network that wants `shape`, itself where it has it. Raises DataError where it can't be."""
    found = dataset.preprocessing.output_shape(dataset.source.shape, dataset.source.where)
    wanted = _fitted(found, shape, dataset.source.where, dataset.preprocessing)
    return dataset if dataset.shape == wanted else replace(dataset, shape=wanted)


def _fitted(found: tuple[int, ...], wanted: Shape, where: str, steps: Preprocessing) -> tuple[int, ...]:
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
    remedy = _remedy(found, wanted, steps)
    raise DataError(f"{where} gives examples of shape {_by(found)} but the network wants {_by(wanted)}: {remedy}.")


def _remedy(found: tuple[int, ...], wanted: Shape, steps: Preprocessing) -> str:
    """What to do about examples of the shape `found`."""
    if len(found) > 1 and steps.layout == "nhwc" and _fits((*found[1:], found[0]), wanted):
        return "if their channels come first, read them with --layout nchw (in Python layout='nchw')"
    if len(found) > 1 and steps.layout == "nchw" and _fits((found[-1], *found[:-1]), wanted):
        return "if their channels come last, read them with --layout nhwc (in Python layout='nhwc')"
    if len(wanted) != 3 or len(found) not in (2, 3):
        return "give examples of that shape"
    channels = found[2] if len(found) == 3 else 1
    if wanted[2] not in (None, channels):
        return f"give images of {wanted[2]} channel{'' if wanted[2] == 1 else 's'}"
    height, width = wanted[:2]
    return f"resize them with --resize {'HxW' if None in (height, width) else f'{height}x{width}'}"


def _fits(found: tuple[int, ...], wanted: Shape) -> bool:
    return len(found) == len(wanted) and all(want in (None, have) for have, want in zip(found, wanted, strict=True))


def _by(shape: Shape) -> str:
    return "×".join("any" if size is None else str(size) for size in shape)
