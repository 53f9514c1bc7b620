"""What the user can put right ends in one sentence and exit code 2, and leaves no file behind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from bittrue.cli import command

from .conftest import Doctor, Run

Arguments = list[object]


@dataclass(frozen=True)
class Bench:
    """What a case may use: a folder, the demo's model, images for it, and copies of the model with a flaw."""

    folder: Path
    model: Path
    images: Path
    doctor: Doctor

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def npz(self, name: str, **arrays: np.ndarray) -> Path:
        path = self.folder / name
        np.savez(path, **arrays)
        return path

    def plan(self, run: Run, model: Path | None = None) -> Path:
        path = self.folder / "plan.json"
        assert run("plan", model or self.model, "--fraction-bits", 4, "--out", path).exit_code == 0
        return path

    def study(self, model: object = None, data: object = None, *more: object) -> Arguments:
        return ["sweep", model or self.model, "--data", data or self.images, "--fraction-bits", "4", *more]


def poison(file: h5py.File) -> None:
    """NaN into the first array found."""

    def visit(name: str, item: object) -> bool | None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            item[(0,) * item.ndim] = np.nan
            return True
        return None

    file.visititems(visit)


X = np.zeros((3, 8, 8, 1), np.float32)

CASES: Mapping[str, tuple[Callable[[Bench, Run], Arguments], str]] = {
    "missing model": (lambda b, run: b.study("nowhere.keras"), "nowhere.keras"),
    "damaged model": (lambda b, run: b.study(b.file("cut.keras", b.model.read_bytes()[:9000])), "cut.keras"),
    "text as a model": (lambda b, run: b.study(b.file("text.keras", b"hello\n")), "text.keras"),
    "another kind of file": (lambda b, run: b.study(b.file("model.txt", b"hello\n")), "model.txt"),
    "a folder as a model": (lambda b, run: b.study(b.folder), "not a model"),
    "NaN weights": (lambda b, run: b.study(b.doctor(weights=poison)), "NaN"),
    "an unknown layer": (
        lambda b, run: b.study(b.doctor(config=lambda t: t.replace('"MaxPooling2D"', '"MaxoutPooling2D"'))),
        "MaxoutPooling2D",
    ),
    "a Lambda layer": (
        lambda b, run: b.study(b.doctor(config=lambda t: t.replace('"Dropout"', '"Lambda"'))),
        "never executes",
    ),
    "missing data": (lambda b, run: b.study(data="nowhere.npz"), "nowhere.npz"),
    "damaged data": (lambda b, run: b.study(data=b.file("cut.npz", b.images.read_bytes()[:500])), "cut.npz"),
    "empty data": (lambda b, run: b.study(data=b.npz("none.npz", x=X[:0], y=np.zeros(0, int))), "no examples"),
    "data without x": (lambda b, run: b.study(data=b.npz("y.npz", y=np.zeros(3, int))), "y.npz"),
    "data without labels": (lambda b, run: b.study(data=b.npz("x.npz", x=X)), "no labels"),
    "labels beyond the classes": (
        lambda b, run: b.study(data=b.npz("l.npz", x=X, y=np.array([0, 10, 1]))),
        "class 10",
    ),
    "images of another shape": (
        lambda b, run: b.study(data=b.npz("s.npz", x=np.zeros((3, 9, 9, 1)), y=np.zeros(3, int))),
        "--resize",
    ),
    "NaN in an image": (lambda b, run: b.study(data=b.npz("n.npz", x=X * np.nan, y=np.zeros(3, int))), "nan"),
    "an unknown split": (lambda b, run: b.study(None, None, "--split", "validation"), "validation"),
    "a split that isn't there": (lambda b, run: b.study(None, None, "--split", "train"), "train"),
    "no such size": (lambda b, run: b.study(None, None, "--resize", "8 by 8"), "HxW"),
    "no such scale": (lambda b, run: b.study(None, None, "--scale", "1/0"), "zero"),
    "no such mean": (lambda b, run: b.study(None, None, "--mean", "zero"), "numbers"),
    "no images": (lambda b, run: b.study(None, None, "--images", "0"), "--images"),
    "no batch": (lambda b, run: b.study(None, None, "--batch-size", "0"), "--batch-size"),
    "an unknown metric": (lambda b, run: b.study(None, None, "--metric", "f2"), "f2"),
    "nothing left to test on": (
        lambda b, run: ["sweep", b.model, "--data", b.images, "--word-length", "8", "--calibrate", "24"],
        "left",
    ),
    "fraction bits downwards": (
        lambda b, run: ["sweep", b.model, "--data", b.images, "--fraction-bits", "8:3"],
        "write 3:8",
    ),
    "fraction bits that are no number": (
        lambda b, run: ["sweep", b.model, "--data", b.images, "--fraction-bits", "few"],
        "'few'",
    ),
    "zero word length": (
        lambda b, run: ["sweep", b.model, "--data", b.images, "--word-length", "0:3"],
        "word length of 0",
    ),
    "two ranges at once": (
        lambda b, run: ["sweep", b.model, "--data", b.images, "--word-length", "4:8", "--fraction-bits", "3:4"],
        "one number for the other",
    ),
    "no bits at all": (lambda b, run: ["sweep", b.model, "--data", b.images], "--fraction-bits"),
    "an unknown recipe": (lambda b, run: b.study(None, None, "--recipe", "cake"), "cake"),
    "an unknown rounding": (lambda b, run: b.study(None, None, "--rounding", "AP_ROUND"), "AP_RND_CONV"),
    "an unknown overflow": (lambda b, run: b.study(None, None, "--overflow", "AP_WRAP_SM"), "AP_WRAP_SM"),
    "an unknown form of batch norm": (lambda b, run: b.study(None, None, "--batch-norm", "rough"), "rough"),
    "an unknown site": (
        lambda b, run: b.study(None, None, "--site", "conv1.wieght=FLOAT"),
        "did you mean conv1.weight",
    ),
    "bad notation": (lambda b, run: b.study(None, None, "--site", "conv1.weight=Q15"), "Q0.15"),
    "a site without a spec": (lambda b, run: b.study(None, None, "--site", "conv1.weight"), "NAME=SPEC"),
    "a plan that isn't there": (
        lambda b, run: ["simulate", b.model, "--plan", "nowhere.json", "--data", b.images],
        "nowhere.json",
    ),
    "a plan that is no plan": (
        lambda b, run: ["simulate", b.model, "--plan", b.file("p.json", b"{}"), "--data", b.images],
        "not a plan",
    ),
    "a plan that is no JSON": (
        lambda b, run: ["verify", b.model, "--plan", b.file("p.json", b"{"), "--data", b.images],
        "p.json",
    ),
    "a plan for another model": (
        lambda b, run: [
            "simulate",
            b.doctor(weights=lambda file: file.visititems(halve)),
            "--plan",
            b.plan(run),
            "--data",
            b.images,
        ],
        "another network",
    ),
    "ranges of another model": (
        lambda b, run: ["plan", b.model, "--word-length", "8", "--ranges", b.file("r.json", b'{"bittrue": 1}')],
        "r.json: not a ranges file (it lacks 'data')",
    ),
    "hardware without ranges": (lambda b, run: ["plan", b.model, "--word-length", "8"], "with --ranges"),
    "ranges that nothing reads": (
        lambda b, run: ["plan", b.model, "--fraction-bits", "4", "--ranges", "ranges.json"],
        "--ranges has no use in the recipe study",
    ),
    "a calibration that nothing reads": (
        lambda b, run: b.study(None, None, "--calibrate", "8"),
        "--calibrate has no use in the recipe study",
    ),
    "other data for a calibration that nothing reads": (
        lambda b, run: ["sweep", b.model, "--data", b.images, "--fraction-bits", "4", "--calibration", "digits"],
        "--calibration has no use in the recipe study",
    ),
    "ranges that a sweep has no use for": (
        lambda b, run: ["sweep", b.model, "--data", b.images, "--fraction-bits", "4", "--ranges", "ranges.json"],
        "--ranges has no use in the recipe study",
    ),
    "ranges beside a calibration": (
        lambda b, run: [
            *("sweep", b.model, "--data", b.images, "--word-length", "4"),
            *("--ranges", "ranges.json", "--calibrate", "8"),
        ],
        "--calibrate has no use beside --ranges",
    ),
    "a range in a plan": (lambda b, run: ["plan", b.model, "--fraction-bits", "3:8"], "one number"),
    "an unknown witness": (
        lambda b, run: ["verify", b.model, "--plan", b.plan(run), "--data", b.images, "--against", "d"],
        "no witness 'd'",
    ),
    "nodes without a folder": (
        lambda b, run: ["simulate", b.model, "--plan", b.plan(run), "--data", b.images, "--nodes"],
        "--out",
    ),
    "a folder without results": (lambda b, run: ["report", b.folder], "sweep.json"),
    "a folder that isn't there": (lambda b, run: ["report", b.folder / "nowhere"], "nowhere"),
    "a file as a folder": (lambda b, run: b.study(None, None, "--out", b.model / "results"), "results"),
    "a folder as a file": (
        lambda b, run: ["ranges", b.model, "--data", b.images, "--out", b.folder],
        "folder",
    ),
    "YAML to write": (
        lambda b, run: ["plan", b.model, "--fraction-bits", "4", "--out", b.folder / "plan.yaml"],
        "name it plan.json",
    ),
    "YAML to write after hours": (
        lambda b, run: ["ranges", b.model, "--data", b.images, "--out", b.folder / "ranges.yml"],
        "name it ranges.json",
    ),
    "YAML to read": (
        lambda b, run: ["simulate", b.model, "--plan", b.file("p.yaml", b"bittrue: 1\n"), "--data", b.images],
        "p.yaml is to hold JSON, whatever .yaml promises: name it p.json.",
    ),
    "a Python file without its function": (
        lambda b, run: b.study(b.file("m.py", b"def build():\n    pass\n")),
        "m.py:build.",
    ),
    "a name longer than a line": (
        lambda b, run: b.study(None, None, "--split", "x" * 3000),
        f"'{'x' * 38}…{'x' * 37}'",
    ),
    "a file in no folder": (
        lambda b, run: ["plan", b.model, "--fraction-bits", "4", "--out", b.folder / "nowhere" / "plan.json"],
        "nowhere",
    ),
    "a name that a terminal would obey": (lambda b, run: b.study("\x1b[31m\nred.keras"), "red.keras"),
    "a missing option": (lambda b, run: ["sweep", b.model, "--fraction-bits", "3"], "--data"),
    "a missing argument": (lambda b, run: ["inspect"], "MODEL"),
    "an unknown option": (lambda b, run: ["inspect", b.model, "--fast"], "--fast"),
    "an unknown command": (lambda b, run: ["optimise"], "optimise"),
}


