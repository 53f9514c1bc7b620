"""The benches pass a right device and fail a wrong one: in Icarus, Verilator, and cocotb under Icarus."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bittrue.data import load_dataset
from bittrue.exports.export import export
from bittrue.network import Network, NetworkBuilder, Parameter
from bittrue.operators import Dense, Input
from bittrue.plan import uniform_plan

DEVICE = Path(__file__).parents[3] / "examples" / "hand_over" / "device.sv"
INPUTS, OUTPUTS = 6, 3

PARAMETERS = {
    "INPUTS": INPUTS,
    "OUTPUTS": OUTPUTS,
    "IN_SIGNED": 1,
    "BIAS_WIDTH": 8,
    "BIAS_SHIFT": 4,
    "SHIFT": 4,
    "WEIGHTS": '"../../memory/dense.weight.hex"',
    "BIASES": '"../../memory/dense.bias.hex"',
}


def dense() -> Network:
    generator = np.random.default_rng(1)
    builder = NetworkBuilder("one")
    image = builder.add("image", Input((INPUTS,)))
    weight = Parameter("dense.weight", generator.standard_normal((INPUTS, OUTPUTS)).astype(np.float32))
    bias = Parameter("dense.bias", generator.standard_normal(OUTPUTS).astype(np.float32))
    return builder.finish(builder.add("dense", Dense(weight, bias), image))


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """The bench's folder, with the example device set up for the layer."""
    x = np.random.default_rng(2).standard_normal((9, INPUTS)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    network = dense()
    data = load_dataset(tmp_path / "x.npz", shape=(INPUTS,))
    export(network, uniform_plan(network, 8, 4), "vectors,memory", tmp_path / "export", data=data, images=9)
    folder = tmp_path / "export" / "vectors" / "bench"
    text = DEVICE.read_text()
    for name, value in PARAMETERS.items():
        text, changed = re.subn(rf"parameter {name} = [^,\n/]*", f"parameter {name} = {value}", text)
        assert changed == 1
    (folder / "device.sv").write_text(text)
    return folder


def made(folder: Path, target: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["make", target, "DEVICE=device.sv", f"PYTHON={sys.executable}", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


SIMULATORS = ("icarus", "verilator", "cocotb")


def wrong_vector(folder: Path) -> None:
    path = folder.parent / "hex" / "dense.output.hex"
    words = path.read_text().split()
    words[-1] = f"{int(words[-1], 16) ^ 1:02x}"
    path.write_text("\n".join(words) + "\n")


def wrong_weight(folder: Path) -> None:
    path = folder.parents[1] / "memory" / "dense.weight.hex"
    words = path.read_text().split()
    words[0] = f"{int(words[0], 16) ^ 0x40:02x}"
    path.write_text("\n".join(words) + "\n")


def truncating(folder: Path) -> None:
    text = (folder / "device.sv").read_text()
    (folder / "device.sv").write_text(text.replace("up ? below + 48'sd1 : below", "below"))


def silent(folder: Path) -> None:
    text = (folder / "device.sv").read_text()
    (folder / "device.sv").write_text(text.replace("assign out_valid = state == GIVE", "assign out_valid = 1'b0"))


def unknown(folder: Path) -> None:
    text = (folder / "device.sv").read_text()
    (folder / "device.sv").write_text(text.replace("$readmemh(BIASES, biases);", ""))


def missing(folder: Path) -> None:
    (folder.parent / "hex" / "dense.output.hex").unlink()


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_right_device_passes(bench: Path, simulator: str) -> None:
    done = made(bench, simulator)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{15 * OUTPUTS} words of dense.output compared on 15 images, 0 mismatches" in done.stdout + done.stderr


@pytest.mark.parametrize("mistake", [wrong_vector, wrong_weight, truncating, silent, unknown, missing])
def test_icarus_fails_a_wrong_device(bench: Path, mistake: Callable[[Path], None]) -> None:
    mistake(bench)
    done = made(bench, "icarus", "PLUSARGS=+timeout=500")
    assert done.returncode != 0
    assert "FAIL" in done.stdout


@pytest.mark.parametrize("mistake", [wrong_vector, truncating])
def test_cocotb_fails_a_wrong_device(bench: Path, mistake: Callable[[Path], None]) -> None:
    mistake(bench)
    done = made(bench, "cocotb")
    assert done.returncode != 0
    assert "expected" in done.stdout + done.stderr


def test_verilator_fails_a_wrong_device(bench: Path) -> None:
    wrong_vector(bench)
    done = made(bench, "verilator")
    assert done.returncode != 0
    assert "FAIL: word 44 of dense.output (image 14, index 2)" in done.stdout


def test_the_tools_are_there() -> None:
    """A missing tool fails here, by its name, instead of skipping the checks."""
    assert {tool: bool(shutil.which(tool)) for tool in ("iverilog", "vvp", "verilator", "make")} == dict.fromkeys(
        ("iverilog", "vvp", "verilator", "make"), True
    )
