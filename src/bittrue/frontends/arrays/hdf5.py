"""What a trained array in an HDF5 file may be: a plain one, stored in that file, as large as it says.

HDF5 can point into other files, compose arrays of others, and declare more than it stores. Nothing of that is followed.
"""

import contextlib
from collections.abc import Iterator
from itertools import count
from math import prod

import h5py
import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.arrays.stored import StoredArray

NUMBERS = (h5py.h5t.TypeFloatID, h5py.h5t.TypeIntegerID, h5py.h5t.TypeOpaqueID)
"""The types of arrays; integers are refused later, and bfloat16 is opaque."""


def group_at(group: h5py.Group, path: str) -> h5py.Group | None:
    """The group at `path` below `group`; None where there is none, or a link leads there instead."""
    for part in path.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):  # never a link to another file
            return None
        group = group[part]
        if not isinstance(group, h5py.Group):
            return None
    return group


def plain_array(file: str, group: h5py.Group, path: str, layer: str) -> StoredArray:
    """The array at `path` below `group`; `file` and `layer` name it in errors.

    Raises: ModelError where it is missing, lies in other files, or declares more bytes than the file stores for it.
    """
    parent, _, name = path.rpartition("/")
    holder = group_at(group, parent) if parent else group
    is_here = holder is not None and isinstance(holder.get(name, getlink=True), h5py.HardLink)
    dataset = holder[name] if holder is not None and is_here else None
    if (
        not isinstance(dataset, h5py.Dataset)
        or dataset.shape is None
        or dataset.is_virtual
        or dataset.external
        or not isinstance(dataset.id.get_type(), NUMBERS)
    ):
        raise ModelError(f"{file} holds no plain array {path} for layer {layer}: save the model again")
    if dataset.id.get_storage_size() < dataset.nbytes:
        raise ModelError(
            f"{file} declares {dataset.nbytes:,} bytes in array {path} of layer {layer} and stores "
            f"{dataset.id.get_storage_size():,}: save the model again with Keras, which doesn't compress them"
        )

    def read() -> np.ndarray:
        with damage_as_model_error(file):
            value = np.asarray(dataset[()])
            if (
                text_attribute(dataset, "dtype") == "bfloat16"
            ):  # stored as two opaque bytes: the upper half of a float32
                return (value.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
            return value

    return StoredArray(dataset.shape, read)


def text_attribute(holder: h5py.Group | h5py.Dataset, name: str) -> str | None:
    """The text in an attribute, None where there is no such attribute."""
    if name not in holder.attrs:
        return None
    texts = _texts(holder, name)
    if len(texts) != 1:
        raise ModelError(f"its attribute {name} is {len(texts)} texts, expected one")
    return texts[0]


def text_list_attribute(group: h5py.Group, name: str) -> list[str] | None:
    """The texts in an attribute, None where there is none; Keras splits a long list over `name0`, `name1`, …"""
    if name in group.attrs:
        return _texts(group, name)
    if f"{name}0" not in group.attrs:
        return None
    texts: list[str] = []
    for part in count():
        if f"{name}{part}" not in group.attrs:
            break
        texts.extend(_texts(group, f"{name}{part}"))
    return texts


def _texts(holder: h5py.Group | h5py.Dataset, name: str) -> list[str]:
    attribute = holder.attrs.get_id(name)
    count_of_texts = 0 if attribute.shape is None else prod(attribute.shape)
    if count_of_texts == 0:  # Keras writes an empty list as numbers
        return []
    # HDF5 reads other types of damaged files without looking, beyond the memory that it may.
    if not isinstance(attribute.get_type(), h5py.h5t.TypeStringID):
        raise ModelError(f"its attribute {name} is no text")
    declared = count_of_texts * attribute.dtype.itemsize
    if declared > holder.file.id.get_filesize():
        raise ModelError(f"its attribute {name} declares {declared:,} bytes, more than the file has")
    value = holder.attrs[name]
    items = value.ravel().tolist() if isinstance(value, np.ndarray) else [value]
    return [item.decode() if isinstance(item, bytes) else str(item) for item in items]


@contextlib.contextmanager
def damage_as_model_error(what: str) -> Iterator[None]:
    """zipfile, json and HDF5 meet damage with a dozen exceptions of no common base; to the user it is one thing."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(f"{what} is damaged or no part of a Keras file ({reason}): save the model again") from error
