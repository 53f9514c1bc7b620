"""Estimates of multipliers and memory blocks against counts by hand; Yosys' own stand in tests/exports/verilog."""

import pytest

from bittrue.analysis.cost.hardware import ECP5, ULTRASCALE, Family, Operand


@pytest.mark.parametrize(
    ("first", "second", "ultrascale", "ecp5"),
    [
        ((27, True), (18, True), 1, 2),  # the multiplier itself
        ((26, False), (17, False), 1, 2),  # a bit more each on a signed port
        ((27, False), (17, False), 2, 2),
        ((27, True), (19, True), 2, 2),
        ((28, True), (18, True), 2, 2),
        ((19, True), (19, True), 2, 1),  # a last bit is logic
        ((20, True), (20, True), 2, 4),
        ((35, True), (35, True), 4, 4),
        ((44, True), (18, True), 2, 3),  # 17 and 27 bits
        ((45, True), (18, True), 3, 3),
        ((53, True), (35, True), 6, 6),
        ((4, True), (4, True), 0, 1),  # 8 bits in all are logic
        ((4, False), (4, True), 1, 1),
        ((1, True), (30, True), 0, 0),
        ((1, False), (30, True), 2, 2),
    ],
)
def test_multipliers(first: tuple[int, bool], second: tuple[int, bool], ultrascale: int, ecp5: int) -> None:
    for family, expected in ((ULTRASCALE, ultrascale), (ECP5, ecp5)):
        for pair in ((first, second), (second, first)):
            assert family.multipliers(*(Operand(*word) for word in pair)) == expected


@pytest.mark.parametrize(
    ("words", "width", "constant", "written"),
    [
        (512, 16, 0, 0.5),  # 128 of 129 units as look-up tables
        (512, 17, 0.5, 0.5),
        (1024, 36, 1, 1),
        (2048, 9, 0.5, 0.5),
        (2048, 8, 0.5, 0.5),
        (2049, 9, 1, 1),
        (32768, 1, 1, 1),
        (8192, 5, 1.5, 1.5),  # 8,192 × 2 three times
        (32768, 8, 7.5, 8),
        (36864, 1, 1, 1.5),
        (3168, 48, 5, 6),  # 7 rows of 48 bits in 10 blocks of 36
        (144, 256, 0, 4),  # short and wide: 576 look-up tables instead of 4 RAMB36E2
        (300, 36, 0.5, 0.5),
        (300, 37, 0.5, 1),  # not fewer than one bit less takes
        (256, 8, 0, 0),
    ],
)
def test_memories(words: int, width: int, constant: float, written: float) -> None:
    assert ULTRASCALE.memories(words, width, written=False) == constant
    assert ULTRASCALE.memories(words, width, written=True) == written


@pytest.mark.parametrize(
    ("words", "width", "constant", "written"),
    [(256, 8, 1, 1), (255, 8, 0, 1), (128, 8, 0, 0), (512, 36, 1, 1), (512, 37, 2, 2), (16384, 3, 3, 3)],
)
def test_memories_of_the_ecp5(words: int, width: int, constant: int, written: int) -> None:
    assert ECP5.memories(words, width, written=False) == constant
    assert ECP5.memories(words, width, written=True) == written


@pytest.mark.parametrize("family", [ULTRASCALE, ECP5], ids=["ultrascale", "ecp5"])
def test_a_longer_word_never_takes_fewer(family: Family) -> None:
    for words in (65, 230, 300, 513, 1000, 5000, 40_000, 1_000_000):
        for written in (False, True):
            found = [family.memories(words, length, written=written) for length in range(1, 80)]
            assert found == sorted(found)
    for signed in (True, False):
        for other in (1, 2, 4, 9, 19, 30):
            counts = [family.multipliers(Operand(length, signed), Operand(other, True)) for length in range(1, 80)]
            assert counts == sorted(counts)
