"""An .onnx file with quantizers through the commands: its plan, the bits, and the check against the definition."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from frontends.onnx_quantized_zoo import SHAPE, qdq
from frontends.onnx_zoo import channels_last, expected, random

from .conftest import Run

IMAGES = 4


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    path = tmp_path / "quantized.onnx"
    onnx.save(qdq(), path)
    return path


@pytest.fixture
def batch() -> np.ndarray:
    """As the file reads it: channels first."""
    return random(IMAGES, *SHAPE[1:], seed=9)


def test_the_plan_in_the_file_gives_the_bits_of_the_file(
    run: Run, quantized: Path, batch: np.ndarray, tmp_path: Path
) -> None:
    plan, data, out = tmp_path / "plan.json", tmp_path / "data.npz", tmp_path / "bits"
    np.savez(data, x=channels_last(batch), y=np.zeros(IMAGES, int))
    made = run("plan", quantized, "--from-model", "--out", plan)
    assert made.exit_code == 0, made.stderr
    assert json.loads(plan.read_text())["sites"]["relu.output"] == "ap_ufixed<8,4,AP_RND_CONV,AP_SAT>"
    done = run("simulate", quantized, "--plan", plan, "--data", data, "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["exact"] is True
    files_bits = np.concatenate([expected(qdq(), image[None]) for image in batch])
    np.testing.assert_array_equal(np.load(out / "outputs.npy"), files_bits)
    checked = run("verify", quantized, "--plan", plan, "--data", data, "--json")
    assert checked.exit_code == 0, checked.stderr
    assert json.loads(checked.stdout)["mismatches"] == 0


def test_another_plan_gives_other_bits(run: Run, quantized: Path, batch: np.ndarray, tmp_path: Path) -> None:
    """What the comparison rests on: one format of the file's plan with a bit less."""
    plan, data, out = tmp_path / "plan.json", tmp_path / "data.npz", tmp_path / "bits"
    np.savez(data, x=channels_last(batch), y=np.zeros(IMAGES, int))
    run("plan", quantized, "--from-model", "--out", plan)
    plan.write_text(plan.read_text().replace("ap_ufixed<8,4,AP_RND_CONV,AP_SAT>", "ap_ufixed<7,4,AP_RND_CONV,AP_SAT>"))
    assert run("simulate", quantized, "--plan", plan, "--data", data, "--out", out).exit_code == 0
    files_bits = np.concatenate([expected(qdq(), image[None]) for image in batch])
    assert not np.array_equal(np.load(out / "outputs.npy"), files_bits)


def test_the_recipe_and_the_plan_in_the_file_are_one_too_many(run: Run, quantized: Path, tmp_path: Path) -> None:
    result = run("plan", quantized, "--from-model", "--word-length", "8", "--out", tmp_path / "plan.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--from-model takes the formats that the file holds: leave the recipe's options out." in result.stderr
    assert not (tmp_path / "plan.json").exists()
