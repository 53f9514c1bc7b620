"""Arrays as NumPy stores them, in a file `.npy` or as a member of an archive `.npz`, streamed row by row.

`numpy.load` would read a whole array at once, so they are read here: NumPy's own header reader, then raw rows. Objects
(pickles) are refused by their type, before anything of them is read. Source of the format: numpy.lib.format.
"""

import lzma
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from bittrue.data.source import Raw, reason
from bittrue.data.unchanged import DataFile
from bittrue.errors import DataError

SUFFIX = ".npy"
_SKIP = 2**18  # bytes read past at a time
_DAMAGE = (  # what zipfile, its decompressors and NumPy's header reader raise on damaged files
    EOFError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
BOMB_BYTES = 2**30
BOMB_RATIO = 200
"""A member that unpacks to more than BOMB_BYTES and to more than BOMB_RATIO times its packed size is refused.

Examples are streamed, but labels and digests are held, and a small file could ask for any number of them.
"""


@dataclass(frozen=True)
class StoredArray:
    """An array in `file`, as the archive's `member` or, where that is None, as the file itself.

    `name`: what errors call it; its `dtype` and `shape`, and the bytes before its first row.
    """

    file: DataFile
    member: str | None
    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    offset: int

    @property
    def any_order(self) -> bool:
        """Whether a row is read wherever it is: not in an archive."""
        return self.member is None

    def rows(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        """Yield the rows `start` to `stop`, `size` at a time; in an archive those before `start` are read past.

        Raises DataError for damage, ChangedError for a file that is no longer as it was found.
        """
        row_bytes = prod(self.shape[1:]) * self.dtype.itemsize
        with damage_named(self.file.path), self.file.opened() as file, self._content(file) as stream:
            # Read past what comes before: seek() would hold 16 MB at a time, and may give up the check of the CRC.
            before = self.offset + start * row_bytes
            if self.member is None:
                before -= stream.seek(before)
            while skipped := stream.read(min(before, _SKIP)):
                before -= len(skipped)
            for first in range(start, stop, size):
                count = min(size, stop - first)
                content = stream.read(count * row_bytes)
                self.file.check(file)
                rows = np.frombuffer(content, self.dtype, count * prod(self.shape[1:]))
                yield rows.reshape(count, *self.shape[1:])

    @contextmanager
    def _content(self, file: BinaryIO) -> Iterator[IO[bytes]]:
        """The bytes of the array, header first, in the open `file`."""
        if self.member is None:
            yield file
        else:
            with zipfile.ZipFile(file) as archive, archive.open(self.member) as stream:
                yield stream


def archived_names(file: DataFile) -> list[str]:
    """The names of the arrays in an archive, without their suffix. Raises DataError."""
    with damage_named(file.path), file.opened() as stream, zipfile.ZipFile(stream) as archive:
        return [name.removesuffix(SUFFIX) for name in archive.namelist() if name.endswith(SUFFIX)]


def archived_array(file: DataFile, name: str) -> StoredArray:
    """The array `name` of an archive, its header read and checked. Raises DataError."""
    member = name + SUFFIX
    with damage_named(file.path), file.opened() as stream, zipfile.ZipFile(stream) as archive:
        entry = archive.getinfo(member)
        if entry.file_size > max(BOMB_BYTES, BOMB_RATIO * entry.compress_size):
            raise DataError(
                f"{file.path} holds {name} packed to a {entry.file_size // max(entry.compress_size, 1):,}th of its "
                f"{entry.file_size:,} bytes, as no data set is: save it unpacked, with numpy.savez."
            )
        with archive.open(member) as content:
            return _checked(file, member, name, content, entry.file_size)


def single_array(file: DataFile) -> StoredArray:
    """The array of a `.npy` file, its header read and checked. Raises DataError."""
    with damage_named(file.path), file.opened() as stream:
        return _checked(file, None, "its array", stream, file.size)


def _checked(file: DataFile, member: str | None, name: str, stream: IO[bytes], size: int) -> StoredArray:
    """The array whose header begins `stream`, which has `size` bytes."""
    path = file.path
    read_header = _HEADERS.get(np.lib.format.read_magic(stream))
    if read_header is None:
        raise DataError(f"{path} holds {name} with named fields: save plain numbers.")
    shape, fortran_order, dtype = read_header(stream)
    offset = stream.tell()
    if dtype.hasobject:
        raise DataError(
            f"{path} holds {name} as Python objects (a pickle), which are never loaded: save plain numbers."
        )
    if dtype.kind not in "buif":
        raise DataError(f"{path} holds {name} of type {dtype}: save it as integers or real floating-point numbers.")
    if not shape or min(shape) < 0:
        raise DataError(f"{path} holds {name} of shape {shape}: its first axis must count the examples.")
    if fortran_order and len(shape) > 1:
        raise DataError(
            f"{path} holds {name} in Fortran order, whose examples can't be streamed: "
            "save it as numpy.ascontiguousarray gives it."
        )
    expected = prod(shape) * dtype.itemsize
    if (found := size - offset) != expected:
        raise DataError(f"{path} is damaged: {name} has {found:,} bytes where its shape {shape} asks for {expected:,}.")
    return StoredArray(file, member, name, dtype, shape, offset)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Say which file is damaged, whatever the reader below stumbled over."""
    try:
        yield
    except _DAMAGE as error:
        kind = path.suffix
        raise DataError(
            f"{path} can't be read as an {kind} file ({reason(error)}): it is damaged, or no {kind} file."
        ) from error
