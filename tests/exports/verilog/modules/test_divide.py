"""`bittrue_divide`: beside the definition in Icarus, proven by Yosys' SAT solver against a specification in divisions;
and the products that stand for quotients, each proven."""

from pathlib import Path

import pytest

from bittrue.exports.verilog.division import Reciprocal, reciprocal_of
from exports.verilog.dividing import Divider, drawn
from exports.verilog.formal import unlike_the_specification
from exports.verilog.simulated import every_output, source_of, warnings

DIVIDE = source_of("divide")

CANARIES = {
    "no rounding": ("assign up = ROUNDING == 0 ?", "assign up = ROUNDING < 7 ? 1'b0 : ROUNDING == 0 ?"),
    "ties always up": ("tie & below[0]", "tie"),
    "the sign forgotten": ("tie & ~negative", "tie"),
    "a bit of the product": ("product[SHIFT+:WIDTH]", "product[SHIFT+:WIDTH] & ~1"),
}


def wrong(dividers: list[Divider], divide: str, folder: Path) -> int:
    outputs = every_output([each.instance for each in dividers], divide, folder)
    return sum(got != each.expected() for each, got in zip(dividers, outputs, strict=True))


def unproven(dividers: list[Divider], divide: str, folder: Path) -> list[int]:
    bits = [_bits(each) for each in dividers]
    sets = [each.parameters for each in dividers]
    return unlike_the_specification("bittrue_divide", sets, bits, divide, folder)


def _bits(divider: Divider) -> int:
    source, to = divider.source, divider.quantizer.format
    distance = abs(source.fraction_bits - to.fraction_bits)
    return source.word_length + to.word_length + distance + divider.divisor.bit_length() + 4


def changed(canary: str) -> str:
    before, after = CANARIES[canary]
    assert before in DIVIDE
    return DIVIDE.replace(before, after)


def test_every_sum_of_drawn_formats_in_icarus(tmp_path: Path) -> None:
    assert wrong(drawn(300, seed=1), DIVIDE, tmp_path) == 0


@pytest.mark.parametrize("canary", CANARIES)
def test_icarus_finds(canary: str, tmp_path: Path) -> None:
    assert wrong(drawn(300, seed=1), changed(canary), tmp_path) > 0


def test_proven_for_symbolic_sums(tmp_path: Path) -> None:
    assert unproven(drawn(35, seed=7, longest=8, largest=49), DIVIDE, tmp_path) == []


def test_the_solver_finds_a_dropped_rounding_bit(tmp_path: Path) -> None:
    assert unproven(drawn(12, seed=7, longest=8, largest=49), changed("no rounding"), tmp_path) != []


def test_verilator_has_nothing_to_warn_of(tmp_path: Path) -> None:
    instances = [each.instance for each in drawn(100, seed=3, longest=16)]
    assert warnings(instances, DIVIDE, tmp_path) == ""


@pytest.mark.parametrize("divisor", [1, 2, 3, 7, 9, 16, 25, 49, 63])
def test_products_that_stand_for_quotients(divisor: int) -> None:
    """The product is a quotient for every number where it is called proven, and for some number is none where not."""
    for largest in (0, 1, divisor - 1, divisor, 100, 255, 1000):
        found = reciprocal_of(divisor, largest)
        assert _divides(found)
        for shift in range(found.shift):
            shorter = Reciprocal(divisor, largest, -(-(1 << shift) // divisor), shift)
            assert not shorter.proven
            assert not _divides(shorter)


def _divides(found: Reciprocal) -> bool:
    numbers = range(found.largest + 1)
    return all(number * found.multiplier >> found.shift == number // found.divisor for number in numbers)
