"""Sweeps: the same rows whatever the batches, threads and kills; nothing evaluated twice; what can't be is refused."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analysis.networks import RecordedProgress, convolutional, images_file, random_images, segmentation
from bittrue.analysis.asked import SweepRow, sweep_rows
from bittrue.analysis.evaluating.ending import ending_of
from bittrue.analysis.evaluating.metrics import metric_named
from bittrue.analysis.evaluating.metrics.deviation import summarise_deviation, tally_deviation
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.recipe import HARDWARE, UNIFORM
from bittrue.analysis.simulate import simulate
from bittrue.analysis.statistics.fixed_sample import mcnemar_exact
from bittrue.analysis.sweep import sweep
from bittrue.analysis.sweep_result import Sweep
from bittrue.data import load_dataset
from bittrue.errors import BittrueError, CarrierError, DataError, PlanError
from bittrue.files import dump_json
from bittrue.fixed import FixedFormat, Overflow, Quantizer
from bittrue.network import Network
from bittrue.plan import study_plan
from bittrue.simulation.float_model import FloatModel
from bittrue.simulation.simulator import Simulator


@pytest.fixture(name="network")
def _network() -> Network:
    return convolutional()


def study_rows(network: Network, *bits: int) -> tuple[SweepRow, ...]:
    return sweep_rows(network, recipe="study", fraction_bits=bits, word_length=5)


def exact_rows(result: Sweep) -> list[dict[str, Any]]:
    """The rows beside the float row, without what is measured against that."""
    return [
        {key: value for key, value in row.items() if key not in ("lost", "gained", "p_value")}
        for row in result.to_json()["rows"][1:]
    ]


def test_rows_say_what_simulate_says(network: Network, tmp_path: Path) -> None:
    dataset = random_images(tmp_path)
    rows = study_rows(network, 0, 2, 8)
    result = sweep(network, dataset, rows, calibration={"images": 7}, command="bittrue sweep …")
    assert [row.name for row in result.rows] == ["float", "F=0", "F=2", "F=8"]
    (batch,) = dataset.batches(40)
    float_correct = FloatModel(network).run(batch.x).argmax(axis=1) == dataset.labels
    float_row, *others = result.rows
    assert (float_row.plan, float_row.exact, float_row.overflows, float_row.layers) == (None, False, {}, ())
    assert (float_row.correct, float_row.lost, float_row.p_value) == (int(float_correct.sum()), None, None)
    for row, asked in zip(others, rows, strict=True):
        alone = simulate(network, asked.plan, dataset, out=tmp_path)
        assert row.plan == asked.plan.hash
        assert (row.accuracy, row.accuracy_interval, row.accuracy_over_ties) == (
            alone.accuracy,
            alone.interval,
            alone.over_ties,
        )
        assert (row.loss, row.correct, row.tied, row.images) == (alone.loss, alone.correct, alone.tied, 40)
        assert (row.exact, row.layers, row.overflows) == (True, alone.layers, alone.overflows)
        assert list(row.overflows) == [name for name in asked.plan.sites if name in row.overflows]
        correct = np.load(tmp_path / "predictions.npy") == dataset.labels
        assert (row.lost, row.gained) == (int((float_correct & ~correct).sum()), int((~float_correct & correct).sum()))
        assert row.p_value == mcnemar_exact(row.lost, row.gained)
    assert sum(others[2].overflows[site] for site in ("conv.weight", "dense.weight")) > 0  # of parameters, too
    assert sum(others[2].overflows[site] for site in ("conv.output", "norm.output")) > 0
    assert result.data == {"name": "images.npz", "split": "test", "sha256": dataset.sha256, "images": 40}
    assert (result.network, result.network_name, result.metric) == (network.hash, "small", "accuracy")
    assert repr(result).startswith("small on 40 images of images.npz (ranges measured on 7 images); flips")
    assert repr(result).endswith(result.verdict)


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        (None, ""),
        ({"name": "images.npz", "split": "test", "images": 1040}, " (ranges measured on 1,040 others)"),
        ({"name": "images.npz", "split": "train", "images": 9}, " (ranges measured on 9 images of its train split)"),
        ({"images": 7}, " (ranges measured on 7 images)"),
    ],
)
def test_the_title_says_where_the_ranges_come_from(
    network: Network, tmp_path: Path, calibration: dict[str, object] | None, words: str
) -> None:
    result = sweep(network, random_images(tmp_path), study_rows(network, 2), calibration=calibration)
    assert repr(result).startswith(f"small on 40 images of images.npz{words}; flips")


def test_the_file_is_read_back(network: Network, tmp_path: Path) -> None:
    result = sweep(network, random_images(tmp_path), study_rows(network, 2), calibration={"images": 7}, command="x")
    content = json.loads(dump_json(result.to_json()))
    assert Sweep.from_json(content, "sweep.json") == result
    assert content["bittrue"] == 1
    wanted = {"name", "accuracy", "accuracy_interval", "accuracy_over_ties", "loss", "correct", "images"}
    assert wanted | {"lost", "gained", "overflows", "exact", "plan"} < set(content["rows"][1])
    assert Sweep.from_json(content | {"later": 1}, "sweep.json") == result
    for damaged in ({}, [], "x", content | {"rows": [{}]}, content | {"rows": None}):
        with pytest.raises(BittrueError, match=r"^old/sweep\.json: not a sweep .*`bittrue sweep`"):
            Sweep.from_json(damaged, "old/sweep.json")
    with pytest.raises(BittrueError, match="version 2"):
        Sweep.from_json(content | {"bittrue": 2}, "sweep.json")


def test_rows_do_not_depend_on_batches_or_threads(network: Network, tmp_path: Path) -> None:
    dataset = random_images(tmp_path)
    ranges = measure_ranges(network, dataset)
    rows = study_rows(network, 1, 4) + sweep_rows(network, word_length=[4], ranges=ranges)
    expected = exact_rows(sweep(network, dataset, rows))
    threads = torch.get_num_threads()
    try:
        for size, count in ((1, 1), (7, 2), (40, 2)):
            torch.set_num_threads(count)
            assert exact_rows(sweep(network, dataset, rows, batch_size=size)) == expected
    finally:
        torch.set_num_threads(threads)


class StopError(Exception):
    """Raised by a progress display to break off a sweep."""


class StopAfter(RecordedProgress):
    def __init__(self, batches: int) -> None:
        super().__init__()
        self.left = batches

    def advance(self, images: float) -> None:
        super().advance(images)
        self.left -= images > 0
        if self.left == 0:
            raise StopError


@pytest.fixture(name="evaluated")
def _evaluated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of a simulator has taken."""
    calls: list[int] = []
    run = Simulator.run

    def counting(self: Simulator, x: np.ndarray, *arguments: Any) -> Any:
        calls.append(len(x))
        return run(self, x, *arguments)

    monkeypatch.setattr(Simulator, "run", counting)
    return calls


