"""`bittrue verify` on exports from the command line: mutations and certificates, their files and exit codes."""

import json
from pathlib import Path

import pytest

from bittrue.exports.mutation.bench import Bench

from .conftest import Run


@pytest.fixture
def planned(run: Run, model: Path, tmp_path: Path) -> list[object]:
    plan = tmp_path / "plan.json"
    assert run("plan", model, "--fraction-bits", 4, "--word-length", 8, "--out", plan).exit_code == 0
    return ["verify", model, "--plan", plan, "--data", "digits", "--until", "dense6", "--images", 1]


def test_mutations_are_counted_and_written(run: Run, planned: list[object], tmp_path: Path) -> None:
    done = run(*planned, "--mutate", 4, "--seed", 2, "--out", tmp_path / "study", "--json")
    assert done.exit_code == 0, done.stderr
    content = json.loads((tmp_path / "study" / "mutations.json").read_text())
    assert json.loads(done.stdout) == content
    assert (content["mutations"], content["escaped"], content["seed"]) == (4, 0, 2)
    assert "--mutate 4 --seed 2" in content["command"]


def test_a_mutation_that_escapes_is_exit_code_1(
    run: Run, planned: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "failure", lambda self, changed=None: None)
    monkeypatch.setattr(Bench, "ran", lambda self, check: None)
    done = run(*planned, "--mutate", 6, "--seed", 1)
    assert done.exit_code == 1
    assert "escaped" in done.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--mutate", 1, "--against", "qonnx"), "--mutate changes no files of 'qonnx'"),
        (("--certificate", "out.json", "--mutate", 1), "--certificate and --mutate are two questions"),
        (("--certificate", "out.yaml"), "name it out.json"),
        (("--mutate", 0), "greater than or equal to 1"),
    ],
)
def test_options_that_do_not_go_together(
    run: Run, planned: list[object], options: tuple[object, ...], says: str, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    done = run(*planned, *options)
    assert done.exit_code == 2
    assert says in done.stderr
    assert sorted(tmp_path.iterdir()) == before


def exporting(planned: list[object], folder: Path, *more: object) -> list[object]:
    _, model, *options = planned
    return ["export", model, *options, "--out", folder, *more]


WIDE = ("bn1.output=EXACT", "bn1.scale=ap_fixed<40,4>", "conv1.weight=ap_fixed<50,4>", "bn2.output=EXACT")

BAD_PLANS = {
    "FLOAT inside": (("bn2.output=FLOAT",), "FLOAT"),
    "FLOAT at the input": (("image.output=FLOAT",), "FLOAT"),
    "EXACT and too wide": (WIDE, "64 bits"),
}


@pytest.mark.parametrize(
    ("what", "target"), [(what, target) for what in BAD_PLANS for target in ("c", "vectors", "hls4ml", "memory")][:-1]
)
def test_a_plan_that_no_hardware_has_is_refused_before_anything_is_written(
    run: Run, planned: list[object], tmp_path: Path, what: str, target: str
) -> None:
    sites, says = BAD_PLANS[what]
    model, plan = planned[1], tmp_path / "bad.json"
    options = [text for site in sites for text in ("--site", site)]
    made = run("plan", model, "--ranges", ranges_of(run, model, tmp_path), "--word-length", 8, *options, "--out", plan)
    assert made.exit_code == 0, made.stderr
    wrong = [plan if str(option).endswith("plan.json") else option for option in planned]
    before = sorted(tmp_path.iterdir())
    done = run(*exporting(wrong, tmp_path / "hardware", "--to", target))
    assert done.exit_code == 2, done.stdout
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert sorted(tmp_path.iterdir()) == before


def ranges_of(run: Run, model: object, folder: Path) -> Path:
    path = folder / "ranges.json"
    assert run("ranges", model, "--data", "digits", "--images", 20, "--out", path).exit_code == 0
    return path


def test_what_a_target_cannot_have_names_where_to_stop(run: Run, planned: list[object], tmp_path: Path) -> None:
    whole = [option for option in planned if option not in ("--until", "dense6")]
    done = run(*exporting(whole, tmp_path / "hardware", "--to", "c"))
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: node softmax: ")
    assert "(--until dense6)" in done.stderr
    assert not (tmp_path / "hardware").exists()


@pytest.mark.parametrize("question", [("--against", "c"), ("--mutate", 1)])
def test_without_a_compiler(
    run: Run, planned: list[object], monkeypatch: pytest.MonkeyPatch, question: tuple[object, ...]
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    done = run(*planned, *question)
    assert done.exit_code == 2
    assert "needs no-such-compiler, which isn't there: install a C compiler" in done.stderr


def test_an_edited_export_is_refused(run: Run, planned: list[object], tmp_path: Path) -> None:
    folder = tmp_path / "hardware"
    assert run(*exporting(planned, folder, "--to", "c,vectors")).exit_code == 0
    with (folder / "c" / "digits.c").open("a") as file:
        file.write("\n")
    for arguments in ([*planned, "--against", folder], exporting(planned, folder, "--to", "c")):
        done = run(*arguments)
        assert done.exit_code == 2
        assert "c/digits.c" in done.stderr
        assert done.stderr.count("\n") == 1
