"""Each command on the demo's model: what it prints, what it writes, and what it says under --json."""

import csv
import io
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bittrue.analysis.verify
from bittrue.analysis.statistics.fixed_sample import mcnemar_exact
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.verdict import Row
from bittrue.analysis.verify import FirstMismatch
from bittrue.cli.demo import next_commands
from bittrue.cli.tables import print_view
from bittrue.files import dump_json
from bittrue.fixed import parse_quantizer
from bittrue.frontends import load
from bittrue.plan import Plan, PlanOptions, Ranges, WordLengths, plan_from_ranges, study_plan, uniform_plan

from .conftest import Doctor, Run, succeed, succeed_in_json

RESULTS = {"accuracy.png", "network.txt", "plan.json", "ranges.json", "report.html", "results.sqlite", "sweep.json"}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def plan(run: Run, model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    succeed(run, "plan", model, "--fraction-bits", "5", "--out", path)
    return path


def test_inspect(run: Run, model: Path) -> None:
    network = load(model)
    text = succeed(run, "inspect", model)
    assert network.text in text
    assert network.hash in text
    found = succeed_in_json(run, "inspect", model)
    assert found["text"] == network.text
    assert found["parameters"] == network.parameter_count == sum(node["parameters"] for node in found["nodes"])
    assert [node["name"] for node in found["nodes"]] == [node.name for node in network.nodes]
    names = [site["name"] for site in found["sites"]]
    assert "bn1.scale" in names
    assert "bn1.gamma" not in names


def test_inspect_lists_the_sites_of_the_form_asked_for(run: Run, model: Path) -> None:
    found = succeed_in_json(run, "inspect", model, "--batch-norm", "raw", "--softmax", "table")
    names = {site["name"] for site in found["sites"]}
    assert {"bn1.gamma", "bn1.variance", "softmax.sum"} <= names
    assert "bn1.scale" not in names


def test_ranges(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    text = succeed(run, "ranges", model, "--data", images, "--images", "10", "--out", path)
    assert "on 10 images of images.npz" in text
    assert text.endswith(f"Written: {path}\n")
    found = read(path)
    assert found == succeed_in_json(run, "ranges", model, "--data", images, "--images", "10")
    assert set(found["sites"]) == {f"{node.name}.output" for node in load(model).nodes}


def test_options_of_the_data_reach_it(run: Run, model: Path, images: Path) -> None:
    options = ["--resize", "8x8", "--scale", "1/2", "--mean", "0.25", "--std", "0.5", "--layout", "nhwc"]
    found = succeed_in_json(run, "ranges", model, "--data", images, *options)["sites"]["image.output"]
    assert (found["min"], found["max"]) == (-0.5, 0.5)


def test_trace(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "plan.json", tmp_path / "new" / "traced"
    succeed(run, "plan", model, "--fraction-bits", "3", "--out", path)
    text = succeed(run, "trace", model, "--plan", path, "--data", images, "--images", "20", "--out", out)
    assert text.endswith(f"Written into {out}\n")
    assert "What the quantizers did on 20 images, the worst first" in text
    assert "What freeing each of 49 sites brings, the best first" in text
    assert "bn1.variance: 16 of 16 channels round to 0 at 3 fraction bits; the output grows up to 6.15×; " in text
    found = read(out / "trace.json")
    assert found == succeed_in_json(run, "trace", model, "--plan", path, "--data", images, "--images", "20")
    assert (found["images"], found["data"]["images"]) == (20, 20)
    assert all(sentence in text for sentence in found["diagnosis"])


def test_plan_by_each_recipe(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    network = load(model)
    study = succeed_in_json(run, "plan", model, "--fraction-bits", "5")
    assert study == study_plan(network, 5).to_json()
    uniform = succeed_in_json(run, "plan", model, "--fraction-bits", "5", "--word-length", "12")
    assert uniform == uniform_plan(network, 12, 5).to_json()
    ranges = tmp_path / "ranges.json"
    succeed(run, "ranges", model, "--data", images, "--out", ranges)
    hardware = succeed_in_json(run, "plan", model, "--word-length", "8", "--ranges", ranges, "--per-channel")
    assert hardware["sites"]["image.output"] == "ap_ufixed<8,1,AP_RND_CONV,AP_SAT>"
    assert len(hardware["sites"]["conv1.weight"]) == 16


def test_word_lengths_by_kind_of_site(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    ranges = tmp_path / "ranges.json"
    succeed(run, "ranges", model, "--data", images, "--out", ranges)
    whole = ("plan", model, "--ranges", ranges)
    both = ("--weights", "4", "--activations", "6")

    def words(*options: object) -> dict[str, int]:
        sites = succeed_in_json(run, *whole, *options)["sites"]
        names = ("conv1.weight", "image.output", "bn1.scale", "conv1.bias")
        return {name: parse_quantizer(sites[name]).format.word_length for name in names}

    assert list(words(*both).values()) == [4, 6, 6, 12]
    assert list(words(*both, "--scales", "9", "--biases", "20").values()) == [4, 6, 9, 20]
    assert list(words("--word-length", "8", "--weights", "4").values()) == [4, 8, 8, 16]
    assert list(words("--word-length", "8", "--site", "conv*.weight=4").values()) == [4, 8, 8, 16]
    each = succeed_in_json(run, *whole, "--word-length", "8", "--site", "conv1.weight=4,per-channel")["sites"]
    assert len(each["conv1.weight"]) == 16
    finer = succeed_in_json(run, *whole, *both, "--point", "least-squares")
    assert (
        finer["sites"]
        == plan_from_ranges(load(model), Ranges.load(ranges), WordLengths(4, 6), point="least-squares").to_json()[
            "sites"
        ]
    )
    swept = ("sweep", model, "--data", images, "--activations", "6", "--weights")
    text = succeed(run, *swept, "4:5", "--point", "least-squares")
    assert [line.split()[0] for line in text.splitlines()[3:6]] == ["float", "W4A6", "W5A6"]
    for options, message in (
        ((*whole, "--weights", "4"), "give --word-length, or --weights and --activations"),
        ((*whole, *both, "--word-length", "4:6"), "--word-length 4:6 is a range, which only `bittrue sweep` takes"),
        ((*swept, "4:5", "--word-length", "6:8"), "--word-length and --weights are both ranges"),
        (("plan", model, *both, "--fraction-bits", "3"), "leave --weights, --activations, --scales"),
        (("plan", model, "--fraction-bits", "3", "--point", "range"), "--point is about binary points from ranges"),
    ):
        failed = run(*options)
        assert (failed.exit_code, failed.stdout) == (2, "")
        assert message in failed.stderr


def test_each_option_of_the_recipe_overrides_its_part(run: Run, model: Path) -> None:
    found = succeed_in_json(
        run,
        *("plan", model, "--fraction-bits", "4", "--word-length", "10", "--rounding", "AP_TRN", "--overflow", "wrap"),
        *("--batch-norm", "affine", "--rounding-points", "fused", "--softmax", "table", "--product", "quantized"),
        *("--layer-norm", "table"),
        *(
            "--site",
            "*.weight=ap_fixed<6,1,AP_RND,AP_SAT>",
            "--site",
            "dense6.output=FLOAT",
            "--site",
            "bn1.scale=Q3.4",
        ),
    )
    assert PlanOptions(**found["options"]) == PlanOptions("affine", "fused", "table", "quantized", "table")
    assert found["sites"]["image.output"] == "ap_fixed<10,6,AP_TRN,AP_WRAP>"
    assert found["sites"]["conv2.weight"] == "ap_fixed<6,1,AP_RND,AP_SAT>"
    assert found["sites"]["dense6.output"] == "FLOAT"
    assert found["sites"]["bn1.scale"] == "ap_fixed<8,4,AP_TRN,AP_WRAP>"


def test_a_plan_as_a_table(run: Run, model: Path) -> None:
    text = succeed(run, "plan", model, "--fraction-bits", "-4000", "--word-length", "4096", "--site", "*.mean=FLOAT")
    assert "2^4000" in text
    assert "6.88359e+2436" in text
    assert "FLOAT" in text


def test_sweep_without_a_folder_leaves_no_file(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    text = succeed(run, "sweep", model, "--data", images, "--fraction-bits", "3:5")
    assert [line.split()[0] for line in text.splitlines()[3:7]] == ["float", "F=3", "F=4", "F=5"]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("no_pictures")
def test_sweep_into_a_folder(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "results"
    options = ["--fraction-bits", "3:5", "--max-drop", "90"]  # so that few images show it
    text = succeed(run, "sweep", model, "--data", images, *options, "--out", out)
    assert {path.name for path in out.iterdir()} == RESULTS
    found = read(out / "sweep.json")
    assert found["verdict"] in text
    assert str(out / "report.html") in text
    assert found["command"] == shlex.join(
        ["bittrue", "sweep", str(model), "--data", str(images), *options, "--out", str(out)]
    )
    assert (out / "network.txt").read_text() == load(model).text
    hashes = [row["plan"] for row in found["rows"][1:]]
    assert Plan.from_json(read(out / "plan.json"), "plan.json").hash in hashes
    assert read(out / "ranges.json")["data"]["images"] == 24


@pytest.mark.usefixtures("no_pictures")
def test_sweep_decides_early(run: Run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("sweep", model, "--data", "digits", "--fraction-bits", "7:8", "--seed", "3", "--out", out)
    text = succeed(run, *asked, "--decide", "10")
    assert "difference, points" in text
    assert "(this test set of 500 images, decided on " in text
    found = read(out / "sweep.json")
    assert (found["max_drop"], found["decide"]["seed"]) == (10.0, 3)
    assert all(row["images"] <= 500 for row in found["rows"])
    assert "Each row ended as soon as it was decided" in (out / "report.html").read_text("utf-8")
    again = succeed_in_json(run, *asked, "--decide", "10")
    assert again == found | {"command": again["command"]}
    assert "--seed 3 has no use without --decide" in run(*asked).stderr
    for more, sentence in {
        ("--max-drop", "2"): "leave --max-drop 2 out",
        ("--metric", "sqnr"): "--metric sqnr judges none so",
    }.items():
        result = run(*asked, "--decide", "10", *more)
        assert result.exit_code == 2
        assert sentence in result.stderr


def test_sweep_by_word_length_measures_ranges_on_images_that_it_leaves_out(
    run: Run, model: Path, images: Path, tmp_path: Path
) -> None:
    arguments = [
        "sweep",
        model,
        "--data",
        images,
        "--word-length",
        "6:7",
        "--calibrate",
        "8",
        "--out",
        tmp_path / "out",
    ]
    found = succeed_in_json(run, *arguments)
    assert [row["name"] for row in found["rows"]] == ["float", "W=6", "W=7"]
    assert found["data"]["images"] == 16
    assert found["calibration"]["images"] == read(tmp_path / "out/ranges.json")["data"]["images"] == 8


def test_sweep_by_word_length_measures_ranges_on_the_training_split(run: Run, model: Path) -> None:
    found = succeed_in_json(run, "sweep", model, "--data", "digits", "--word-length", "8", "--calibrate", "30")
    assert (found["data"]["split"], found["data"]["images"]) == ("test", 500)
    assert (found["calibration"]["split"], found["calibration"]["images"]) == ("train", 30)


def test_sweep_by_word_length_measures_ranges_on_other_data(run: Run, model: Path, images: Path) -> None:
    by_others = ("sweep", model, "--data", images, "--word-length", "6", "--calibration")
    found = succeed_in_json(run, *by_others, "digits", "--calibrate", "30")
    facts = {key: found["calibration"][key] for key in ("name", "split", "images")}
    assert facts == {"name": "digits", "split": "train", "images": 30}
    assert found["data"]["images"] == 24
    # Data without a training split are taken as they are.
    found = succeed_in_json(run, "sweep", model, "--data", "digits", "--word-length", "6", "--calibration", images)
    facts = {key: found["calibration"][key] for key in ("split", "images")}
    assert (facts, found["data"]["images"]) == ({"split": "test", "images": 24}, 500)


@pytest.mark.usefixtures("no_pictures")
def test_sweep_takes_the_ranges_of_another_command(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    asked = ("sweep", model, "--data", images, "--word-length", "6")
    found = succeed_in_json(run, *asked, "--calibrate", "8", "--out", tmp_path / "out")
    again = succeed_in_json(run, *asked, "--ranges", tmp_path / "out/ranges.json")
    assert {**again, "command": ""} == {**found, "command": ""}
    succeed_in_json(run, "ranges", model, "--data", images, "--images", "8", "--out", tmp_path / "ranges.json")
    again = succeed_in_json(run, *asked, "--ranges", tmp_path / "ranges.json")
    assert {**again, "command": ""} == {**found, "command": ""}


def test_sweep_of_fraction_bits_in_words(run: Run, model: Path, images: Path) -> None:
    network = load(model)
    found = succeed_in_json(run, "sweep", model, "--data", images, "--fraction-bits", "3:4", "--word-length", "9")
    assert [row["name"] for row in found["rows"]] == ["float", "F=3", "F=4"]
    assert found["rows"][2]["plan"] == uniform_plan(network, 9, 4).hash


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("metric", ["mse", "sqnr"])
def test_sweep_beside_float(metric: str, run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    arguments = ["sweep", model, "--data", images, "--fraction-bits", "3:4", "--metric", metric]
    text = succeed(run, *arguments)
    assert "SQNR" in text
    assert " dB" in text
    succeed(run, *arguments, "--out", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == RESULTS - {"accuracy.png", "plan.json"}


def test_a_hopeless_row_is_worse(capsys: pytest.CaptureFixture[str]) -> None:
    ends = (0.1, 0.9)
    whole = Row("float", None, False, 10_000, 0.9, accuracy_interval=ends, accuracy_over_ties=ends, loss=1.0, tied=0)
    lost, gained = 7311, 148
    hopeless = replace(
        whole, name="F=1", plan="sha256:0", accuracy=0.1, lost=lost, gained=gained, p_value=mcnemar_exact(lost, gained)
    )
    print_view(Sweep("sha256:0", "n", {"name": "digits", "images": 10_000}, "accuracy", (whole, hopeless)).view())
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("F=1 "))
    assert line.split()[-3:] == ["+148", "worse", "0"]


def test_simulate(run: Run, model: Path, images: Path, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = succeed(run, "simulate", model, "--plan", plan, "--data", images, "--out", out, "--nodes")
    assert "exact, proven for every layer" in text
    found = read(out / "simulate.json")
    assert found == succeed_in_json(run, "simulate", model, "--plan", plan, "--data", images, "--batch-size", "5")
    assert [line.split()[0] for line in text.splitlines()[3 : 3 + len(found["layers"])]] == [
        layer["node"] for layer in found["layers"]
    ]
    assert np.load(out / "outputs.npy").shape == (24, 10)
    assert np.load(out / "nodes" / "conv1.npy").shape == (24, 8, 8, 16)


def test_a_sweep_that_collapses_ends_with_commands_that_say_why(
    run: Run, model: Path, images: Path, tmp_path: Path
) -> None:
    for bits in (["--fraction-bits", "1"], ["--word-length", "2:3", "--calibrate", "8"]):
        folder = tmp_path / bits[0]
        lines = succeed(run, "sweep", model, "--data", images, *bits, "--out", folder).splitlines()
        assert "No plan.json: no row is shown to suffice." in lines
        commands = [line.partition(" bittrue ")[2] for line in lines if " bittrue " in line]
        plan_command, trace_command = map(shlex.split, commands)
        succeed(run, *plan_command)
        assert "freeing" in succeed(run, *trace_command).lower()
        assert (folder / "trace.json").exists()


def test_tables_as_csv_and_latex(run: Run, model: Path, images: Path, plan: Path) -> None:
    sweep = ["sweep", model, "--data", images, "--fraction-bits", "3:4"]
    rows = list(csv.DictReader(io.StringIO(succeed(run, *sweep, "--csv"))))
    found = succeed_in_json(run, *sweep)["rows"]
    assert [row["name"] for row in rows] == ["float", "F=3", "F=4"]
    assert [float(row["loss"]) for row in rows] == [row["loss"] for row in found]
    assert [float(row["accuracy_interval_low"]) for row in rows] == [row["accuracy_interval"][0] for row in found]
    latex = succeed(run, *sweep, "--latex")
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    assert r"accuracy \%" in latex
    for command in (
        ["inspect", model],
        ["plan", model, "--word-length", "8", "--fraction-bits", "4"],
        ["ranges", model, "--data", images],
        ["simulate", model, "--plan", plan, "--data", images],
        ["trace", model, "--plan", plan, "--data", images, "--images", "2"],
        ["verify", model, "--plan", plan, "--data", images, "--images", "1"],
    ):
        rows = list(csv.reader(io.StringIO(succeed(run, *command, "--csv"))))
        assert len({len(row) for row in rows}) == 1, command
        assert len(rows) > 1
        assert succeed(run, *command, "--latex").startswith("% Needs")


def test_one_form_at_a_time(run: Run, model: Path) -> None:
    result = run("inspect", model, "--json", "--csv")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "Error: --json and --csv both claim standard output: leave one out."


def test_verify_into_a_folder(run: Run, model: Path, images: Path, plan: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "found"
    arguments = ["verify", model, "--plan", plan, "--data", images, "--images", "1", "--out", folder]
    assert succeed(run, *arguments).splitlines()[-1] == f"Written into {folder}"
    assert read(folder / "verify.json") == succeed_in_json(run, *arguments)
    assert [path.name for path in folder.iterdir()] == ["verify.json"]


def test_verify(run: Run, model: Path, images: Path, plan: Path) -> None:
    arguments = ["verify", model, "--plan", plan, "--data", images, "--images", "1"]
    assert "on 1 image, 0 mismatches." in succeed(run, *arguments)
    found = succeed_in_json(run, *arguments)
    assert (found["against"], found["images"], found["mismatches"], found["first"]) == ("reference", 1, 0, None)


def test_a_mismatch_is_exit_code_1(
    run: Run, model: Path, images: Path, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = bittrue.analysis.verify.verify

    def differing(*arguments: Any, **options: Any) -> Any:
        import dataclasses

        first = FirstMismatch("conv1.output", "code", 0, 7, 3, 4)
        return dataclasses.replace(original(*arguments, **options), mismatches=1, first=first)

    monkeypatch.setattr("bittrue.exports.witness.against_the_definition", differing)
    arguments = ["verify", model, "--plan", plan, "--data", images, "--images", "1"]
    result = run(*arguments)
    assert result.exit_code == 1
    assert "The first: code of conv1.output, image 0, index 7." in result.stdout
    assert "Expected 3, got 4." in result.stdout
    result = run(*arguments, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["first"]["site"] == "conv1.output"


@pytest.mark.usefixtures("no_pictures")
def test_report(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    succeed(run, "sweep", model, "--data", images, "--fraction-bits", "4", "--out", out)
    page = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert str(out / "report.html") in succeed(run, "report", out)
    assert (out / "report.html").read_bytes() == page
    assert succeed_in_json(run, "report", out)["report"] == str(out / "report.html")


def test_outputs_are_replaced(run: Run, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")
    succeed(run, "plan", model, "--fraction-bits", "5", "--out", path)
    assert path.read_text() == dump_json(study_plan(load(model), 5).to_json())
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


@pytest.mark.usefixtures("no_pictures")
def test_demo_and_the_commands_that_it_prints(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("a demo")
    text = succeed(run, "demo", "--out", folder)
    assert {path.name for path in folder.iterdir()} == RESULTS | {"model.keras", "verify.json"}
    assert read(folder / "sweep.json")["verdict"] in text
    assert read(folder / "verify.json")["mismatches"] == 0
    commands = next_commands(folder)
    assert text.rstrip().endswith("\n".join(f"  {line}" for line in commands))
    for line in commands:
        words = shlex.split(line)
        succeed(run, *words[words.index("a demo/model.keras") - 1 :])
    assert (folder / "hardware" / "report.html").exists()


def test_how_bittrue_was_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "bin" / "bittrue"
    script.parent.mkdir()
    script.touch(mode=0o755)
    monkeypatch.setattr("sys.executable", "/opt/python")
    for called, path, expected in [
        (str(script), str(script.parent), "bittrue"),
        (str(script), str(tmp_path), str(script)),
        (".venv/bin/bittrue", str(tmp_path), ".venv/bin/bittrue"),
        ("src/bittrue/__main__.py", str(tmp_path), "/opt/python -m bittrue"),
    ]:
        monkeypatch.setattr("sys.argv", [called])
        monkeypatch.setenv("PATH", path)
        assert next_commands(Path("out"))[0] == f"{expected} inspect out/model.keras"


def test_the_same_command_gives_the_same_bytes(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    arguments = ["sweep", model, "--data", images, "--fraction-bits", "3:4", "--json"]
    assert succeed(run, *arguments) == succeed(run, *arguments)


@pytest.mark.usefixtures("no_pictures")
def test_another_model_in_the_same_folder_replaces_everything(
    run: Run, model: Path, images: Path, doctor: Doctor, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    succeed(run, "sweep", model, "--data", images, "--fraction-bits", "4", "--out", out)
    other = doctor(config=lambda text: text.replace('"name": "digits"', '"name": "other"'))
    succeed(run, "sweep", other, "--data", images, "--fraction-bits", "4", "--out", out)
    assert read(out / "sweep.json")["network_name"] == "other"