@pytest.mark.parametrize("after", [1, 3, 5, 7, 10, 12])
def test_a_stopped_sweep_goes_on_where_it_was(
    network: Network, tmp_path: Path, evaluated: list[int], after: int
) -> None:
    dataset, rows, store = random_images(tmp_path), study_rows(network, 1, 4), tmp_path / "results.sqlite"
    undisturbed = dump_json(sweep(network, dataset, rows, batch_size=10).to_json())
    evaluated.clear()
    with pytest.raises(StopError):
        sweep(network, dataset, rows, batch_size=10, store=store, progress=StopAfter(after))
    assert evaluated == [10] * max(after - 4, 0)
    progress = RecordedProgress()
    resumed = sweep(network, dataset, rows, batch_size=10, store=store, progress=progress)
    assert dump_json(resumed.to_json()) == undisturbed
    assert evaluated == [10] * 8  # each image of each row once
    names = [(event[0].removesuffix(" (kept)"), event[1]) for event in progress.events if isinstance(event, tuple)]
    assert names == [("float", 40), ("F=1", 40), ("F=4", 40)]
    numbers = [event for event in progress.events if isinstance(event, int)]
    assert sum(numbers) == 120
    assert numbers[0] == min(after, 4) * 10  # what is there is counted at once
    evaluated.clear()
    assert dump_json(sweep(network, dataset, rows, batch_size=10, store=store).to_json()) == undisturbed
    assert evaluated == []


