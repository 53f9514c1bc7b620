"""What an HDF5 file holds, as JSON: the program of the process in which alone the HDF5 library meets such files.

A damaged file can make the library loop for ever, take any amount of memory, or break off; here that ends this process
and no other. The file is the standard input. The answer is STARTED, one line of JSON, and the numbers of those arrays
that don't lie in the file as they are in memory.

The JSON has the `root`, and the `objects` by address. A group has `members`, addresses by name, None where a name leads
elsewhere; an array its `shape`, `dtype`, whether it is `plain`, the bytes `stored`, and `place`: where it begins in the
file, or `[begin, end]` in what follows the line. Both have `texts`, their attributes; a text that can't be had is the
reason why instead of a list, and so is an object that can't be read.
"""

import json
import os
import sys
from math import prod
from typing import Any, BinaryIO

import h5py
import numpy as np

from bittrue.limits import STARTED, limit

CPU_SECONDS = 3
"""Of the processor, so that a busy machine refuses no file: the largest models need a few tenths."""

ADDRESSES = 2 << 30
"""Bytes of memory that may be addressed."""

MAXIMUM_TEXT = 1 << 26
"""Bytes of all attributes; many may point to the same ones, so that the file's size bounds nothing."""

NUMBERS = (h5py.h5t.TypeFloatID, h5py.h5t.TypeIntegerID, h5py.h5t.TypeOpaqueID)
"""The types of arrays; integers are refused later, and bfloat16 is opaque."""


def contents(stream: BinaryIO, size: int) -> bytes:
    """What the file holds that is open as `stream` and has `size` bytes; see above."""
    reading = _Reading(size)
    with h5py.File(stream, "r") as file:
        root = _address(file)
        waiting: list[tuple[str, Any]] = [(root, file)]
        while waiting:
            address, item = waiting.pop()
            try:
                reading.objects[address] = reading.described(item)
            except MemoryError:
                raise
            except Exception as error:  # the library has no common base of its exceptions either
                reading.objects[address] = reason(error)
                continue
            if isinstance(item, h5py.Group):
                for name, member in reading.objects[address]["members"].items():
                    if member is not None and member not in reading.objects:
                        reading.objects[member] = {}
                        try:
                            waiting.append((member, item[name]))
                        except Exception as error:
                            reading.objects[member] = reason(error)
    head = json.dumps({"root": root, "objects": reading.objects}).encode() + b"\n"
    return b"".join((head, *reading.numbers))


class _Reading:
    """The answer so far, and how much of it there may be."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.objects: dict[str, Any] = {}
        self.numbers: list[bytes] = []
        self.length = 0  # of the numbers
        self.text_left = MAXIMUM_TEXT

    def described(self, item: Any) -> dict[str, Any]:
        if isinstance(item, h5py.Group):
            members = {name: _member(item, name) for name in item}
            return {"members": members, "texts": self._texts(item)}
        if isinstance(item, h5py.Dataset):
            return {**self._array(item), "texts": self._texts(item)}
        return {"texts": {}}

    def _array(self, dataset: h5py.Dataset) -> dict[str, Any]:
        kind = dataset.id.get_type()
        if dataset.shape is None or dataset.is_virtual or dataset.external or not isinstance(kind, NUMBERS):
            return {"plain": False}
        stored = dataset.id.get_storage_size()
        found = {"plain": True, "shape": dataset.shape, "dtype": dataset.dtype.str, "stored": stored}
        if stored < dataset.nbytes:
            return found
        offset = dataset.id.get_offset()
        if offset is not None and kind.equal(h5py.h5t.py_create(dataset.dtype)):
            return {**found, "place": offset}
        if self.length + dataset.nbytes > self.size:
            raise ValueError("its arrays are larger than it is")
        self.numbers.append(np.ascontiguousarray(dataset[()]).tobytes())
        begin, self.length = self.length, self.length + len(self.numbers[-1])
        return {**found, "place": [begin, self.length]}

    def _texts(self, holder: Any) -> dict[str, list[str] | str]:
        found: dict[str, list[str] | str] = {}
        for name in holder.attrs:
            try:
                found[name] = self._text(holder, name)
            except MemoryError:
                raise
            except Exception as error:
                found[name] = reason(error)
        return found

    def _text(self, holder: Any, name: str) -> list[str] | str:
        attribute = holder.attrs.get_id(name)
        count = 0 if attribute.shape is None else prod(attribute.shape)
        if count == 0:  # Keras writes an empty list as numbers
            return []
        # The library reads other types of damaged files without looking, beyond the memory that it may.
        if not isinstance(attribute.get_type(), h5py.h5t.TypeStringID):
            return "it is no text"
        declared = count * attribute.dtype.itemsize
        if declared > self.size:
            return f"it declares {declared:,} bytes, more than the file has"
        value = holder.attrs[name]
        items = value.ravel().tolist() if isinstance(value, np.ndarray) else [value]
        texts = [item.decode() if isinstance(item, bytes) else str(item) for item in items]
        self.text_left -= sum(map(len, texts))
        if self.text_left < 0:
            raise MemoryError
        return texts


def _member(group: h5py.Group, name: str) -> str | None:
    """The address of a member; None for a link, which is never followed. A damaged one has no address, but a name."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        return None
    try:
        return str(h5py.h5o.get_info(group.id, group._e(name)).addr)
    except Exception:
        return f"{_address(group)} {name}"


def _address(item: Any) -> str:
    return str(h5py.h5o.get_info(item.id).addr)


def reason(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def main() -> None:
    output = sys.stdout.buffer
    output.write(STARTED)
    output.flush()
    limit(CPU_SECONDS, ADDRESSES)
    try:
        found = contents(sys.stdin.buffer, os.fstat(0).st_size)
    except MemoryError:
        found = json.dumps("it asks for more memory than any model does").encode()
    except Exception as error:
        found = json.dumps(reason(error)).encode()
    output.write(found)


if __name__ == "__main__":
    main()
