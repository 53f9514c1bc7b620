"""What an HDF5 file holds: groups, texts, and trained arrays that are plain, stored in that file, as large as they say.

HDF5 can point into other files, compose arrays of others, and declare more than it stores. Nothing of that is followed.
The library itself loops for ever over some damaged files, out of Python's reach; it reads them in a process of its own,
`hdf5_contents.py`, and says where the arrays lie (docs/decisions/0015-untrusted-hdf5.md).
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.apart import NotStartedError, StoppedError, TooLongError, answer_of
from bittrue.frontends.arrays.stored import StoredArray

SECONDS = 60
"""The process may take, waiting included; of the processor it has its own, shorter limit where the system has those."""

PROGRAM = Path(__file__).with_name("hdf5_contents.py")


@dataclass(frozen=True)
class Hdf5File:
    """An open file and what the process found in it.

    objects: groups and arrays by address. numbers: of the arrays that don't lie in the file as they are in memory.
    """

    file: BinaryIO
    size: int
    objects: Mapping[str, Any]
    numbers: bytes


@dataclass(frozen=True)
class Group:
    """A group of an HDF5 file; or an array, as far as its attributes go."""

    contents: Hdf5File
    address: str

    @property
    def found(self) -> Mapping[str, Any]:
        """What the process says of it. Raises: ModelError where it could not be read."""
        found = self.contents.objects[self.address]
        if isinstance(found, str):
            raise ModelError(f"HDF5 can't read a part of it ({found}): save the model again")
        return found  # type: ignore[no-any-return]

    @property
    def members(self) -> Mapping[str, str | None]:
        """Addresses by name, None for a link that leads elsewhere; empty for what is no group."""
        return self.found.get("members") or {}

    @property
    def texts(self) -> Mapping[str, list[str] | str]:
        """The attributes that are texts; of another, the reason."""
        return self.found.get("texts") or {}

    def member(self, name: str) -> "Group | None":
        """What has that name in it; None where nothing has, or a link of that name leads elsewhere."""
        address = self.members.get(name)
        return None if address is None else Group(self.contents, address)


@contextlib.contextmanager
def open_hdf5(path: Path, called: str = "it") -> Iterator[Group]:
    """The root of the HDF5 file at `path`, whose arrays can be read until the exit; `called` so in errors.

    Raises: ModelError, OSError.
    """
    with path.open("rb") as file:
        yield root_of(file, called)


def root_of(file: BinaryIO, called: str = "it") -> Group:
    """The root of the HDF5 file that is open as `file`, a file of the system, from its beginning.

    Raises: ModelError where it is damaged, or HDF5 takes too much over it.
    """
    file.seek(0)
    head, _, numbers = described(file).partition(b"\n")
    found = json.loads(head)
    if isinstance(found, str):
        raise ModelError(f"{called} is damaged or no HDF5 file ({found}): save the model again")
    return Group(Hdf5File(file, os.fstat(file.fileno()).st_size, found["objects"], numbers), found["root"])


def described(file: BinaryIO) -> bytes:
    """What the process says about the file. Raises: ModelError where it doesn't end, or not as it should."""
    try:
        return answer_of(PROGRAM, file, SECONDS)
    except TooLongError:
        raise ModelError(
            f"HDF5 didn't read it in {SECONDS} s, so this machine is busy, or it is damaged: save the model again"
        ) from None
    except NotStartedError as error:
        raise ModelError(f"h5py could not be started to read it ({error}): install bittrue again") from None
    except StoppedError:
        raise ModelError(
            "HDF5 broke off, or was stopped, while it was read, so it is damaged: save the model again"
        ) from None


def group_at(group: Group, path: str) -> Group | None:
    """The group at `path` below `group`; None where there is none, or a link leads there instead."""
    for part in path.split("/"):
        member = group.member(part)
        if member is None or "members" not in member.found:
            return None
        group = member
    return group


def plain_array(file: str, group: Group, path: str, layer: str) -> StoredArray:
    """The array at `path` below `group`; `file` and `layer` name it in errors.

    Raises: ModelError where it is missing, lies in other files, or declares more bytes than the file stores for it.
    """
    parent, _, name = path.rpartition("/")
    holder = group_at(group, parent) if parent else group
    array = None if holder is None else holder.member(name)
    if array is None or not array.found.get("plain"):
        raise ModelError(f"{file} holds no plain array {path} for layer {layer}: save the model again")
    contents, found = group.contents, array.found
    shape, kind, stored = tuple(found["shape"]), np.dtype(found["dtype"]), found["stored"]
    declared = prod(shape) * kind.itemsize
    if stored < declared:
        raise ModelError(
            f"{file} declares {declared:,} bytes in array {path} of layer {layer} and stores "
            f"{stored:,}: save the model again with Keras, which doesn't compress them"
        )
    place = found["place"]
    if isinstance(place, int) and place + declared > contents.size:
        raise ModelError(f"{file} ends within array {path} of layer {layer}: copy it again, or save the model again")

    def read() -> np.ndarray:
        with damage_as_model_error(file):
            value: np.ndarray = np.empty(declared, np.uint8)
            if isinstance(place, int):
                contents.file.seek(place)
                contents.file.readinto(value.data)  # type: ignore[attr-defined]
            else:
                value[:] = np.frombuffer(contents.numbers[place[0] : place[1]], np.uint8)
            if text_attribute(array, "dtype") == "bfloat16":  # stored as two bytes: the upper half of a float32
                value = (value.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
            else:
                value = value.view(kind)
            return value.reshape(shape)

    return StoredArray(shape, read)


def text_attribute(holder: Group, name: str) -> str | None:
    """The text in an attribute, None where there is no such attribute."""
    if name not in holder.texts:
        return None
    texts = _texts(holder, name)
    if len(texts) != 1:
        raise ModelError(f"its attribute {name} is {len(texts)} texts, expected one")
    return texts[0]


def has_text_list(group: Group, name: str) -> bool:
    """Whether `text_list_attribute` has something to read."""
    return name in group.texts or f"{name}0" in group.texts


def text_list_attribute(group: Group, name: str) -> list[str] | None:
    """The texts in an attribute, None where there is none; Keras splits a long list over `name0`, `name1`, …"""
    if name in group.texts:
        return _texts(group, name)
    if not has_text_list(group, name):
        return None
    texts: list[str] = []
    for part in count():
        if f"{name}{part}" not in group.texts:
            break
        texts.extend(_texts(group, f"{name}{part}"))
    return texts


def _texts(holder: Group, name: str) -> list[str]:
    texts = holder.texts[name]
    if isinstance(texts, str):
        raise ModelError(f"its attribute {name} can't be read ({texts}): save the model again")
    return texts


@contextlib.contextmanager
def damage_as_model_error(what: str) -> Iterator[None]:
    """zipfile and json meet damage with a dozen exceptions of no common base; to the user it is one thing."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(f"{what} is damaged or no part of a Keras file ({reason}): save the model again") from error
