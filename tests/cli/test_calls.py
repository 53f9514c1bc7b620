"""Commands that are printed: they hold every option that was given, and run as they are."""

import shlex
from pathlib import Path

import numpy as np
import pytest

from bittrue.cli.calls import arguments
from bittrue.cli.options import DataOptions, ModelOptions
from bittrue.cli.recipe_options import RecipeOptions

from .conftest import Run, succeed


def test_every_option_of_a_group_comes_back() -> None:
    data = DataOptions("my data.npz", split="train", resize="8x8", scale="1/64", mean="-0.5,1", std="2", layout="nchw")
    assert arguments(data) == [
        "--data", "my data.npz", "--split", "train", "--resize", "8x8", "--scale", "1/64", "--mean=-0.5,1",
        "--std", "2", "--layout", "nchw",
    ]  # fmt: skip
    assert arguments(DataOptions("digits")) == ["--data", "digits"]
    model = ModelOptions("model.py:build", Path("w.h5"), check=False)
    assert arguments(model) == ["model.py:build", "--weights", "w.h5", "--no-check"]
    recipe = RecipeOptions(recipe=["study", "hardware"], per_channel=True, site=["a=FLOAT", "b=4"])
    assert arguments(recipe) == [
        "--recipe", "study", "--recipe", "hardware", "--site", "a=FLOAT", "--site", "b=4", "--per-channel",
    ]  # fmt: skip


@pytest.fixture
def unlike(tmp_path: Path) -> Path:
    """Digits as nobody's default options read them: channels first, and to be divided by 64."""
    from bittrue.data import load_dataset

    batch = next(iter(load_dataset("digits").batches(120)))
    path = tmp_path / "my data.npz"
    np.savez(path, x=np.moveaxis((batch.x * 64).astype(np.uint8), -1, 1), y=batch.y)
    return path


def printed(text: str) -> list[list[str]]:
    """The commands in what a command has printed, without how bittrue was called."""
    lines = [shlex.split(line) for line in text.splitlines() if line.startswith("  ")]
    return [words[words.index("bittrue") + 1 :] for words in lines if "bittrue" in words]


def test_what_a_sweep_says_to_do_next_runs(run: Run, model: Path, unlike: Path, tmp_path: Path) -> None:
    read = ("--data", unlike, "--scale", "1/64", "--layout", "nchw")
    text = succeed(run, "sweep", model, *read, "--fraction-bits", "9", "--max-drop", "20", "--out", tmp_path / "a b")
    [verify] = printed(text)
    assert verify == ["verify", str(model), "--plan", str(tmp_path / "a b" / "plan.json"), *map(str, read)]
    assert "0 mismatches" in succeed(run, *verify)


@pytest.mark.parametrize(
    "asked",
    [
        ("--fraction-bits", "0:1", "--rounding", "AP_TRN", "--site", "softmax.output=FLOAT"),
        ("--weights", "1", "--activations", "1:2", "--biases", "3", "--per-channel", "--point", "least-squares"),
        ("--recipe", "study", "--recipe", "hardware", "--per-channel", "--fraction-bits", "0", "--word-length", "1"),
    ],
)
def test_what_a_sweep_that_collapses_says_to_do_next_runs(
    run: Run, model: Path, unlike: Path, tmp_path: Path, asked: tuple[str, ...]
) -> None:
    read = ("--data", unlike, "--scale", "1/64", "--layout", "nchw")
    text = succeed(run, "sweep", model, *read, *asked, "--out", tmp_path / "out")
    plan, trace = printed(text)
    assert (plan[0], trace[0]) == ("plan", "trace")
    assert set(map(str, read)) <= set(trace)
    succeed(run, *plan)
    made = Path(plan[plan.index("--out") + 1])
    assert trace[trace.index("--plan") + 1] == str(made)
    name = text.split("Which sites cost the accuracy of ")[1].split(":")[0]
    from bittrue.analysis.sweep_result import Sweep
    from bittrue.plan import Plan

    wanted = next(each for each in Sweep.load(tmp_path / "out" / "sweep.json").rows if each.name == name)
    assert Plan.load(made).hash == wanted.plan  # the row's own plan: no option is lost
    succeed(run, *trace, "--images", "4")