def test_another_batch_size_goes_on_too(network: Network, tmp_path: Path, evaluated: list[int]) -> None:
    dataset, rows, store = random_images(tmp_path), study_rows(network, 1, 4), tmp_path / "results.sqlite"
    expected = exact_rows(sweep(network, dataset, rows))
    evaluated.clear()
    with pytest.raises(StopError):
        sweep(network, dataset, rows, batch_size=10, store=store, progress=StopAfter(7))
    assert exact_rows(sweep(network, dataset, rows, batch_size=7, store=store)) == expected
    assert evaluated == [10, 10, 10, 7, 3, 7, 7, 7, 7, 7, 5]


def test_more_rows_keep_what_is_there_and_other_studies_do_not(
    network: Network, tmp_path: Path, evaluated: list[int]
) -> None:
    dataset, store = random_images(tmp_path), tmp_path / "results.sqlite"
    sweep(network, dataset, study_rows(network, 1), store=store)
    evaluated.clear()
    sweep(network, dataset, study_rows(network, 1, 2), store=store)
    assert evaluated == [40]
    sweep(network, dataset, study_rows(network, 1), store=store, metric="mse")
    sweep(network, dataset, study_rows(network, 1), store=store, images=39)
    other = convolutional(1)
    sweep(other, dataset, study_rows(other, 1), store=store)
    assert evaluated == [40, 40, 39, 40]


KILLED = """
import sys
from pathlib import Path
from analysis.networks import convolutional
from bittrue.analysis.recipe import STUDY
from bittrue.analysis.asked import sweep_rows
from bittrue.analysis.sweep import sweep
from bittrue.data import load_dataset
from bittrue.files import dump_json, write_text

class Progress:
    def start(self, what, total): pass
    def advance(self, images): print(images, flush=True)
    def finish(self): pass

folder = Path(sys.argv[1])
network = convolutional()
rows = sweep_rows(network, fraction_bits=[1, 4])
store = folder / "results.sqlite"
result = sweep(network, load_dataset(sys.argv[2]), rows, store=store, batch_size=1, progress=Progress())
write_text(folder / "sweep.json", dump_json(result.to_json()))
"""


def test_a_sweep_killed_again_and_again_gives_the_same_bytes(network: Network, tmp_path: Path) -> None:
    images = images_file(tmp_path)
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(images)]
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = 0
    for lines in (15, 50):  # in the float row, and in the first plan's
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline()) for _ in range(lines)]
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert told[0] >= done  # what was finished before counts at once
        done = min(sum(told), 40)
        assert not (tmp_path / "sweep.json").exists()
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    assert sum(map(int, finished.stdout.split())) == 120
    assert finished.stdout.split()[0] == "40"
    undisturbed = sweep(network, random_images(tmp_path), sweep_rows(network, fraction_bits=[1, 4]), batch_size=1)
    assert (tmp_path / "sweep.json").read_text() == dump_json(undisturbed.to_json())


@pytest.mark.parametrize("metric", ["mse", "sqnr"])
def test_the_distance_from_float(network: Network, tmp_path: Path, metric: str) -> None:
    dataset = random_images(tmp_path, classes=None)
    rows = study_rows(network, 2, 6)
    result = sweep(network, dataset, rows, metric=metric)
    (batch,) = dataset.batches(40)
    float_outputs = FloatModel(network).run(batch.x).astype(np.float64)
    for row, asked in zip(result.rows[1:], rows, strict=True):
        simulate(network, asked.plan, dataset, out=tmp_path)
        expected = summarise_deviation(tally_deviation(np.load(tmp_path / "outputs.npy"), float_outputs))
        assert (row.mse, row.sqnr) == (expected.mse, expected.sqnr)
        assert (row.accuracy, row.lost, row.p_value) == (None, None, None)
    assert (result.rows[0].mse, result.rows[0].sqnr) == (0.0, None)
    assert Sweep.from_json(result.to_json(), "sweep.json") == result


