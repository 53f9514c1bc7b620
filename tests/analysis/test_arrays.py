"""The integer types and words that codes are written in."""

import numpy as np
import pytest

from bittrue.analysis.arrays import smallest_integers, words_in_twos_complement, words_of


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 0, "uint8"),
        (0, 255, "uint8"),
        (0, 256, "uint16"),
        (-1, 127, "int8"),
        (-1, 128, "int16"),
        (-129, 0, "int16"),
        (-5, 1 << 62, "int64"),
        (-(1 << 63), (1 << 63) - 1, "int64"),
        (0, (1 << 64) - 1, "uint64"),
        (None, 5, "int64"),
        (-5, None, "int64"),
    ],
)
def test_the_smallest_type_of_one_word(low: int | None, high: int | None, expected: str) -> None:
    assert (smallest_integers(low, high), words_of(low, high)) == (np.dtype(expected), 1)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-1, 1 << 63, 2),
        (-(1 << 63) - 1, 0, 2),
        (0, 1 << 64, 2),
        (-(1 << 127), (1 << 127) - 1, 2),
        (0, 1 << 127, 3),
        (-(1 << 127) - 1, 0, 3),
    ],
)
def test_words_hold_both_ends_and_no_fewer_do(low: int, high: int, words: int) -> None:
    assert (smallest_integers(low, high), words_of(low, high)) == (np.dtype(np.uint64), words)
    codes = np.array([low, high, 0, 1], object)
    parts = words_in_twos_complement(codes, words)
    assert parts.dtype == np.uint64
    little_endian = [int.from_bytes(row.astype("<u8").tobytes(), "little", signed=True) for row in parts]
    assert little_endian == codes.tolist()
    fewer = [int.from_bytes(row.astype("<u8").tobytes(), "little", signed=True) for row in parts[:, :-1]]
    assert fewer != codes.tolist()
