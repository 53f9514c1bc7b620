"""Data that change while they are in use are noticed: files by what the system says of them, examples by digests.

A result is stored under the hash of its data, so nothing may be computed from other data. A file's state is looked at
whenever it is opened and after every chunk; every example that is read again must have the digest that it had.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bittrue.errors import ChangedError, DataError
from bittrue.files import check_ordinary_mode

_NOT_YET = 0  # the digest of an example that was not read so far


@dataclass(frozen=True)
class DataFile:
    """An ordinary file as it was found.

    The system's `device` and `inode`, `size` in bytes, and `modified`, when it was last written to, in nanoseconds.
    """

    path: Path
    device: int
    inode: int
    size: int
    modified: int

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file, open for reading, if it still is the one that was found. Raises ChangedError, OSError."""
        with opened_file(self.path) as file:
            self.check(file)
            yield file

    def check(self, file: BinaryIO) -> None:
        """Raise ChangedError unless the open `file` is the one that was found, unwritten since."""
        if _found(self.path, os.fstat(file.fileno())) != self:
            raise ChangedError(f"{self.path} changed while it was in use: start again, with the file that is meant.")


def data_file(path: Path) -> DataFile:
    """The file at `path` as it is now. Raises DataError where it is a pipe or a device; OSError."""
    found = path.stat()
    check_ordinary_mode(path, found.st_mode, DataError)
    return _found(path, found)


@contextmanager
def opened_file(path: Path) -> Iterator[BinaryIO]:
    """The ordinary file at `path`, open for reading; a pipe is refused, not waited for. Raises DataError, OSError."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        check_ordinary_mode(path, os.fstat(descriptor).st_mode, DataError)
        yield file


class Digests:
    """63 bits of the SHA-256 of each of `count` examples that was read; 8 bytes an example."""

    def __init__(self, count: int, known: NDArray[np.uint64] | None = None) -> None:
        self._known = np.full(count, _NOT_YET, np.uint64) if known is None else known

    def first_other(self, start: int, examples: NDArray[np.generic]) -> int | None:
        """The number of the first of the contiguous `examples` (n, …), number `start` and the next ones, that is not
        what it was when it was read before; None where all are the same or new."""
        found = digests_of(examples)
        known = self._known[start : start + len(found)]
        others = np.flatnonzero((known != found) & (known != _NOT_YET))
        if others.size:
            return start + int(others[0])
        known[...] = found
        return None


def digests_of(examples: NDArray[np.generic]) -> NDArray[np.uint64]:
    """The digest of each of the contiguous `examples` (n, …), of its values, their type and its shape."""
    head = hashlib.sha256(f"{examples.dtype.str}{examples.shape[1:]}".encode())
    content = examples.reshape(-1).view(np.uint8).data
    size = len(content) // len(examples)
    found = np.empty(len(examples), np.uint64)
    for index in range(len(examples)):
        digest = head.copy()
        digest.update(content[index * size : (index + 1) * size])
        found[index] = int.from_bytes(digest.digest()[:8], "little") | 1  # never _NOT_YET
    return found


def _found(path: Path, status: os.stat_result) -> DataFile:
    return DataFile(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
