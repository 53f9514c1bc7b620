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
        (("--mutate", 1, "--against", "c"), "--against and --mutate are two questions"),
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