def halve(name: str, item: object) -> None:
    if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
        item[...] = item[...] / 2


@pytest.fixture
def bench(tmp_path: Path, model: Path, images: Path, doctor: Doctor) -> Bench:
    return Bench(tmp_path, model, images, doctor)


@pytest.mark.parametrize("json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("case", CASES)
def test_one_sentence_and_no_files(case: str, json: bool, bench: Bench, run: Run) -> None:
    make, expected = CASES[case]
    arguments = make(bench, run)
    if "sweep" in arguments and "--out" not in arguments:
        arguments += ["--out", bench.folder / "new" / "results"]
    before = sorted(bench.folder.rglob("*"))
    result = run(*arguments, *(["--json"] if json else []))
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    # What was done before the data turned out to be bad may have been said.
    message = result.stderr.splitlines()[-1]
    assert [line for line in result.stderr.splitlines() if line.startswith("Error: ")] == [message]
    assert message.isprintable()
    assert message.endswith((".", "?"))
    assert expected in message
    assert "Traceback" not in result.stderr
    assert sorted(bench.folder.rglob("*")) == before


@pytest.mark.parametrize("also", [(), ("--site", "bn1.mean=FLOAT")], ids=["exact", "in float32"])
def test_a_variance_that_wraps_below_zero(also: tuple[str, ...], bench: Bench, run: Run) -> None:
    path = bench.folder / "plan.json"
    site = ("--site", "bn1.variance=ap_fixed<4,-4>")
    assert run("plan", bench.model, "--fraction-bits", 4, *site, *also, "--out", path).exit_code == 0
    result = run("simulate", bench.model, "--plan", path, "--data", bench.images)
    assert result.exit_code == 2
    assert "site bn1.variance: variance + epsilon is -0.0" in result.stderr


def test_debug_shows_the_traceback(bench: Bench, run: Run) -> None:
    result = run("inspect", "nowhere.keras", "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "nowhere.keras" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (
            ZeroDivisionError("by zero."),
            70,
            "Internal error, a bug in bittrue (ZeroDivisionError: by zero): run with --debug",
        ),
        (MemoryError(), 2, "Error: the memory is not enough"),
        (OSError(28, "No space left on device", "/data"), 2, "Error: /data can't be used (No space left on device)"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (KeyboardInterrupt("go on there"), 130, "Interrupted: go on there."),
    ],
)
def test_other_ends(
    error: BaseException, code: int, expected: str, run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("bittrue.frontends.load", fail)
    result = run("inspect", model)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(expected)
    assert len(result.stderr.splitlines()) == 1


def test_codes_are_those_documented() -> None:
    assert (command.ANSWER_IS_NO, command.USER_ERROR, command.INTERNAL_ERROR, command.INTERRUPTED) == (1, 2, 70, 130)
    assert command.NO_READER == 141
