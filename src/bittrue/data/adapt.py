"""dataset: from what a person holds in Python (arrays, loaders, data sets of other libraries) to a Dataset.

The libraries' classes are known by their names, so that none of them is imported for it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bittrue.data.dataset import Dataset
from bittrue.data.fit import Shape, fitted, prepared
from bittrue.data.load import load_dataset
from bittrue.data.names import choose_pair
from bittrue.data.parts import Part, as_array, as_part, channels_first, part_source
from bittrue.data.preprocess import Scale, Size, Values, preprocessing
from bittrue.data.rows import MemoryRows, row_source
from bittrue.data.source import Source, split_error
from bittrue.errors import DataError

_AT_A_TIME = 64  # examples that are taken together from tables and from tf.data's single ones
_SAME_AGAIN = "Make it without shuffling (shuffle=False) and without random changes, so that each pass is the same."


DataLike = Any
"""What `dataset` takes."""


def dataset(
    data: DataLike,
    y: Any = None,
    *,
    name: str | None = None,
    split: str = "test",
    resize: Size = None,
    scale: Scale = None,
    mean: Values = None,
    std: Values = None,
    layout: str | None = None,
    shape: Shape | None = None,
) -> Dataset:
    """The data set of what you hold.

    `data`: examples (N, …) as an array or tensor, with their labels `y`, if any, or as a pair (x, y), or as a mapping
    of named arrays (`x_test`, `y_test`, …); PyTorch's Dataset and DataLoader; tf.data; Hugging Face's datasets; a list
    of batches, or anything else that has a length and gives batches (x, y), such as Keras's PyDataset; what
    `load_dataset` takes; or a Dataset, as it is.

    The order is fixed: a loader is read once at the beginning, which counts its examples and takes its labels, and each
    later pass must give the same in the same order. `layout`: `nchw` or `nhwc`; None takes PyTorch's batches of images
    for the first, all others for the second. `name`: what results and errors call it. The other options are
    `load_dataset`'s.

    Raises: DataError for whatever can't be read, can't be read twice, or doesn't fit.
    """
    if isinstance(data, Dataset):
        if any(option is not None for option in (y, resize, scale, mean, std, layout)):
            raise DataError(f"{data.name} is a Dataset already: give labels and options where it is made.")
        return data if shape is None else fitted(data, shape)
    if isinstance(data, str | Path):
        if y is not None:
            raise DataError(f"The labels of {data} must be in it too: write {data},y.npy for two files.")
        return load_dataset(
            data, split=split, resize=resize, scale=scale, mean=mean, std=std, layout=layout, shape=shape
        )
    where = "the data" if name is None else name
    steps = preprocessing(layout=layout, scale=scale, resize=resize, mean=mean, std=std)
    held = Held(data if y is None else (data, y), where, split, layout, sizes_may_differ=steps.resize is not None)
    source = _adapter(held.data, where)(held)
    return prepared(source, where, split, replace(steps, layout="nchw" if source.channels_first else "nhwc"), shape)


class Held(NamedTuple):
    """What is given to an adapter: the `data`, what errors call them, and the options that matter to it."""

    data: Any
    where: str
    split: str
    layout: str | None
    sizes_may_differ: bool


Adapter = Callable[[Held], Source]


def _pair(held: Held) -> Source:
    """A tuple of examples and labels."""
    if len(held.data) > 2:
        raise DataError(f"{held.where} is a tuple of {len(held.data)}: give a pair of examples and labels.")
    return _rows(held, ("test",), *held.data)


def _array(held: Held) -> Source:
    return _rows(held, ("test",), held.data)


def _mapping(held: Held) -> Source:
    remedy = "call them x and y"
    pair, splits = choose_pair(list(held.data), held.split, held.where, remedy)
    return _rows(held, splits, held.data[pair.x], None if pair.y is None else held.data[pair.y])


def _rows(held: Held, splits: tuple[str, ...], x: Any, y: Any = None) -> Source:
    if held.split not in splits:
        raise split_error(held.where, held.split, splits)
    array = as_array(x, held.where)
    first = channels_first(x, array, held.layout)
    labels = None if y is None else MemoryRows(as_array(y, held.where))
    if array.ndim == 0 or (labels is not None and not labels.shape):
        raise DataError(f"{held.where} is a single number: give an array whose first axis counts the examples.")
    return row_source(held.where, splits, MemoryRows(array), labels, channels_first=first)


def _list(held: Held) -> Source:
    """A list of batches, where its items are pairs or mappings; else the examples themselves."""
    if held.data and isinstance(held.data[0], tuple | Mapping):
        return _indexed(held, single=False)
    return _array(held)


def _tensors(held: Held) -> Source:
    return _pair(held._replace(data=held.data.tensors))


def _indexed(held: Held, *, single: bool) -> Source:
    """Batches, or single examples, by their number."""

    def parts_from(start: int) -> Iterator[Part]:
        # The number of a batch's first example isn't known before it is read; that of a single one is.
        numbers = range(start if single else 0, len(held.data))
        parts = (as_part(held.data[number], held.where, held.layout, single=single) for number in numbers)
        return parts if single else _without(parts, start)

    return _parts(held, parts_from)


def _iterated(held: Held, *, single: bool = False) -> Source:
    """Batches, or single examples, one after the other."""
    if iter(held.data) is held.data:
        raise DataError(f"{held.where} can be read only once: give a list of its batches, list(…).")

    def parts_from(start: int) -> Iterator[Part]:
        return _without((as_part(item, held.where, held.layout, single=single) for item in held.data), start)

    return _parts(held, parts_from)


def _tensorflow(held: Held) -> Source:
    """tf.data, batched or not: labels are single numbers, or examples of known rank, where it is not."""
    data = held.data
    if int(data.cardinality()) == -1:
        raise DataError(f"{held.where} repeats without end: leave .repeat() out.")
    spec = data.element_spec
    parts = tuple(spec.values()) if isinstance(spec, Mapping) else spec if isinstance(spec, tuple) else (spec,)
    is_single = any(getattr(part, "shape", None) is not None and part.shape.rank == 0 for part in parts)
    return _iterated(held._replace(data=data.batch(_AT_A_TIME) if is_single else data))


def _hugging_face(held: Held) -> Source:
    """A table of Hugging Face's, whose rows are decoded as they are read."""
    data = held.data
    pair, _ = choose_pair(data.column_names, "test", held.where, "rename a column to x, and the labels' to y")
    feature = None if pair.y is None else data.features.get(pair.y)
    names = getattr(feature, "names", None)

    def parts_from(start: int) -> Iterator[Part]:
        for first in range(start, len(data), _AT_A_TIME):
            table = data[first : first + _AT_A_TIME]
            for number, x in enumerate(table[pair.x]):  # one by one, as sizes may differ
                item = x if pair.y is None else (x, table[pair.y][number])
                yield as_part(item, held.where, held.layout, single=True)

    return _parts(held, parts_from, None if names is None else tuple(names))


