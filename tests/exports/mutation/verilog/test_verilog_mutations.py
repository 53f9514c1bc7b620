"""Changes of the exported Verilog: those that change a code are caught in Verilator, and the others have a reason that
was counted."""

import re
from pathlib import Path
from random import Random

import pytest

from bittrue.errors import BittrueError
from bittrue.exports.manifest import sha256_of
from bittrue.exports.mutation.kinds import MEMORIES, PARAMETERS, VERILOG_KINDS
from bittrue.exports.mutation.mutant import Trial
from bittrue.exports.mutation.mutate import mutate
from bittrue.exports.mutation.verilog.bench import VerilogBench, verilog_bench_of
from bittrue.exports.mutation.verilog.parameters import another_overflow, fewer, near, switched
from bittrue.exports.verilog.design import design_of
from bittrue.exports.verilog.library import library_text
from bittrue.exports.verilog.options import VerilogOptions
from cases import CASES
from exports.verilog.residual import NETWORK, images, job, plan
from exports.verilog.sweep import job_of
from exports.verilog.test_against_simulation import plan_of


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> VerilogBench:
    """Two convolutions, the second one's result added to the first one's, which waits in a queue."""
    return verilog_bench_of(job(2), tmp_path_factory.mktemp("bench"))


def drawn(bench: VerilogBench, kind: str, wanted: str, seed: int = 1) -> Trial:
    """A mutation whose file, place or change has a text in it."""
    random = Random(seed)
    for _ in range(1000):
        trial = VERILOG_KINDS[kind](bench, random)
        assert trial is not None
        if wanted in f"{trial.mutation.file} {trial.mutation.place} {trial.mutation.before} → {trial.mutation.after}":
            return trial
    raise AssertionError(f"no {kind} with {wanted}")


@pytest.mark.parametrize(
    ("kind", "wanted", "says"),
    [
        ("weight bit", "bit 6", r"conv\d\.output|sum\.output, image \d, index \d+: expected 0x"),
        ("rounding mode", ".ROUNDING(0) → .ROUNDING(5)", r"\.output, image \d, index"),
        ("queue depth", ".DEPTH(1)", "FAIL: nothing moves"),
    ],
)
def test_what_changes_a_code_is_caught_and_the_files_are_as_before(
    bench: VerilogBench, kind: str, wanted: str, says: str
) -> None:
    before = {path: sha256_of(path) for path in _exported(bench)}
    by = drawn(bench, kind, wanted).run()
    assert by is not None
    assert re.search(says, by)
    assert {path: sha256_of(path) for path in _exported(bench)} == before
    assert bench.failure(rebuilt=False) is None


def _exported(bench: VerilogBench) -> list[Path]:
    listed = (bench.verilog / "sources.f").read_text().split()
    return [*(bench.verilog / name for name in listed), *(bench.verilog / "memory").iterdir()]


def test_what_survives_has_a_reason_that_was_counted(bench: VerilogBench) -> None:
    trial = drawn(bench, "accumulator width", "conv1")
    assert trial.run() is None
    reason = trial.explain()
    assert reason is not None
    assert re.fullmatch(r"no sum needs more bits: [\d,]+ numbers in conv1.output's module, none changes", reason)


def test_a_check_that_notices_nothing_lets_mutations_escape(
    bench: VerilogBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary: the comparison of the codes says that all are right."""
    monkeypatch.setattr(VerilogBench, "difference", lambda self: None)
    trials = [drawn(bench, "weight bit", "bit 6", seed) for seed in range(4)]
    assert [trial.run() for trial in trials] == [None] * 4
    assert any(trial.explain() is None for trial in trials)


def test_the_report_counts_them() -> None:
    found = mutate(NETWORK, plan(), images(2), 3, against="verilog", verilog=VerilogOptions(multipliers=3), seed=2)
    assert len(found.mutants) == 3
    assert found.mismatches == 0
    assert all(each.mutation.file.startswith("verilog/") for each in found.mutants)


def test_exports_whose_files_stay_as_they_are() -> None:
    with pytest.raises(BittrueError, match="changes no files of 'qonnx', .*: choose c or verilog"):
        mutate(NETWORK, plan(), images(1), 1, against="qonnx")


def test_every_memory_and_every_parameter_is_there() -> None:
    """What is listed by name exists, and every memory that a module reads is listed."""
    for places, _ in PARAMETERS.values():
        for module, name in places:
            assert re.search(rf"parameter [^;)]*\b{name} =", library_text(module)), (module, name)
    listed = {role for roles, _ in MEMORIES.values() for role in roles}
    for case in CASES:
        try:
            design = design_of(job_of(case, plan_of(case)))
        except BittrueError:
            continue
        roles = {memory.name.rpartition(".")[2] for module in design.modules for memory in module.draft.memories}
        assert {role.rstrip("0123456789") for role in roles} <= listed, case.name


def test_what_a_parameter_becomes() -> None:
    assert list(near()("-3")) == ["-4", "-2"]
    assert list(near(0)("0")) == ["1"]
    assert list(near()("4'sh0")) == ["4'shf", "4'sh1"]
    assert list(near()("7'h5c")) == ["7'h5b", "7'h5d"]
    assert list(fewer("36")) == ["35", "18", "1"]
    assert list(fewer("2")) == ["1"]
    assert list(switched("1'b1")) == ["1'b0"]
    assert list(another_overflow("4")) == ["0", "1", "2"]
