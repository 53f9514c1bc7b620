"""Examples and labels that come in parts: batches of a loader, items of a data set, rows of a table."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bittrue.data.labels import read_labels
from bittrue.data.names import choose_pair
from bittrue.data.rows import MemoryRows
from bittrue.data.source import Raw, Source
from bittrue.data.unchanged import Digests, digests_of
from bittrue.errors import ChangedError, DataError

ONE_INPUT = (
    "bittrue feeds networks of one input, so join them along an axis into one array, and let the model take it apart"
)
"""What to do about several inputs. A Dataset of named arrays, and sites for each, would be the way to support them."""


class Part(NamedTuple):
    """Some consecutive examples (n, …), channels last, and their labels (n, …); whether channels were first."""

    x: Raw
    y: Raw | None
    channels_first: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class PartSource(Source):
    """Examples as `parts_from` gives them from a number on, in parts of any size.

    The first pass, in which they are counted and labels and digests taken, is made at the beginning; every later one
    must give the same. `sizes_may_differ` where a resize follows.
    """

    parts_from: Callable[[int], Iterator[Part]]
    seen: Digests
    sizes_may_differ: bool

    @property
    def _digests(self) -> Digests:
        return self.seen

    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        done = start
        for part in self.parts_from(start):
            x = part.x[: stop - done]
            while len(x):
                count = min(len(x), size - (done - start) % size)  # up to the next multiple of `size`
                _check_shape(x, self.shape, self.where, sizes_may_differ=self.sizes_may_differ)
                yield x[:count]
                done, x = done + count, x[count:]
            if done == stop:
                return
        raise ChangedError(f"{self.where} ended after {done:,} examples, of {self.images:,} before. {self.remedy}")


def part_source(
    where: str,
    parts_from: Callable[[int], Iterator[Part]],
    *,
    remedy: str,
    sizes_may_differ: bool = False,
    splits: tuple[str, ...] = ("test",),
    class_names: tuple[str, ...] | None = None,
) -> PartSource:
    """The source of what `parts_from` gives, after a first pass over all of it.

    `remedy`: what to do, as a sentence, where a later pass gives something else. Raises DataError.
    """
    digests: list[NDArray[np.uint64]] = []
    labels: list[Raw] = []
    shape, images, first = None, 0, False
    for part in parts_from(0):
        shape = part.x.shape[1:] if shape is None else shape
        _check_shape(part.x, shape, where, sizes_may_differ=sizes_may_differ)
        if part.y is not None and len(part.y) != len(part.x):
            raise DataError(f"{where} gives {len(part.x):,} examples with {len(part.y):,} labels: give one for each.")
        if images and bool(labels) != (part.y is not None):
            raise DataError(f"{where} gives some examples with labels and some without: give all or none.")
        if part.y is not None:
            labels.append(part.y.copy())
        digests.append(digests_of(np.ascontiguousarray(part.x)))
        images += len(part.x)
        first = part.channels_first
    if shape is None:
        raise DataError(f"{where} holds no examples: give a data set with at least one.")
    found, classes, targets = None, None, None
    if labels:
        try:
            y = MemoryRows(np.concatenate(labels))
        except ValueError:
            raise DataError(f"{where} gives labels of several shapes: give all the same.") from None
        found, classes, targets = read_labels(y, images, where)
    return PartSource(
        where=where,
        splits=splits,
        images=images,
        shape=shape,
        labels=found,
        classes=classes if class_names is None else max(classes or 0, len(class_names)),
        targets=targets,
        class_names=class_names,
        channels_first=first,
        remedy=remedy,
        parts_from=parts_from,
        seen=Digests(images, np.concatenate(digests)),
        sizes_may_differ=sizes_may_differ,
    )


def as_part(item: Any, where: str, layout: str | None, *, single: bool = False) -> Part:
    """A batch, or a `single` example, from what a loader gives: x, (x, y), or named arrays.

    `layout`: None takes PyTorch's images for channels first, all else for channels last. Raises DataError.
    """
    if isinstance(item, Mapping):
        pair, _ = choose_pair(list(item), "test", where, "rename a column to x, and the labels' to y")
        item = (item[pair.x],) if pair.y is None else (item[pair.x], item[pair.y])
    parts = tuple(item) if isinstance(item, tuple | list) else (item,)
    if not 1 <= len(parts) <= 2:
        raise DataError(f"{where} gives {len(parts)} things at a time: give pairs of examples and labels.")
    x, y = as_array(parts[0], where), None if len(parts) == 1 else as_array(parts[1], where)
    if single:
        x, y = x[None], None if y is None else y[None]
    if x.ndim == 0 or (y is not None and y.ndim == 0):
        raise DataError(f"{where} gives single numbers, not batches: batch it first.")
    first = channels_first(parts[0], x, layout)
    return Part(np.moveaxis(x, 1, -1) if first else x, y, first)


def as_array(value: Any, where: str) -> Raw:
    """Numbers as a NumPy array, whoever's they are; without a copy where that can be. Raises DataError."""
    if isinstance(value, tuple | Mapping):
        raise DataError(f"{where} gives {len(value)} inputs, and {ONE_INPUT}.")
    try:
        if is_torch(value):
            value = value.detach().cpu().numpy()
        array: Raw = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        raise DataError(f"{where} gives {type(value).__name__}, which is no array of numbers: give arrays.") from None
    if array.dtype.kind not in "buif":
        raise DataError(
            f"{where} gives values of type {array.dtype}: give integers or real floating-point numbers, in arrays of "
            "one shape."
        )
    return array


def channels_first(value: Any, x: Raw, layout: str | None) -> bool:
    """Whether the batch `x`, made from `value`, has its channels first, as PyTorch's images do.

    `layout`: "nchw" says so of examples of any number of axes, (N, C, L) and (N, C, D, H, W) among them. Raises
    DataError.
    """
    if layout == "nchw" and x.ndim < 3:
        raise DataError(f"Examples of shape {x.shape[1:]} have no channels: leave the layout nchw out.")
    return layout == "nchw" or (layout is None and x.ndim == 4 and is_torch(value))


def is_torch(value: Any) -> bool:
    """Whether `value` is a tensor of PyTorch, which is not imported for it."""
    return any((kind.__module__, kind.__name__) == ("torch", "Tensor") for kind in type(value).__mro__)


def _check_shape(x: Raw, shape: tuple[int, ...], where: str, *, sizes_may_differ: bool) -> None:
    found = x.shape[1:]
    may_differ = sizes_may_differ and len(found) == len(shape) and found[2:] == shape[2:]
    if found != shape and not may_differ:
        raise DataError(f"{where} gives an example of shape {found} after one of {shape}: give all the same.")