def test_binary(tmp_path: Path) -> None:
    network, dataset = convolutional(classes=1, ends="sigmoid"), random_images(tmp_path, classes=2)
    result = sweep(network, dataset, study_rows(network, 3), metric="binary")
    assert result.rows[1].correct == simulate(network, study_plan(network, 3, word_length=5), dataset).correct


SCORES = {"mean-iou": ("mean_iou", 3), "pixel-accuracy": ("pixel_accuracy", 3), "f1": ("f1", 1), "auc": ("auc", 1)}


@pytest.mark.parametrize("metric", SCORES)
def test_labels_that_are_no_classes(metric: str, tmp_path: Path) -> None:
    name, labels = SCORES[metric]
    network = segmentation(labels) if labels > 1 else convolutional(ends="sigmoid")
    generator = np.random.default_rng(2)
    y = generator.integers(0, 3, (40, 6, 6)) if labels > 1 else generator.integers(0, 2, (40, 4))
    np.savez(tmp_path / "x.npz", x=generator.random((40, 6, 6, 1), dtype=np.float32), y=y)
    dataset, rows = load_dataset(tmp_path / "x.npz"), study_rows(network, 2, 6)
    result = sweep(network, dataset, rows, metric=metric)
    asked = metric_named(metric)
    (batch,) = dataset.batches(40)
    for row, plan in zip(result.rows[1:], rows, strict=True):
        simulate(network, plan.plan, dataset, out=tmp_path)
        arrays = asked.tally(np.load(tmp_path / "outputs.npy"), batch.targets, ending_of(network), 0)
        assert row.scores == asked.summarise(arrays)["scores"]
        assert (row.accuracy, row.mse, row.p_value) == (None, None, None)
    assert result.rows[0].scores[name] != result.rows[1].scores[name]
    assert (result.sufficient, result.records()[2][name]) == (None, result.rows[2].scores[name])
    assert result.verdict.endswith(f"with 2 fraction bits, {result.rows[2].scores[name]:.4f} with 6 fraction bits.")
    assert f"({result.rows[0].scores[name]:.4f} in float)" in result.verdict
    assert sweep(network, dataset, rows, metric=metric, batch_size=7) == result
    assert Sweep.from_json(json.loads(dump_json(result.to_json())), "sweep.json") == result


def test_top_5(tmp_path: Path) -> None:
    network, dataset = convolutional(classes=9), random_images(tmp_path, classes=9)
    result = sweep(network, dataset, study_rows(network, 3), metric="top-5")
    alone = simulate(network, study_plan(network, 3, word_length=5), dataset)
    assert result.rows[1].correct > alone.correct
    assert (result.rows[1].loss, result.metric) == (alone.loss, "top-5")
    assert result.standard.chance == np.sort(np.bincount(dataset.labels))[-5:].sum() / 40


def test_rows_of_files_from_before_there_were_scores(network: Network, tmp_path: Path) -> None:
    result = sweep(network, random_images(tmp_path), study_rows(network, 3))
    content = result.to_json()
    assert all("scores" not in row for row in content["rows"])
    assert Sweep.from_json(content, "sweep.json") == result


