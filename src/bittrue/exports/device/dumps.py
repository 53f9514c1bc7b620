"""Reads what a device, an RTL simulation or a C program wrote of a site: hex, decimal or binary text, NumPy or bytes.

A file is named by its site, and its suffix says what is in it:

| suffix                | one code a line or word                                                              |
|-----------------------|--------------------------------------------------------------------------------------|
| `.hex`, `.mem`        | hexadecimal digits, two's complement of the word length, as `$readmemh` reads them    |
| `.memb`               | binary digits, as `$readmemb` reads them                                             |
| `.txt`, `.dec`        | decimal numbers                                                                      |
| `.npy`                | an integer array                                                                     |
| `.bin`                | little-endian integers of 8, 16, 32 or 64 bits, as the vectors have them              |

Text may have comments (`//`, `#`), underscores between digits, several words a line, and commas between them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bittrue.errors import DataError
from bittrue.exports.storage import Storage

_COMMENT = re.compile(r"(//|#).*")
_LARGEST = 1 << 32
"""Bytes of a file that is read whole."""


@dataclass(frozen=True)
class Word:
    """How a site's codes are written: bits of a word, whether it has a sign, and the storage of bytes."""

    length: int
    signed: bool
    storage: Storage


Reader = Callable[[Path, Word], NDArray[np.int64]]


def read_codes(path: Path, word: Word) -> NDArray[np.int64]:
    """The codes in a file, in the order in which they stand there.

    Raises: DataError for a file that can't be read, digits that are none (x and z among them), and words that are too
    long.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(
                f"{path} has {path.stat().st_size:,} bytes, more than a dump of a few images can: cut it down."
            )
        return READERS[path.suffix.lower()](path, word)
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): check it.") from error


def _text(base: int, what: str) -> Reader:
    def read(path: Path, word: Word) -> NDArray[np.int64]:
        codes: list[int] = []
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except UnicodeDecodeError:
            raise DataError(f"{path} is no text, and its suffix says that it holds {what}: name bytes .bin.") from None
        for number, line in enumerate(lines, start=1):
            for text in _COMMENT.sub("", line).replace(",", " ").split():
                if text.startswith("@"):
                    _follow(text, len(codes), f"{path}, line {number}")
                    continue
                codes.append(_code(text, base, what, word, f"{path}, line {number}"))
        return np.array(codes, np.int64)

    return read


def _follow(address: str, words: int, where: str) -> None:
    """An address as $writememh writes one: where the next word stands, which must be behind the last."""
    try:
        place = int(address[1:].replace("_", ""), 16)
    except ValueError:
        raise DataError(f"{where}: {address[:20]!r} is no address in hexadecimal digits: dump every word.") from None
    if place != words:
        raise DataError(
            f"{where}: address {address[:20]} leaves a gap or goes back, as the next word is number {words}: "
            "dump every word, in order."
        )


def _code(text: str, base: int, what: str, word: Word, where: str) -> int:
    digits = text.replace("_", "").lower()
    if base == 16:
        digits = digits.removeprefix("0x")
    if base != 10 and set(digits) & set("xz"):
        raise DataError(
            f"{where}: {text[:20]!r} has unknown bits (x or z), so the device never drove that word: look at its reset."
        )
    try:
        number = int(digits, base)
    except ValueError:
        raise DataError(
            f"{where}: {text[:20]!r} is no number in {what}: write one, or give the file the suffix of what is in it."
        ) from None
    if base == 10:
        return number
    if number >> _padded(word.length, base):
        raise DataError(
            f"{where}: {text[:20]!r} has more than the {word.length} bits of the site's words: write its words alone."
        )
    # Digits beyond the word repeat its sign, or are 0.
    number &= (1 << word.length) - 1
    return number - (1 << word.length) if word.signed and number >> (word.length - 1) else number


def _padded(length: int, base: int) -> int:
    """The bits that the digits of a word have."""
    return -(-length // 4) * 4 if base == 16 else length


def _array(path: Path, word: Word) -> NDArray[np.int64]:
    try:
        codes = np.load(path, allow_pickle=False)
    except (ValueError, EOFError):
        raise DataError(f"{path} is no NumPy array of numbers: save it with numpy.save.") from None
    if not isinstance(codes, np.ndarray) or codes.dtype.kind not in "iu":
        kind = getattr(codes, "dtype", type(codes).__name__)
        raise DataError(f"{path} holds {kind}, and codes are integers: save the integers, not the values.")
    return codes.reshape(-1).astype(np.int64)


def _bytes(path: Path, word: Word) -> NDArray[np.int64]:
    content = path.read_bytes()
    width = word.storage.bits // 8
    if len(content) % width:
        raise DataError(f"{path} has {len(content):,} bytes, which is no number of words of {width}: dump whole words.")
    return np.frombuffer(content, word.storage.dtype).astype(np.int64)


READERS: dict[str, Reader] = {
    ".hex": _text(16, "hexadecimal digits"),
    ".mem": _text(16, "hexadecimal digits"),
    ".memb": _text(2, "binary digits"),
    ".txt": _text(10, "decimal digits"),
    ".dec": _text(10, "decimal digits"),
    ".npy": _array,
    ".bin": _bytes,
}
"""By suffix."""
