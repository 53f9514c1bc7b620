"""What numbers of bits and recipes ask for: the same forms as on the command line, and the rows' names."""

from pathlib import Path

import numpy as np
import pytest

import bittrue as bt
from analysis.networks import convolutional, random_images
from bittrue.analysis.asked import asked_for, make_plan, sweep_rows
from bittrue.analysis.measured_sweep import sweep
from bittrue.analysis.recipe import HARDWARE, STUDY
from bittrue.bits import parse_bits
from bittrue.errors import BittrueError, DataError, PlanError
from bittrue.network import Network
from bittrue.plan import Override, Plan, Ranges, WordLengths, plan_from_ranges, study_plan, uniform_plan
from bittrue.simulation.float_model import FloatModel


@pytest.fixture
def network() -> Network:
    return convolutional()


@pytest.fixture
def ranges(network: Network, tmp_path: Path) -> Ranges:
    return bt.measure_ranges(network, random_images(tmp_path))


@pytest.mark.parametrize("given", ["4:6", " 4 : 6", range(4, 7), [4, 5, 6], (4, 5, 6)])
def test_several_numbers_in_each_form(given: object) -> None:
    assert parse_bits(given, "--word-length") == (4, 5, 6)  # type: ignore[arg-type]


def test_one_number_in_each_form(network: Network, ranges: Ranges) -> None:
    assert parse_bits("5", "") == parse_bits(5, "") == (5,)
    assert study_plan(network, "5").hash == study_plan(network, 5).hash == make_plan(network, fraction_bits="5").hash
    assert uniform_plan(network, "8", "5").hash == make_plan(network, word_length=8, fraction_bits=5).hash
    wanted = plan_from_ranges(network, ranges, 8)
    assert plan_from_ranges(network, ranges, "8") == make_plan(network, word_length="8", ranges=ranges) == wanted


def test_plans_take_the_options_of_the_command(network: Network, ranges: Ranges, tmp_path: Path) -> None:
    ranges.save(tmp_path / "ranges.json")
    made = make_plan(
        network, ranges=tmp_path / "ranges.json", weights="4", activations=6, scales=7, biases="9", rounding="AP_TRN",
        overflow="wrap", batch_norm="raw", point="range", per_channel=True, site=["dense.weight=3", "*.output=FLOAT"],
    )  # fmt: skip
    recipe = bt.Recipe(
        "hardware", bt.PlanOptions(batch_norm="raw"), bt.Rounding.FLOOR, bt.Overflow.WRAP, "range", per_channel=True,
        overrides=(Override("dense.weight", "3"), Override("*.output", "FLOAT")),
    )  # fmt: skip
    assert made == recipe.plan_for(network, ranges, word_length=WordLengths(4, 6, 7, 9))
    assert make_plan(network, recipe=recipe, word_length=8, ranges=ranges) != made
    for options, message in [
        ({"word_length": "4:6"}, "--word-length 4:6 is a range"),
        ({"weights": "4:6", "activations": 8}, "--weights 4:6 is a range"),
        ({"fraction_bits": 4, "word_length": 8, "recipe": ["study", "hardware"]}, "several are for `bittrue sweep`"),
        ({"fraction_bits": 4}, "--ranges has no use in the recipe study"),
        ({"weights": 4}, "give --word-length, or --weights and --activations"),
        ({"word_length": "six"}, "neither a number nor a range"),
    ]:
        with pytest.raises(BittrueError, match=message):
            make_plan(network, ranges=ranges, **options)  # type: ignore[arg-type]


def test_a_grid_of_weights_and_activations(network: Network, ranges: Ranges) -> None:
    rows = sweep_rows(network, ranges=ranges, weights="3:4", activations="5:7", biases=12)
    assert [row.name for row in rows] == ["W3A5", "W3A6", "W3A7", "W4A5", "W4A6", "W4A7"]
    assert rows[1].plan == HARDWARE.plan_for(network, ranges, word_length=WordLengths(3, 6, None, 12))
    with pytest.raises(PlanError, match="--word-length and --weights are both ranges"):
        sweep_rows(network, ranges=ranges, weights="3:4", word_length="5:7")