def test_names_of_the_rows(network: Network, tmp_path: Path) -> None:
    ranges = measure_ranges(network, random_images(tmp_path))
    assert [row.name for row in sweep_rows(network, fraction_bits=range(3, 6))] == ["F=3", "F=4", "F=5"]
    by_word = sweep_rows(network, word_length=range(4, 6), ranges=ranges)
    assert [row.name for row in by_word] == ["W=4", "W=5"]
    assert by_word[0].plan == HARDWARE.plan_for(network, ranges, word_length=4)
    both = sweep_rows(network, word_length=[8, 9], fraction_bits=[3])
    assert [row.name for row in both] == ["W=8", "W=9"]
    both = sweep_rows(network, word_length=[8], fraction_bits=[3])
    assert [(row.name, row.plan) for row in both] == [
        ("F=3", UNIFORM.plan_for(network, word_length=8, fraction_bits=3))
    ]
    with pytest.raises(PlanError, match="one number for the other"):
        sweep_rows(network, word_length=[8, 9], fraction_bits=[3, 4])
    with pytest.raises(PlanError, match="needs --fraction-bits"):
        sweep_rows(network, recipe="study", word_length=8)
    with pytest.raises(TypeError, match="no option 'word_lengths': the options are word_length, "):
        sweep_rows(network, word_lengths=[8])  # type: ignore[call-arg]


def test_what_can_not_be_swept(network: Network, tmp_path: Path, evaluated: list[int]) -> None:
    dataset, rows = random_images(tmp_path), study_rows(network, 3)
    with pytest.raises(PlanError, match="at least one plan"):
        sweep(network, dataset, [])
    with pytest.raises(PlanError, match="two rows.*'F=3'"):
        sweep(network, dataset, rows + rows)
    with pytest.raises(PlanError, match="two rows.*'float'"):
        sweep(network, dataset, [SweepRow("float", rows[0].plan)])
    with pytest.raises(PlanError, match="^row B: the plan was made for another network"):
        sweep(network, dataset, [*rows, SweepRow("B", study_plan(convolutional(1), 3))])
    with pytest.raises(BittrueError, match="no metric 'f2': choose one of accuracy, "):
        sweep(network, dataset, rows, metric="f2")
    with pytest.raises(BittrueError, match="--metric binary needs a single"):
        sweep(network, dataset, rows, metric="binary")
    regression = convolutional(classes=1, ends="logits")
    with pytest.raises(BittrueError, match="choose --metric binary, f1 or auc for a single value"):
        sweep(regression, random_images(tmp_path, classes=1), study_rows(regression, 3))
    with pytest.raises(DataError, match="as class 6, but the network has 4 outputs"):
        sweep(network, random_images(tmp_path, classes=7), rows)
    with pytest.raises(DataError, match="has no labels"):
        sweep(network, random_images(tmp_path, classes=None), rows)
    with pytest.raises(DataError, match=r"8×8×1 but the network wants 6×6×1"):
        sweep(network, random_images(tmp_path, shape=(8, 8, 1)), rows)
    assert evaluated == []


def test_a_row_that_can_not_be_exact_is_named_and_those_before_it_are_kept(
    network: Network, tmp_path: Path, evaluated: list[int]
) -> None:
    dataset, store = random_images(tmp_path), tmp_path / "results.sqlite"
    good = study_rows(network, 3)
    wide = study_plan(network, 4096)  # an input of 1 and more takes more bits than any word has
    with pytest.raises(CarrierError, match="^row F=4096: "):
        sweep(network, dataset, [*good, SweepRow("F=4096", wide)], store=store)
    evaluated.clear()
    sweep(network, dataset, good, store=store)
    assert evaluated == []


def test_a_plan_that_cannot_be_lowered_leaves_no_store(network: Network, tmp_path: Path) -> None:
    dataset, store = random_images(tmp_path), tmp_path / "results.sqlite"
    (row,) = study_rows(network, 4)
    wraps = Quantizer(FixedFormat(True, 1, 0), overflow=Overflow.WRAP)  # a variance of 1 becomes −1
    hopeless = replace(row, plan=replace(row.plan, sites={**row.plan.sites, "norm.variance": wraps}))
    with pytest.raises(BittrueError, match=r"^row F=4: .*norm\.variance"):
        sweep(network, dataset, [hopeless], store=store)
    assert not store.exists()
