"""What a reset in the middle of an image and unknown bits would show, if the modules weren't right: in Icarus, which
knows x."""

from pathlib import Path

import pytest

from bittrue.errors import BittrueError
from bittrue.exports.device.compare import compare_codes
from bittrue.exports.verilog.design import design_of
from bittrue.exports.verilog.run import write_inputs
from bittrue.exports.verilog.simulators import ICARUS, simulated
from bittrue.exports.verilog.target import write_verilog
from exports.verilog.residual import images, job

IMAGES = 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    design = design_of(job(IMAGES))
    write_verilog(design, tmp_path)
    write_inputs(design, images(IMAGES), tmp_path)
    return tmp_path


def wrong(folder: Path, *plusargs: str) -> int:
    simulated(ICARUS, folder, f"+images={IMAGES}", "+taps", *plusargs)
    found = compare_codes(job(IMAGES).program, images(IMAGES), folder / "codes", against="icarus")
    assert len(found.sites) > 3
    return found.mismatches


def changed(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("at", [40, 300, 777])
def test_a_reset_with_pauses_begins_anew(folder: Path, at: int) -> None:
    assert wrong(folder, f"+reset_at={at}", "+backpressure") == 0


def test_a_state_that_survives_a_reset_is_found(folder: Path) -> None:
    """The lines of the weights go on from where they were."""
    path = folder / "library" / "bittrue_multiply_accumulate.sv"
    changed(path, "line <= 0;\n", "line <= line === 'x ? 0 : line;\n")
    try:
        found = wrong(folder, "+reset_at=300")
    except BittrueError:
        return
    assert found > 0


def test_unknown_bits_are_found(folder: Path) -> None:
    changed(folder / "library" / "bittrue_memory.sv", "$readmemh(FILE, words);", "begin end")
    with pytest.raises(BittrueError, match="Simulating the Verilog in Icarus"):
        wrong(folder)