def test_several_recipes_each_take_what_they_have_a_use_for(network: Network, ranges: Ranges) -> None:
    both = {"recipe": ("study", "hardware"), "fraction_bits": "2:3", "word_length": "4:5", "per_channel": True}
    rows = sweep_rows(network, ranges=ranges, **both)  # type: ignore[arg-type]
    assert [row.name for row in rows] == ["study F=2", "study F=3", "hardware W=4", "hardware W=5"]
    assert rows[0].plan == STUDY.plan_for(network, fraction_bits=2)
    assert rows[3].plan == plan_from_ranges(network, ranges, 5, per_channel=True)
    assert asked_for(**both).to_json()[1]["name"] == "hardware"  # type: ignore[arg-type]
    for options, message in [
        ({"recipe": ["study", "study"], "fraction_bits": 3}, "the recipe study is given twice"),
        ({"recipe": ["study", "hardware"], "fraction_bits": 3}, "the recipe hardware needs --word-length"),
        ({"recipe": ["study", "cake"], "fraction_bits": 3}, "no recipe 'cake'"),
        (
            {"recipe": ["study", "hardware"], "fraction_bits": 3, "weights": "3:4", "activations": "3:4"},
            "a grid of --weights and --activations is for one recipe",
        ),
    ]:
        with pytest.raises(PlanError, match=message):
            asked_for(**options)  # type: ignore[arg-type]


def labelled_by(network: Network, folder: Path) -> bt.Dataset:
    """Random images of which the float network gets each right, so that rows can be judged."""
    (batch,) = random_images(folder).batches(40)
    return bt.dataset(batch.x, FloatModel(network).run(batch.x).argmax(1), shape=network.input.shape)


def test_a_sweep_measures_what_it_needs(network: Network, tmp_path: Path) -> None:
    dataset = labelled_by(network, tmp_path)
    found = sweep(network, dataset, word_length="4:5", max_drop=99)
    assert found.data["images"] == 20
    assert found.calibration is not None
    assert found.calibration["images"] == 20
    ranges = bt.measure_ranges(network, dataset.take(20))
    again = sweep(network, dataset, ranges=ranges, word_length=[4, 5], max_drop=99)
    assert again == found == bt.study(network, dataset, word_length="4:5", max_drop=99).sweep
    assert found.plan == make_plan(network, ranges=ranges, word_length=4)
    fewer = sweep(network, dataset, word_length=4, calibrate=10)
    assert fewer.data["images"] == 30
    with pytest.raises(PlanError, match="--calibrate has no use here"):
        sweep(network, dataset, fraction_bits=4, calibrate=10)
    with pytest.raises(DataError, match="none would be left"):
        sweep(network, dataset, word_length=4, calibrate=40)
    with pytest.raises(PlanError, match="rows of this sweep are given"):
        sweep(network, dataset, sweep_rows(network, fraction_bits=3), word_length=4)


def test_the_plan_that_was_picked_is_found_again(network: Network, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = bt.study(network, labelled_by(network, tmp_path), fraction_bits="5:6", max_drop=99, out=out)
    loaded = bt.Sweep.load(out / "sweep.json")
    assert loaded.plan == found.plan == found.sweep.plan == Plan.load(out / "plan.json")
    study_plan(network, 2).save(out / "plan.json")
    assert bt.Sweep.load(out / "sweep.json").plan is None


def test_plans_and_ranges_by_their_files(network: Network, tmp_path: Path) -> None:
    dataset, out = labelled_by(network, tmp_path), tmp_path / "out"
    plan = bt.study(network, dataset, fraction_bits=6, max_drop=99, out=out).plan
    assert plan is not None
    simulated = bt.simulate(network, plan, dataset)
    for given in (out, str(out), out / "plan.json", str(out / "plan.json")):
        assert bt.simulate(network, given, dataset) == simulated
    assert bt.verify(network, out, dataset, images=1).mismatches == 0
    assert bt.trace(network, out, dataset, images=2).plan == plan.hash
    assert bt.cost(network, out).plan == bt.measure(network, dataset, out).accumulators.plan == plan.hash
    with pytest.raises(BittrueError, match=r"sweep\.json: not a plan"):
        bt.simulate(network, out / "sweep.json", dataset)


def test_the_outputs_of_a_simulation(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, plan = random_images(tmp_path), study_plan(network, 6)
    found = bt.simulate(network, plan, dataset)
    assert found.outputs.shape == (40, 4)
    written = bt.simulate(network, plan, dataset, out=tmp_path / "out", batch_size=7)
    np.testing.assert_array_equal(written.outputs, found.outputs)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "outputs.npy"), found.outputs)
    np.testing.assert_array_equal(bt.Simulation.load(tmp_path / "out" / "simulate.json").outputs, found.outputs)
    other = bt.simulate(network, study_plan(network, 1), dataset).outputs
    assert (other != found.outputs).any()
    monkeypatch.setattr("bittrue.analysis.simulate.MOST_KEPT", 8 * 40 * 4 - 1)
    with pytest.raises(BittrueError, match="simulate again with out="):
        _ = bt.simulate(network, plan, dataset).outputs
