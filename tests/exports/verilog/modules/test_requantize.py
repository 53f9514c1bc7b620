"""`bittrue_requantize`: every input of drawn formats in Icarus beside the definition, and proven by Yosys' SAT solver
against a specification in divisions and comparisons, for symbolic inputs. The whole grid of formats:
tests/exports/verilog/exhaustive.py."""

from pathlib import Path

import pytest

from bittrue.fixed import FixedFormat, Quantizer
from exports.verilog.formal import unlike_the_specification
from exports.verilog.requantizing import Requantizer, drawn
from exports.verilog.simulated import every_output, source_of, warnings

MODULE = source_of("requantize")

CANARIES = {
    "the dropped rest": ("half & (rest | below[0])", "half & below[0]"),
    "ties up": ("ROUNDING == 0 ? half & (rest | below[0])", "ROUNDING == 0 ? half"),
    "no rounding bit": ("below + {{(WHOLE - 1) {1'b0}}, up}", "below"),
    "a sign left out": ("half & (rest | ~negative)", "half & (rest | 1'b1)"),
    "the lowest code kept": ("OUT_SIGNED && OVERFLOW == 2 && OUT_WIDTH > 1", "OUT_SIGNED && OVERFLOW == 9"),
    "a limit of one bit less": ("rounded[WHOLE-2:MAGNITUDE]", "rounded[WHOLE-2:OUT_WIDTH]"),
    "a shift that ends early": ("IN_WIDTH + 2 ? IN_WIDTH + 2", "IN_WIDTH + 2 ? IN_WIDTH"),
}


def wrong(requantizers: list[Requantizer], source: str, folder: Path) -> int:
    outputs = every_output([each.instance for each in requantizers], source, folder)
    return sum(got != each.expected() for each, got in zip(requantizers, outputs, strict=True))


def unproven(requantizers: list[Requantizer], source: str, folder: Path) -> list[int]:
    sets, bits = [each.parameters for each in requantizers], [_bits(each) for each in requantizers]
    return unlike_the_specification("bittrue_requantize", sets, bits, source, folder)


def _bits(requantizer: Requantizer) -> int:
    source, to = requantizer.source, requantizer.quantizer.format
    return source.word_length + to.word_length + abs(source.fraction_bits - to.fraction_bits) + 4


def changed(canary: str) -> str:
    before, after = CANARIES[canary]
    assert before in MODULE
    return MODULE.replace(before, after)


def test_every_input_of_drawn_formats_in_icarus(tmp_path: Path) -> None:
    assert wrong(drawn(700, seed=1), MODULE, tmp_path) == 0


@pytest.mark.parametrize("canary", CANARIES)
def test_icarus_finds(canary: str, tmp_path: Path) -> None:
    assert wrong(drawn(400, seed=1), changed(canary), tmp_path) > 0


@pytest.mark.parametrize("longest", [8, 20, 48])
def test_proven_for_symbolic_inputs(longest: int, tmp_path: Path) -> None:
    assert unproven(drawn(35, seed=longest, longest=longest), MODULE, tmp_path) == []


@pytest.mark.parametrize("canary", ["no rounding bit", "the dropped rest"])
def test_the_solver_finds(canary: str, tmp_path: Path) -> None:
    to = Quantizer(FixedFormat(True, 8, 4))
    assert unproven([Requantizer(FixedFormat(True, 16, 10), to)], changed(canary), tmp_path) == [0]


def test_verilator_has_nothing_to_warn_of(tmp_path: Path) -> None:
    assert warnings([each.instance for each in drawn(150, seed=3, longest=16)], MODULE, tmp_path) == ""
