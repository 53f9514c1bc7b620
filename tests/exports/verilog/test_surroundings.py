"""What an exported folder offers people: `make sim` in three simulators, `make synth`, the README."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bittrue.exports.export import export
from exports.verilog.residual import NETWORK, images, plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    export(NETWORK, plan(), "verilog,vectors", tmp_path / "export", data=images(2), images=2)
    return tmp_path / "export" / "verilog"


def made(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", *arguments, f"PYTHON={sys.executable}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def changed(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def wrong_last(folder: Path) -> None:
    changed(folder / "residual_axis.sv", "place == 5'd26", "place == 5'd25")


def wrong_sign(folder: Path) -> None:
    changed(folder / "residual_axis.sv", "{1 {core_data[6]}}", "{1 {1'b0}}")


def wrong_word(folder: Path) -> None:
    changed(folder / "residual_axis.sv", "s_axis_tdata[6:0])", "s_axis_tdata[7:1])")


def wrong_weight(folder: Path) -> None:
    path = folder / "memory" / "conv1.weight.hex"
    words = path.read_text().split()
    words[0] = f"{int(words[0], 16) ^ 0x20:0{len(words[0])}x}"
    path.write_text("\n".join(words) + "\n")


@pytest.mark.parametrize("simulator", ["verilator", "icarus", "cocotb"])
def test_the_golden_vectors_through_the_wrapper(folder: Path, simulator: str) -> None:
    done = made(folder, "sim", f"SIMULATOR={simulator}")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "words of again.output compared on 8 images, 0 mismatches" in said


@pytest.mark.parametrize("change", [wrong_last, wrong_sign, wrong_word, wrong_weight])
def test_a_wrong_wrapper_or_core_fails(folder: Path, change: Callable[[Path], None]) -> None:
    change(folder)
    done = made(folder, "sim", "SIMULATOR=icarus")
    assert done.returncode != 0
    assert "FAIL" in done.stdout


def test_cycles_are_as_the_readme_says(folder: Path) -> None:
    """An image alone is through within the layers' cycles, and the next ones follow at the slowest layer's pace."""
    text = (folder / "README.md").read_text()
    pace, alone = (_number(rf"{what} ([\d,]+) cycles", text) for what in ("after", "through after"))
    said = made(folder, "sim", "SIMULATOR=icarus").stdout
    latency, whole = map(int, re.findall(r"(\d+) from the first word.*, (\d+) for all", said)[0])
    assert latency <= alone
    assert whole <= latency + 7 * (pace + 20)


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found is not None
    return int(found[1].replace(",", ""))


def test_yosys_and_verilator_take_the_wrapped_core(folder: Path) -> None:
    for target, cell in (("xilinx", "DSP48E"), ("ecp5", "MULT18X18D")):
        # One module of it, for all of them take a minute.
        done = made(folder, "synth", f"TARGET={target}", "NAME=residual_conv1")
        assert done.returncode == 0, done.stdout + done.stderr
        assert cell in (folder / f"synth_{target}.txt").read_text()
    sources = " ".join([*(folder / "sources.f").read_text().split(), "residual_axis.sv"])
    read = f"read_verilog -defer -sv {sources}; hierarchy -check -top residual_axis; proc; check -assert"
    subprocess.run(["yosys", "-q", "-p", read], cwd=folder, check=True, capture_output=True)


def test_vectors_that_are_missing_are_named(folder: Path) -> None:
    done = made(folder, "sim", "VECTORS=elsewhere")
    assert done.returncode != 0
    assert "no golden vectors in elsewhere" in done.stderr


def test_an_export_replaces_what_its_makefile_left(folder: Path) -> None:
    made(folder, "sim", "SIMULATOR=icarus")
    (folder / "synth_xilinx.txt").touch()
    export(NETWORK, plan(), "verilog,vectors", folder.parent, data=images(2), images=2)
    assert not (folder / "bench.vvp").exists()
