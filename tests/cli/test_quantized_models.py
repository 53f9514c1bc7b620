"""An .onnx file with quantizers through the commands: its plan, the bits, and the check against the definition."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import bittrue as bt
from bittrue.analysis.sweep_result import Sweep
from bittrue.plan import Plan
from bittrue.simulation.float_model import FloatModel
from frontends.onnx_quantized_zoo import QONNX, SHAPE, qdq, quant
from frontends.onnx_zoo import channels_last, expected, model, random, step

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
    result = run("plan", quantized, "--from-model", "--fraction-bits", "8", "--out", tmp_path / "plan.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--from-model takes the formats that the file holds, and only --word-length, --site and" in result.stderr
    assert not (tmp_path / "plan.json").exists()


def test_quantizers_that_are_left_out_are_named(run: Run, quantized: Path) -> None:
    done = run("inspect", quantized)
    assert done.exit_code == 0, done.stderr
    assert "quantized.onnx holds quantizers (7 sites), which the float network leaves out" in done.stderr


def test_the_plan_in_the_file_is_what_a_sweep_compares_with(
    run: Run, quantized: Path, batch: np.ndarray, tmp_path: Path
) -> None:
    data, out = tmp_path / "data.npz", tmp_path / "out"
    np.savez(data, x=channels_last(batch), y=np.zeros(IMAGES, int))
    done = run("sweep", quantized, "--data", data, "--fraction-bits", "6", "--out", out)
    assert done.exit_code == 0, done.stderr
    assert "leaves out" not in done.stderr
    assert "flips: images that only file (−)" in done.stdout
    assert "The file holds quantizers: the row file is their plan, with which all are compared" in done.stdout
    found = json.loads((out / "sweep.json").read_text())
    assert (found["reference"], [row["name"] for row in found["rows"]]) == ("file", ["float", "file", "F=6"])
    plan = tmp_path / "plan.json"
    run("plan", quantized, "--from-model", "--out", plan)
    assert found["rows"][1]["plan"] == Plan.load(plan).hash
    assert [row["lost"] is None for row in found["rows"]] == [False, True, False]
    assert "“file” is the plan that they are" in (out / "report.html").read_text()
    again = Sweep.load(out / "sweep.json")
    assert again.verdict == found["verdict"]
    assert [row.name for row in again.compared] == ["file", "F=6"]


def test_distances_are_those_from_the_plan_in_the_file(
    run: Run, quantized: Path, batch: np.ndarray, tmp_path: Path
) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, x=channels_last(batch), y=np.zeros(IMAGES, int))
    done = run("sweep", quantized, "--data", data, "--fraction-bits", "6", "--metric", "mse", "--json")
    floating, own, row = json.loads(done.stdout)["rows"]
    files_bits = np.concatenate([expected(qdq(), image[None]) for image in batch])
    network = bt.load_with_plan(quantized)[0]
    in_float = FloatModel(network).run(channels_last(batch)).astype(np.float64)
    assert own["mse"] == 0
    assert floating["mse"] == pytest.approx(float(np.mean((in_float - files_bits) ** 2)), rel=1e-12)
    simulated = bt.simulate(network, bt.study_plan(network, 6), data).outputs
    assert row["mse"] == pytest.approx(float(np.mean((simulated - files_bits) ** 2)), rel=1e-12)
    beside_float = bt.sweep(network, data, [bt.SweepRow("F=6", bt.study_plan(network, 6))], metric="mse")
    assert [found.mse for found in beside_float.rows] == [0, pytest.approx(float(np.mean((simulated - in_float) ** 2)))]


@pytest.mark.parametrize("command", ["simulate", "verify", "trace"])
def test_a_plan_takes_the_place_of_the_files(
    run: Run, quantized: Path, batch: np.ndarray, tmp_path: Path, command: str
) -> None:
    plan, data = tmp_path / "plan.json", tmp_path / "data.npz"
    np.savez(data, x=channels_last(batch), y=np.zeros(IMAGES, int))
    assert "quantizers" in run("plan", quantized, "--fraction-bits", "6", "--out", plan).stderr
    done = run(command, quantized, "--plan", plan, "--data", data)
    assert done.exit_code == 0, done.stderr
    assert "quantizers" not in done.stderr


@pytest.fixture
def half_quantized(tmp_path: Path) -> Path:
    """A softmax and a second dense layer of which the file says nothing."""
    steps = [
        quant("x", 4, 8),
        quant(random(6, 5, seed=1), 4, 4, name="w"),
        step("MatMul", "v0", "w", name="first"),
        quant("last", 3, 8, name="q"),
        step("Gemm", "q", random(5, 3, seed=2), random(3, seed=3), name="second"),
        step("Softmax", "last", axis=1, name="chances"),
    ]
    path = tmp_path / "half.onnx"
    onnx.save(model(("n", 6), steps, domains=[QONNX]), path)
    return path


def test_a_plan_in_a_file_is_completed(run: Run, half_quantized: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    alone = run("plan", half_quantized, "--from-model", "--json")
    sites = json.loads(alone.stdout)["sites"]
    assert (sites["second.weight"], sites["second.bias"], sites["chances.output"]) == ("FLOAT", "EXACT", "FLOAT")
    done = run(
        *("plan", half_quantized, "--from-model", "--word-length", "6", "--out", plan, "--json"),
        *("--site", "chances.output=ap_ufixed<8,0>", "--site", "first.output=10"),
    )
    assert done.exit_code == 2
    assert "site first.output: without ranges a word length says nothing of its binary point" in done.stderr
    done = run(
        *("plan", half_quantized, "--from-model", "--word-length", "6", "--out", plan, "--json"),
        *("--site", "chances.output=ap_ufixed<8,0,AP_RND_CONV,AP_SAT>"),
    )
    assert done.exit_code == 0, done.stderr
    completed = json.loads(plan.read_text())["sites"]
    assert completed["second.weight"].startswith("ap_fixed<6,")
    assert completed["second.bias"].startswith("ap_fixed<12,")
    assert completed["chances.output"] == "ap_ufixed<8,0,AP_RND_CONV,AP_SAT>"
    changed = {"second.weight", "second.bias", "chances.output"}
    assert {name: spec for name, spec in completed.items() if name not in changed} == {
        name: spec for name, spec in sites.items() if name not in changed
    }
    data = tmp_path / "data.npz"
    np.savez(data, x=random(3, 6, seed=4), y=np.zeros(3, int))
    simulated = run("simulate", half_quantized, "--plan", plan, "--data", data, "--json")
    assert json.loads(simulated.stdout)["exact"] is True


def test_sites_of_data_need_ranges(run: Run, half_quantized: Path, tmp_path: Path) -> None:
    ranges, data = tmp_path / "ranges.json", tmp_path / "data.npz"
    done = run("plan", half_quantized, "--from-model", "--word-length", "8")
    assert done.exit_code == 2
    assert "site chances.output: without ranges" in done.stderr
    np.savez(data, x=random(3, 6, seed=4), y=np.zeros(3, int))
    assert run("ranges", half_quantized, "--data", data, "--out", ranges).exit_code == 0
    done = run("plan", half_quantized, "--from-model", "--word-length", "8", "--ranges", ranges, "--json")
    assert done.exit_code == 0, done.stderr
    assert "FLOAT" not in json.loads(done.stdout)["sites"].values()
