"""Arrays that are written while they are made, a batch at a time, and appear as .npy files when all is there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bittrue.files import replacing


class ArrayFile:
    """A .npy file that is being written, rows one after the other."""

    def __init__(self, file: BinaryIO, dtype: np.dtype[Any]) -> None:
        self._file = file
        self._dtype = dtype

    def append(self, rows: NDArray[Any]) -> None:
        """Add the rows (n, …), which the file's dtype must hold."""
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)


@contextlib.contextmanager
def growing_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> Iterator[ArrayFile]:
    """The file at `path` of an array of `shape`, all of whose rows the block appends; on failure nothing is left.

    Raises: BittrueError where it can't be written.
    """
    kind = np.dtype(dtype).newbyteorder("<")
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        yield ArrayFile(file, kind)


WORD = 64
"""Bits in the words of codes that no integer type of NumPy holds."""


def words_of(low: int | None, high: int | None) -> int:
    """How many words a code from `low` to `high` takes: 1 where an integer type holds it, or nothing bounds it."""
    if low is None or high is None or (low >= 0 and high.bit_length() <= WORD):
        return 1
    return -(-_signed_bits(low, high) // WORD)


def smallest_integers(low: int | None, high: int | None) -> np.dtype[Any]:
    """The smallest integer type that holds `low` to `high`; int64 where nothing bounds them on a side, uint64 for
    words."""
    if low is None or high is None:
        return np.dtype(np.int64)
    if words_of(low, high) > 1:
        return np.dtype(np.uint64)
    if low >= 0:
        return np.min_scalar_type(high)
    size = next(size for size in (8, 16, 32, WORD) if _signed_bits(low, high) <= size)
    return np.dtype(f"int{size}")


def _signed_bits(low: int, high: int) -> int:
    """The bits of a signed word that holds `low` to `high`."""
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1


def words_in_twos_complement(codes: NDArray[Any], words: int) -> NDArray[np.uint64]:
    """Codes as words along a new last axis, the least significant first."""
    numbers = codes.astype(object)
    parts = [((numbers >> WORD * index) & ((1 << WORD) - 1)).astype(np.uint64) for index in range(words)]
    return np.stack(parts, axis=-1)
