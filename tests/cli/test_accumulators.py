"""Accumulators from the command line: their widths, and a plan that has some, simulated and checked."""

import json
from pathlib import Path
from typing import Any

import pytest

from bittrue.files import read_json
from bittrue.simulation.sums import accumulators
from cli.conftest import Run

LAYERS = ["conv1", "conv2", "conv3", "conv4", "dense5", "dense6"]
NARROW = ("--site", "conv1.accumulator=ap_fixed<10,0,AP_RND,AP_SAT>", "--site", "dense6.accumulator=ap_fixed<9,5>")


def answer(run: Run, *arguments: object, exit_code: int = 0) -> Any:
    result = run(*arguments, "--json", "--threads", "1")
    assert result.exit_code == exit_code, result.stderr
    return json.loads(result.stdout)


def test_ranges_report_the_accumulators(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    result = run("ranges", model, "--data", images, "--out", path)
    assert result.exit_code == 0
    assert "Accumulators for 8-bit words of the hardware recipe" in result.stdout
    content: Any = read_json(path, "ranges file")
    layers = content["accumulators"]["layers"]
    assert [layer["node"] for layer in layers] == LAYERS
    assert all(layer["any_order"]["format"] in result.stdout for layer in layers)
    for layer in layers:
        words = [layer[name]["word_length"] for name in ("any_input", "any_order", "in_order", "final")]
        assert words == sorted(words, reverse=True)
    # The file serves as ranges, and a plan made of it has the same accumulators.
    plan = tmp_path / "plan.json"
    assert run("plan", model, "--ranges", path, "--word-length", "8", "--out", plan).exit_code == 0
    assert answer(run, "ranges", model, "--data", images, "--plan", plan)["accumulators"] == content["accumulators"]
    wider = answer(run, "ranges", model, "--data", images, "--word-length", "10")["accumulators"]["layers"]
    for eight, ten in zip(layers, wider, strict=True):
        assert ten["any_order"]["word_length"] > eight["any_order"]["word_length"]


def test_a_plan_and_a_word_length_are_one_too_many(run: Run, model: Path, images: Path) -> None:
    result = run("ranges", model, "--data", images, "--plan", "plan.json", "--word-length", "8")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: --plan has its own word lengths: leave --word-length out.\n"


@pytest.mark.parametrize("product", ["exact", "quantized"])
def test_narrow_accumulators_overflow_and_are_checked(
    run: Run, model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, product: str
) -> None:
    ranges, plan = tmp_path / "ranges.json", tmp_path / "plan.json"
    answer(run, "ranges", model, "--data", images, "--out", ranges)
    answer(run, "plan", model, "--ranges", ranges, "--word-length", "8", "--product", product, *NARROW, "--out", plan)
    simulated = answer(run, "simulate", model, "--plan", plan, "--data", images)
    counts = {site: n for site, n in simulated["overflows"].items() if site.endswith(".accumulator")}
    assert set(counts) == {"conv1.accumulator", "dense6.accumulator"}
    assert min(counts.values()) > 0
    strategies = {layer["node"]: layer["strategy"] for layer in simulated["layers"]}
    assert {strategies["conv1"], strategies["dense6"]} == {"float32, product by product"}
    verify = ("verify", model, "--plan", plan, "--data", images, "--images", "1")
    assert answer(run, *verify)["mismatches"] == 0

    limit = accumulators._limit_
    monkeypatch.setattr(accumulators, "_limit_", lambda *arguments: max(limit(*arguments) - 1, 0))
    found = answer(run, *verify, exit_code=1)["first"]
    assert (found["site"], found["what"]) == ("conv1.accumulator", "overflows")
