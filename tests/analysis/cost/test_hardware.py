"""Estimates of DSPs and block RAMs against counts by hand."""

import pytest

from bittrue.analysis.cost.hardware import Operand, brams, dsps


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((27, True), (18, True), 1),  # the multiplier itself
        ((18, True), (27, True), 1),
        ((26, False), (17, False), 1),  # a bit more each on a signed port
        ((27, False), (17, False), 2),
        ((28, True), (18, True), 2),
        ((27, True), (19, True), 2),
        ((19, True), (19, True), 2),
        ((35, True), (35, True), 4),  # 2 × 2 pieces
        ((53, True), (35, True), 4),  # 26 + 27 and 17 + 18 bits
        ((54, True), (35, True), 6),
        ((1, True), (1, True), 1),
        ((1, False), (1, False), 1),
    ],
)
def test_dsps(first: tuple[int, bool], second: tuple[int, bool], expected: int) -> None:
    assert dsps(Operand(*first), Operand(*second)) == dsps(Operand(*second), Operand(*first)) == expected


@pytest.mark.parametrize(
    ("words", "word_length", "expected"),
    [
        (64, 72, 0),  # look-up tables
        (65, 72, 1),
        (512, 72, 1),
        (513, 72, 2),
        (1024, 36, 1),
        (4096, 9, 1),
        (4096, 8, 1),
        (4097, 9, 2),
        (32768, 1, 1),
        (8192, 5, 2),  # 4 and 1 of 32,768 × 1, which is not full
        (32768, 5, 5),  # 4 blocks of 8,192 × 4, and 1 of 32,768 × 1, where 4,096 × 9 takes 8
        (32768, 8, 8),
        (32768, 9, 8),
        (36864, 1, 2),
        (512, 73, 2),
    ],
)
def test_brams(words: int, word_length: int, expected: int) -> None:
    assert brams(words, word_length) == expected


def test_a_longer_word_never_takes_fewer() -> None:
    for words in (65, 1000, 5000, 40_000, 1_000_000):
        found = [brams(words, length) for length in range(1, 80)]
        assert found == sorted(found)
    for signed in (True, False):
        found = [dsps(Operand(length, signed), Operand(9, True)) for length in range(1, 80)]
        assert found == sorted(found)
