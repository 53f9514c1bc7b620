"""A study: one call, one folder, and the plan that the sweep chooses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.networks import RecordedProgress, convolutional, random_images
from bittrue.analysis.asked import SweepRow
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.recipe import STUDY
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.verdict import Row
from bittrue.analysis.verify import Verification
from bittrue.data import Dataset, as_dataset
from bittrue.errors import BittrueError
from bittrue.fixed import Rounding
from bittrue.network import Network
from bittrue.plan import Plan, PlanOptions, Ranges
from bittrue.reports import study as study_module
from bittrue.reports.study import study
from bittrue.simulation.float_model import FloatModel


def labelled_by(network: Network, folder: Path) -> Dataset:
    """Random images of which the float network gets each right, so that rows can be judged."""
    (batch,) = random_images(folder).batches(40)
    return as_dataset((batch.x, FloatModel(network).run(batch.x).argmax(1)), shape=network.input.shape)


def test_the_folder_has_what_the_study_found(tmp_path: Path) -> None:
    network, out = convolutional(), tmp_path / "new" / "out"
    dataset = labelled_by(network, tmp_path)
    found = study(network, dataset, fraction_bits=[1, 6], out=out, max_drop=60, verified_images=1, command="me")
    assert {path.name for path in out.iterdir()} == {
        *("sweep.json", "plan.json", "ranges.json", "verify.json", "network.txt"),
        *("report.html", "accuracy.png", "results.sqlite"),
    }
    assert Sweep.load(out / "sweep.json") == found.sweep
    assert Plan.load(out / "plan.json") == found.plan
    assert Ranges.load(out / "ranges.json") == found.ranges == measure_ranges(network, dataset)
    assert Verification.load(out / "verify.json") == found.verification
    assert (found.folder, found.mismatches, found.sweep.command) == (out, 0, "me")
    assert found.sweep.calibration is None  # the recipe needs no ranges
    assert found.records() == found.sweep.records()


def test_without_a_folder_nothing_is_measured_in_vain(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    found = study(network, dataset, fraction_bits=[4])
    assert (found.ranges, found.verification, found.folder, found.mismatches) == (None, None, None, 0)
    assert [row.name for row in found.sweep.rows] == ["float", "F=4"]


def test_ranges_that_the_recipe_needs_are_measured_on_images_left_out_of_the_test(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    found = study(network, dataset, word_length=[6])
    assert found.ranges == measure_ranges(network, dataset.take(20))
    assert found.sweep.data["images"] == 20
    assert found.sweep.calibration == found.ranges.data


def test_ranges_from_a_calibration_or_measured_before(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    others = dataset.skip(33)
    found = study(network, dataset.take(33), word_length=[6], calibration=others)
    assert found.ranges == measure_ranges(network, others)
    assert (found.sweep.data["images"], found.sweep.calibration) == (33, found.ranges.data)
    again = study(network, dataset.take(33), word_length=[6], ranges=found.ranges)
    assert again.sweep == found.sweep
    assert again.plan == found.plan


def test_what_the_ranges_were_measured_on_is_not_tested_on(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    usual = study(network, dataset, word_length=[6])
    assert study(network, dataset, word_length=[6], ranges=usual.ranges).sweep == usual.sweep
    assert study(network, dataset, word_length=[6], calibration=dataset.take(20)).sweep == usual.sweep
    with pytest.raises(BittrueError, match=r"measured on all 40 images of images\.npz.*--images N"):
        study(network, dataset, word_length=[6], ranges=measure_ranges(network, dataset))


def test_ranges_that_do_not_fit(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    ranges = measure_ranges(network, dataset.take(7))
    with pytest.raises(BittrueError, match="measured on another network"):
        study(network, dataset, word_length=[6], ranges=replace(ranges, network="sha256:0"))
    lacking = replace(ranges, sites={name: site for name, site in ranges.sites.items() if name != "conv.output"})
    with pytest.raises(BittrueError, match=r"conv\.output; measure them again"):
        study(network, dataset, word_length=[6], ranges=lacking)
    with pytest.raises(BittrueError, match="don't say on which images"):
        study(network, dataset, word_length=[6], ranges=replace(ranges, data={**ranges.data, "images": 0}))
    with pytest.raises(BittrueError, match="no use in the recipe study"):
        study(network, dataset, fraction_bits=[6], ranges=ranges)
    with pytest.raises(BittrueError, match="beside a calibration"):
        study(network, dataset, word_length=[6], ranges=ranges, calibration=dataset)


def test_an_interrupted_one_says_where_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, dataset = convolutional(), random_images(tmp_path)

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(study_module, "sweep", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"goes on from what is in .*results\.sqlite"):
        study(network, dataset, fraction_bits=[4], out=tmp_path / "out")
    with pytest.raises(KeyboardInterrupt) as caught:
        study(network, dataset, fraction_bits=[4])
    assert caught.value.args == ()


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    dataset = random_images(tmp_path)
    with pytest.raises(BittrueError, match=r"The folder .* can't be made"):
        study(convolutional(), dataset, fraction_bits=[4], out=dataset.source.where)


@pytest.mark.parametrize(
    ("flips", "expected"),
    [
        ([(90, 0), (1, 0), (0, 0)], 1),
        ([(90, 0), (90, 0), (0, 90)], 2),  # better than float is enough
        ([(90, 0), (1, 0), (90, 0)], None),  # none suffices
        ([(1, 0), (90, 0), (0, 0)], 2),  # a luckier row with fewer bits is none to build
        ([(1, 0), (0, 0), (0, 0)], 0),
        ([(6, 0), (6, 0), (6, 0)], None),  # nothing is shown
    ],
)
def test_the_plan_left_behind_has_the_fewest_bits_that_are_shown_to_suffice(flips: list[Any], expected: int) -> None:
    plan = Plan("sha256:0", PlanOptions(), {})
    asked = [SweepRow(f"F={index}", plan) for index in range(3)]
    rows = [Row("float", None, False, 1000)]
    rows += [Row(f"F={index}", "", True, 1000, lost=x, gained=y, p_value=1.0) for index, (x, y) in enumerate(flips)]
    plans = {row.name: row.plan for row in asked}
    result = Sweep("sha256:0", "n", {}, "accuracy", tuple(rows), plans=plans)
    assert result.plan is (None if expected is None else asked[expected].plan)
    assert replace(result, metric="mse").plan is None


def test_no_plan_is_left_where_nothing_is_shown(tmp_path: Path) -> None:
    found = study(convolutional(), random_images(tmp_path), fraction_bits=[6], out=tmp_path / "out", verified_images=1)
    assert (found.plan, found.verification) == (None, None)
    assert not (tmp_path / "out" / "plan.json").exists()
    assert (tmp_path / "out" / "report.html").exists()


def test_a_largest_drop_that_is_none_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(BittrueError, match="--max-drop"):
        study(convolutional(), random_images(tmp_path), fraction_bits=[6], out=tmp_path / "out", max_drop=-1.0)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_recipe_or_network_is_not_written_over(tmp_path: Path) -> None:
    network, dataset, out = convolutional(), random_images(tmp_path), tmp_path / "out"
    study(network, dataset, fraction_bits=[6], out=out)
    before = {path: path.read_bytes() for path in out.iterdir() if path.suffix != ".sqlite"}
    for other, bits, said in [
        (network, {"word_length": [8]}, "of the recipe study, whose plan"),
        (network, {"fraction_bits": [6], "recipe": replace(STUDY, rounding=Rounding.FLOOR)}, "with other options"),
        (convolutional(seed=1), {"fraction_bits": [6]}, "another network, small"),
    ]:
        with pytest.raises(BittrueError, match=said):
            study(other, dataset, **bits, out=out)  # type: ignore[arg-type]
    assert {path: path.read_bytes() for path in out.iterdir() if path.suffix != ".sqlite"} == before
    assert len(study(network, dataset, fraction_bits=[5, 6], out=out).sweep.rows) == 3  # more bits of the same


def test_what_a_killed_study_has_measured_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, dataset, out = convolutional(), random_images(tmp_path), tmp_path / "out"
    first = study(network, dataset, word_length=[6], out=out)
    files = {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".sqlite"}

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(study_module, "measure_ranges", never)
    told = RecordedProgress()
    again = study(network, dataset, word_length=[6], out=out, progress=told)
    assert again.ranges == first.ranges
    assert [event[0] for event in told.events if isinstance(event, tuple)] == [
        "ranges (kept)", "float (kept)", "W=6 (kept)",
    ]  # fmt: skip
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".sqlite"} == files