def _hugging_face_splits(held: Held) -> Source:
    if held.split not in held.data:
        raise split_error(held.where, held.split, tuple(held.data))
    return replace(_hugging_face(held._replace(data=held.data[held.split])), splits=tuple(held.data))


def _parts(
    held: Held, parts_from: Callable[[int], Iterator[Part]], class_names: tuple[str, ...] | None = None
) -> Source:
    return part_source(
        held.where,
        parts_from,
        remedy=_SAME_AGAIN,
        sizes_may_differ=held.sizes_may_differ,
        class_names=class_names,
    )


def _without(parts: Iterator[Part], start: int) -> Iterator[Part]:
    """`parts` from the example number `start` on."""
    for part in parts:
        if start < len(part.x):
            yield Part(part.x[start:], None if part.y is None else part.y[start:], part.channels_first)
        start = max(start - len(part.x), 0)


_single = partial(_indexed, single=True)
_batches = partial(_indexed, single=False)

ADAPTERS: Mapping[str, Adapter] = {
    "builtins.tuple": _pair,
    "builtins.list": _list,
    "builtins.dict": _mapping,
    "numpy.lib.npyio.NpzFile": _mapping,
    "torch.utils.data.dataset.TensorDataset": _tensors,
    "torch.utils.data.dataset.IterableDataset": partial(_iterated, single=True),
    "torch.utils.data.dataset.Dataset": _single,
    "torch.utils.data.dataloader.DataLoader": _iterated,
    "tensorflow.python.data.ops.dataset_ops.DatasetV2": _tensorflow,
    "datasets.arrow_dataset.Dataset": _hugging_face,
    "datasets.dataset_dict.DatasetDict": _hugging_face_splits,
    "datasets.iterable_dataset.IterableDataset": partial(_iterated, single=True),
}
"""By the full name of a class: how it and its subclasses are read."""


def _adapter(data: Any, where: str) -> Adapter:
    """How `data` is read: by its class, or by what it can do."""
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(data).__mro__)
    known = next((ADAPTERS[name] for name in names if name in ADAPTERS), None)
    if known is not None:
        return known
    if hasattr(data, "__array__"):
        return _array
    if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        return _batches
    if hasattr(data, "__len__") and hasattr(data, "__iter__"):
        return _iterated
    raise DataError(
        f"{where} is a {type(data).__name__}, which is no array and gives no batches by number or in a fixed order: "
        "give a list of batches (x, y), or arrays."
    )
