"""The folder of a Verilog export, the multipliers of its layers, and what has no module."""

from dataclasses import replace
from pathlib import Path

import pytest

from bittrue.errors import BittrueError
from bittrue.exports.export import export
from bittrue.exports.job import Job, until
from bittrue.exports.verilog.design import design_of
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.plan import Plan, PlanOptions, uniform_plan
from cases import CASES
from exports.verilog.sweep import job_of

CASE = next(case for case in CASES if case.name == "whole")


def plan() -> Plan:
    return uniform_plan(CASE.network, 8, 4, options=PlanOptions(batch_norm="affine", rounding_points="fused"))


def test_the_folder_holds_modules_memories_and_a_table(tmp_path: Path) -> None:
    made = export(CASE.network, plan(), "verilog", tmp_path / "out", until_node="dense")
    folder = tmp_path / "out" / "verilog"
    sources = (folder / "sources.f").read_text().split()
    assert all((folder / source).is_file() for source in sources)
    sites = made.manifest["sites"]
    weights = [entry["files"]["verilog"] for name, entry in sites.items() if name.endswith(".weight")]
    assert all((tmp_path / "out" / path).is_file() for path in weights)
    table, sentence, *_ = made.remarks
    assert not isinstance(table, str)
    assert table.title == "Verilog at 100 MHz"
    assert "an image every" in str(sentence)


def test_the_same_export_has_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        export(CASE.network, plan(), "verilog", tmp_path / name, until_node="dense").manifest["files"]
        for name in ("first", "second")
    )
    assert first == second


def test_softmax_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BittrueError, match=r"node softmax: .*--until dense"):
        export(CASE.network, plan(), "verilog", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("conv1", "'conv1' isn't"),
        ("conv1=0", "give it one at least"),
        ("conv1=2,conv1=3", "twice"),
        ("conv1=two", "'conv1=two' isn't"),
    ],
)
def test_what_parallel_doesnt_take(text: str, problem: str) -> None:
    with pytest.raises(BittrueError, match=problem):
        VerilogOptions.parsed(text, None)


@pytest.mark.parametrize("clock", [0.0, -1.0, float("nan"), float("inf")])
def test_clocks_that_dont_tick(clock: float) -> None:
    with pytest.raises(BittrueError, match="doesn't tick: give one above 0"):
        VerilogOptions(clock=clock)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (VerilogOptions({"nowhere": 2}), "has no sum of products: name some of"),
        (VerilogOptions(multipliers=1), "layers that need one each"),
    ],
)
def test_multipliers_that_cant_be_shared_out(options: VerilogOptions, problem: str) -> None:
    with pytest.raises(BittrueError, match=problem):
        design_of(job_of(CASE, plan(), options))


def test_more_multipliers_are_never_slower() -> None:
    cycles = [design_of(_until_dense(VerilogOptions(multipliers=count))).cycles for count in (2, 3, 5, 9)]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[0] > cycles[-1]


def _until_dense(options: VerilogOptions) -> Job:
    job = job_of(CASE, plan(), options)
    return replace(job, program=until(job.program, "dense"))
