"""How codes lie in a memory: in which order, how many in a line, over how many banks."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from bittrue.errors import BittrueError

_MACHINE = 64
"""Bits of the machine's integers; longer lines are Python's."""


@dataclass(frozen=True)
class Layout:
    """order: the axes of the array from the outermost to the innermost, by their places (None: as they are). words:
    how many codes share a line, those that follow each other in that order. first: whether the first of them stands in
    the low bits of the line, as SystemVerilog's packed arrays and little-endian buses have it, or in the high ones.
    banks: over how many memories the lines are dealt, line i into bank i modulo `banks`. mirrored: whether the bits of
    each word stand in reverse, the lowest in the highest place.

    A last line, or a bank, that isn't full is filled with zeros.
    """

    order: tuple[int, ...] | None = None
    words: int = 1
    first: str = "low"
    banks: int = 1
    mirrored: bool = False

    def __post_init__(self) -> None:
        for what, number in (("words a line", self.words), ("banks", self.banks)):
            if number < 1:
                raise BittrueError(f"A memory of {number} {what} is none: give one at least.")
        if self.first not in ("low", "high"):
            raise BittrueError(f"The first word of a line stands {self.first!r}: choose low or high.")


@dataclass(frozen=True, eq=False)
class Image:
    """What one memory holds: lines of `width` bits, as numbers without a sign (uint64, or Python integers above 64
    bits)."""

    lines: np.ndarray
    width: int


def packed(codes: np.ndarray, word_length: int, layout: Layout) -> tuple[Image, ...]:
    """The banks of an array of codes, each code in two's complement of `word_length` bits.

    Raises: BittrueError for an order that isn't one of the array's axes.
    """
    width = word_length * layout.words
    words = _ordered(codes, layout).reshape(-1)
    kind = np.uint64 if width <= _MACHINE else object
    if kind is object or words.dtype == object:
        mask = (1 << word_length) - 1
        words = np.array([code & mask for code in words.tolist()], kind)
    else:
        words = words.astype(np.int64).view(np.uint64) & np.uint64((1 << word_length) - 1)
    if layout.mirrored:
        words = _mirrored(words, word_length)
    missing = -len(words) % (layout.words * layout.banks)
    grouped = np.concatenate([words, np.zeros(missing, kind)]).reshape(-1, layout.words)
    if layout.first == "high":
        grouped = grouped[:, ::-1]
    lines = grouped[:, 0].copy()
    for place in range(1, layout.words):
        shift = place * word_length
        lines |= grouped[:, place] << (np.uint64(shift) if kind is np.uint64 else shift)
    return tuple(Image(lines[bank :: layout.banks], width) for bank in range(layout.banks))


def unpacked(
    banks: Sequence[Image], word_length: int, layout: Layout, shape: tuple[int, ...], *, signed: bool
) -> np.ndarray:
    """The codes of an array of `shape` out of its banks: what `packed` was given, as int64 or Python integers.

    Raises: BittrueError for banks that hold fewer codes.
    """
    lines = [line for group in zip(*(bank.lines.tolist() for bank in banks), strict=True) for line in group]
    mask, sign = (1 << word_length) - 1, 1 << (word_length - 1)
    places = range(layout.words) if layout.first == "low" else range(layout.words - 1, -1, -1)
    words = [line >> (place * word_length) & mask for line in lines for place in places]
    if layout.mirrored:
        words = _mirrored(np.array(words, object), word_length).tolist()
    count = prod(shape)
    if len(words) < count:
        raise BittrueError(f"The memory holds {len(words):,} words, and {count:,} are wanted: read all of its banks.")
    codes = [word - (1 << word_length) if signed and word & sign else word for word in words[:count]]
    order = tuple(range(len(shape))) if layout.order is None else layout.order
    kind = np.int64 if word_length < _MACHINE or (signed and word_length == _MACHINE) else object
    moved = np.array(codes, kind).reshape([shape[axis] for axis in order])
    return np.transpose(moved, np.argsort(order))


def _mirrored(words: np.ndarray, word_length: int) -> np.ndarray:
    """Each word with its bits in reverse."""
    kind = words.dtype.type if words.dtype != object else int
    result = words & kind(0)
    for place in range(word_length):
        result |= (words >> kind(place) & kind(1)) << kind(word_length - 1 - place)
    return result


def _ordered(codes: np.ndarray, layout: Layout) -> np.ndarray:
    if layout.order is None:
        return codes
    if sorted(layout.order) != list(range(codes.ndim)):
        raise BittrueError(
            f"The order {','.join(map(str, layout.order))} isn't one of the {codes.ndim} axes of an array of shape "
            f"{'×'.join(map(str, codes.shape))}: name each axis once, from 0 on."
        )
    return np.transpose(codes, layout.order)
