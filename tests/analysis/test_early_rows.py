"""Rows that end as soon as they are decided: what they say of all images, from how few, and after an interruption."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.networks import Through, convolutional
from bittrue.analysis import early_rows
from bittrue.analysis.asked import SweepRow, sweep_rows
from bittrue.analysis.early_rows import LOOK
from bittrue.analysis.evaluating.executor import InProcess, Unit
from bittrue.analysis.standard import Standard
from bittrue.analysis.sweep import sweep
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.verdict import SIGNIFICANCE, Drop, Row, drop
from bittrue.data import Dataset, as_dataset
from bittrue.errors import BittrueError
from bittrue.files import dump_json
from bittrue.network import Network
from bittrue.plan import study_plan
from bittrue.simulation.float_model import FloatModel

IMAGES = 1500


@pytest.fixture(name="network", scope="module")
def _network() -> Network:
    return convolutional()


@pytest.fixture(name="dataset", scope="module")
def _dataset(network: Network) -> Dataset:
    """Images that the float network knows, but for a tenth."""
    random = np.random.default_rng(8)
    x = random.standard_normal((IMAGES, 6, 6, 1)).astype(np.float32)
    y = FloatModel(network).run(x).argmax(axis=1)
    wrong = random.random(IMAGES) < 0.1
    return as_dataset(x, np.where(wrong, (y + 1) % 4, y), name="images")


@pytest.fixture(name="rows", scope="module")
def _rows(network: Network) -> tuple[SweepRow, ...]:
    return sweep_rows(network, fraction_bits=[0, 3, 9])


@pytest.fixture(name="whole", scope="module")
def _whole(network: Network, dataset: Dataset, rows: tuple[SweepRow, ...]) -> Sweep:
    return sweep(network, dataset, rows)


@pytest.fixture(name="early", scope="module")
def _early(network: Network, dataset: Dataset, rows: tuple[SweepRow, ...]) -> Sweep:
    return sweep(network, dataset, rows, decide=2.0)


def lost_less_gained(row: Row) -> int:
    assert row.lost is not None
    assert row.gained is not None
    return row.lost - row.gained


def test_they_say_what_all_images_say_from_fewer(whole: Sweep, early: Sweep) -> None:
    for row, on_all in zip(early.rows[1:], whole.rows[1:], strict=True):
        assert row.decision is not None
        least, most = row.decision.lost_less_gained
        assert least <= lost_less_gained(on_all) <= most
        assert drop(row, early.standard) is (Drop.WITHIN if lost_less_gained(on_all) <= 30 else Drop.WORSE)
        assert row.accuracy_interval is not None
        assert row.accuracy_interval[0] <= on_all.share.accuracy <= row.accuracy_interval[1]
        assert row.images % LOOK == 0 or row.images == IMAGES
        assert row.decision.error == SIGNIFICANCE / 3
        assert (row.p_value, row.exact, row.plan) == (None, True, on_all.plan)
        assert row.layers
    images = [row.images for row in early.rows]
    assert images[0] == max(images)
    assert images[1] == LOOK
    assert sum(images) < 2 * IMAGES
    assert {early.answer(row) for row in early.rows} == {None, "within", "worse"}


def test_the_sentence_names_what_it_speaks_of(early: Sweep) -> None:
    most = max(row.images for row in early.rows)
    assert early.verdict == (
        f"3 fraction bits: more than 2 points below float; 9: within 2 points of float (this test set of 1,500 images, "
        f"decided on 64 to {most:,} of them in a random order, 95 % for all rows together)."
    )
    assert early.sufficient is early.rows[3]
    shown = repr(early)
    assert "difference, points" in shown
    assert "95 % and difference: of all 1,500 images" in shown


def test_neither_batches_nor_the_executor_change_them(
    network: Network, dataset: Dataset, rows: tuple[SweepRow, ...], early: Sweep
) -> None:
    assert sweep(network, dataset, rows, decide=2.0, batch_size=9).to_json()["rows"][1:] == early.to_json()["rows"][1:]

    class AllAtOnce(InProcess):
        """Asks for all units before it begins, and does the last first."""

        def run(self, work: Any, units: Iterable[Unit[Any]], take: Any) -> None:
            super().run(work, list(units)[::-1], take)

    found = sweep(network, dataset, rows, decide=2.0, engine=Through(AllAtOnce))
    assert [row.images for row in found.rows[1:]] == [row.images for row in early.rows[1:]]
    assert found.to_json()["rows"][1:] == early.to_json()["rows"][1:]


def test_another_seed_is_another_order(network: Network, dataset: Dataset, rows: tuple[SweepRow, ...]) -> None:
    few = dataset.take(400)
    first, second = (sweep(network, few, rows[1:2], decide=2.0, seed=seed) for seed in (0, 1))
    assert first.to_json()["decide"] == {"error": SIGNIFICANCE, "seed": 0, "look": LOOK}
    assert first.data == second.data
    assert first.rows[1].loss != second.rows[1].loss


@dataclass(frozen=True)
class Counting(InProcess):
    """Counts images, and is interrupted after so many batches."""

    limit: int = 10**9
    done = 0

    def run(self, work: Any, units: Iterable[Unit[Any]], take: Any) -> None:
        def counted(part: Unit[Any], found: Any) -> None:
            take(part, found)
            Counting.done += 1
            if Counting.done >= self.limit:
                raise KeyboardInterrupt

        super().run(work, units, counted)


def test_it_goes_on_where_it_was(
    network: Network,
    dataset: Dataset,
    rows: tuple[SweepRow, ...],
    early: Sweep,
    tmp_path: Path,
) -> None:
    def run(limit: int, decide: float = 2.0) -> Sweep:
        Counting.done = 0
        engine = Through(lambda images, size: Counting(images, size, limit))
        return sweep(network, dataset, rows, decide=decide, batch_size=50, store=tmp_path / "store", engine=engine)

    batches = 0
    for limit in (1, 3, 8, 5):
        with pytest.raises(KeyboardInterrupt):
            run(limit)
        batches += limit
    found = run(10**9)
    batches += Counting.done
    assert found == early
    looks = sum(-(-row.images // LOOK) for row in early.rows)
    assert batches <= 2 * looks + 4  # two batches a look, and one more where a look was broken off
    again = run(1)  # nothing is evaluated
    assert again == early
    other = run(10**9, decide=1.0)  # goes on from what is there
    Counting.done = 0
    assert run(1, decide=1.0) == other
    assert run(1) == early


def test_a_file_with_quantizers_is_compared_with_its_own_plan(
    network: Network, dataset: Dataset, rows: tuple[SweepRow, ...], tmp_path: Path
) -> None:
    options: dict[str, Any] = {"file_plan": study_plan(network, fraction_bits=4, word_length=16), "decide": 5.0}
    found = sweep(network, dataset, rows[::2], **options, store=tmp_path / "store")
    assert [row.name for row in found.rows] == ["float", "file", "F=0", "F=9"]
    in_float, own, _, best = found.rows
    assert in_float.images == own.images == max(row.images for row in found.rows)
    assert (own.decision, own.lost, in_float.decision, in_float.p_value) == (None, None, None, None)
    assert own.layers
    assert best.decision is not None
    whole = sweep(network, dataset, rows[2:], file_plan=options["file_plan"])
    least, most = best.decision.lost_less_gained
    assert least <= lost_less_gained(whole.rows[2]) <= most
    assert "of the file's own plan" in found.verdict
    assert sweep(network, dataset, rows[::2], **options, store=tmp_path / "store") == found


def test_a_float_row_near_chance_is_evaluated_further(network: Network, dataset: Dataset) -> None:
    """One look tells 40 % from a chance of 25 % only if it is lucky; the row goes on until it is told."""
    random = np.random.default_rng(1)
    assert dataset.labels is not None
    x = np.concatenate([batch.x for batch in dataset.batches(IMAGES)])
    y = np.where(random.random(IMAGES) < 0.6, random.integers(0, 4, IMAGES), dataset.labels)
    noisy = as_dataset(x, y, name="images")
    rows = sweep_rows(network, fraction_bits=[12])
    found = sweep(network, noisy, rows, decide=60.0)
    chance, interval = found.standard.chance, found.rows[0].accuracy_interval
    assert chance is not None
    assert interval is not None
    assert found.rows[1].images < found.rows[0].images <= IMAGES
    assert interval[0] > chance
    assert "within 60 points" in found.verdict


def test_the_file_is_read_back_and_judged_again(early: Sweep) -> None:
    content = json.loads(dump_json(early.to_json()))
    assert Sweep.from_json(content, "sweep.json") == early
    assert content["rows"][1]["decision"]["of_images"] == IMAGES
    assert set(content["rows"][1]["decision"]) == {"of_images", "error", "lost_less_gained", "difference_interval"}
    assert "decision" not in content["rows"][0]
    row = early.rows[3]
    assert row.decision is not None
    assert early.records()[3]["difference_interval"] == row.decision.difference_interval
    least, most = row.decision.lost_less_gained
    assert drop(row, Standard(100 * (most + 1) / IMAGES)) is Drop.WITHIN
    undecided = replace(early, standard=Standard(max(100 * (least + most) / 2 / IMAGES, 0.01)))
    assert drop(row, undecided.standard) is Drop.UNKNOWN
    assert "which is not decided: sweep with --decide" in undecided.verdict


def test_a_sweep_of_all_images_is_as_before(whole: Sweep) -> None:
    content = whole.to_json()
    assert "decide" not in content
    assert not any("decision" in row for row in content["rows"])


def test_small_test_sets_are_drawn_to_the_end(network: Network, dataset: Dataset, rows: tuple[SweepRow, ...]) -> None:
    found = sweep(network, dataset, rows[2:], decide=0.5, images=70)
    row = found.rows[1]
    assert row.images == 70
    assert row.decision is not None
    assert row.decision.lost_less_gained == (lost_less_gained(row),) * 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"decide": 0.0}, r"--decide 0 is to be a number of percentage points above 0"),
        ({"decide": float("nan")}, r"--decide nan is to be"),
        ({"decide": 0.5, "max_drop": 2.0}, r"leave --max-drop 2 out"),
        ({"decide": 0.5, "metric": "mse"}, r"--metric mse judges none so: choose accuracy"),
        ({"decide": 0.5, "seed": -1}, r"The seed -1 is outside"),
    ],
)
def test_what_makes_no_sense_is_refused(
    network: Network, dataset: Dataset, rows: tuple[SweepRow, ...], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BittrueError, match=sentence):
        sweep(network, dataset.take(70), rows, **options)


def test_the_canary_of_the_looks(
    network: Network, dataset: Dataset, rows: tuple[SweepRow, ...], early: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that took its first look for the last would end too soon, and the tests above would see it."""
    monkeypatch.setattr(early_rows, "shows_more", lambda losses, images, total, error: len(losses) > 0)
    found = sweep(network, dataset, rows, decide=2.0)
    assert [row.images for row in found.rows] != [row.images for row in early.rows]
