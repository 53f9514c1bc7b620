"""CIFAR-10's official archives: downloaded with a check, unpacked beside themselves."""

import gzip
import hashlib
import io
import logging
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bittrue.data.source import reason
from bittrue.errors import DataError
from bittrue.files import replacing

_LOG = logging.getLogger(__name__)
_TIMEOUT = 30  # seconds without an answer
_CHUNK = 2**20  # bytes
_MOST_UNPACKED = 2**28  # bytes; the official archives hold 184 and 186 million


class Download(NamedTuple):
    """A file on the network and what it must be."""

    url: str
    name: str
    size: int  # bytes
    sha256: str


# Its md5 on the official page is c32a1d4ab5d03f1284b67883e8d87530.
CIFAR10 = Download(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    name="cifar-10-binary.tar.gz",
    size=170_052_171,
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)


def download(folder: Path) -> Path:
    """Download CIFAR-10's binary archive into `folder`, made where it is missing, and return its path.

    The file is there only if its sha256 is right; nothing is left behind otherwise. Raises DataError, and BittrueError
    where it can't be written.
    """
    made = not folder.exists()
    target = folder / CIFAR10.name
    _LOG.warning("Downloading CIFAR-10 (%d MB) from %s.", CIFAR10.size // 10**6, CIFAR10.url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"The folder {folder} can't be made ({error.strerror}): choose another place.") from error
    try:
        digest = hashlib.sha256()
        with replacing(target) as part:
            with part.open("wb") as file:
                for content in _received(folder):
                    digest.update(content)
                    file.write(content)
            if digest.hexdigest() != CIFAR10.sha256:
                raise DataError(
                    f"The download of {CIFAR10.url} is damaged (its sha256 is {digest.hexdigest()}): try again, or put "
                    f"{CIFAR10.name} into {folder} by hand."
                )
    finally:
        if made and not any(folder.iterdir()):
            folder.rmdir()
    return target


def _received(folder: Path) -> Iterator[bytes]:
    """What the network sends, in pieces, and no more than one piece beyond what is expected."""
    from http.client import HTTPException
    from urllib.request import urlopen

    received = 0
    try:
        with urlopen(CIFAR10.url, timeout=_TIMEOUT) as answer:
            while received <= CIFAR10.size and (content := answer.read(_CHUNK)):
                received += len(content)
                yield content
    except (OSError, HTTPException) as error:
        raise DataError(
            f"CIFAR-10 is not in {folder} and can't be downloaded from {CIFAR10.url} ({reason(error)}): "
            "get the file elsewhere and put it there."
        ) from error


class _Bounded(io.RawIOBase):
    """What comes out of `source`, up to a size that no official archive reaches: an archive bomb isn't unpacked."""

    def __init__(self, source: gzip.GzipFile, archive: Path) -> None:
        self.source, self.archive, self.left = source, archive, _MOST_UNPACKED

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or fewer at the end. Raises DataError beyond the bound."""
        content = self.source.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise DataError(
                f"{self.archive} unpacks to more than {_MOST_UNPACKED:,} bytes, as no official archive of CIFAR-10 "
                "does: get it again."
            )
        return content


def unpack(archive: Path, folder: str) -> None:
    """Unpack the batch files of `archive` (members `folder`/…) into `folder` beside it, all of them or none.

    Only plain files directly in `folder` are taken, by their own names, so that no member can reach elsewhere. Raises
    DataError.
    """
    import tarfile

    target = archive.parent / folder
    try:
        with tempfile.TemporaryDirectory(prefix="part-", dir=archive.parent) as made:
            part = Path(made) / folder
            part.mkdir()
            with gzip.open(archive) as unbounded:
                stream = _Bounded(unbounded, archive)
                with tarfile.open(fileobj=stream, mode="r|") as members:
                    for member in members:
                        place = PurePosixPath(member.name)
                        wanted = member.isfile() and place.parent.name == folder
                        content = members.extractfile(member) if wanted else None
                        if content is not None:
                            with content, (part / place.name).open("wb") as file:
                                shutil.copyfileobj(content, file)
                while stream.read(_CHUNK):  # to its end, where gzip checks the CRC; a tar file ends before
                    pass
            if not any("batch" in file.name for file in part.iterdir()):
                raise DataError(f"{archive} holds no batch files under {folder}: it is not the official archive.")
            part.replace(target)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{archive} can't be unpacked ({reason(error)}): get it again, or unpack it by hand."
        ) from error
