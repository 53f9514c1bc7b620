"""A search holds what it says: on a small network in seconds, killed and resumed to the same files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bittrue
from analysis.networks import chain, parameter
from bittrue.analysis import ranges
from bittrue.analysis.cost.result import Cost
from bittrue.analysis.evaluating.executor import InProcess
from bittrue.analysis.site_words import SiteWords, site_words
from bittrue.data import Dataset, as_dataset
from bittrue.errors import BittrueError, DataError, PlanError, StoreError
from bittrue.network import Network
from bittrue.operators import Dense, Input, ReLU, Softmax
from bittrue.plan import Override, Plan, formats_of
from bittrue.searches.front import FrontPoint, unbeaten
from bittrue.searches.journal import FILE, Journal
from bittrue.searches.selection import correct, metric_of
from bittrue.simulation.float_model import FloatModel

FILES = ("plan.json", "search.json")


def small() -> Network:
    generator = np.random.default_rng(3)
    return chain(
        "small",
        [
            ("image", Input((6,))),
            ("first", Dense(parameter(generator, "first.weight", 6, 8), parameter(generator, "first.bias", 8))),
            ("relu", ReLU()),
            ("last", Dense(parameter(generator, "last.weight", 8, 3), parameter(generator, "last.bias", 3))),
            ("softmax", Softmax()),
        ],
    )


NETWORK = small()


def examples(count: int, seed: int) -> Dataset:
    """Labelled by the float network, so that float is always right."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, 6)).astype(np.float32)
    return as_dataset((x, FloatModel(NETWORK).run(x).argmax(1).astype(np.int64)))


@pytest.fixture(scope="module")
def data() -> Dataset:
    return examples(700, seed=1)


def run(data: Dataset, **options: Any) -> "bittrue.Search":
    return bittrue.search(NETWORK, data, **{"max_drop": 5, "words": "2,4,6,8", "calibrate": 100, "steps": 4, **options})


def test_the_plan_holds_what_is_said_of_it(data: Dataset, tmp_path: Path) -> None:
    found = run(data, out=tmp_path)
    assert found.reached
    plan = Plan.load(tmp_path / "plan.json")
    assert plan.hash == found.plan.hash == json.loads((tmp_path / "search.json").read_text())["plan"]
    for site, bits in found.words.items():
        assert {format.word_length for format in formats_of(plan.sites[site])} == {bits}
    # The claim is that of a plain simulation on the held-out part, which the seed gives again.
    held_out = bittrue.split_dataset(data, calibration=100, held_out=300, seed=0).held_out
    assert found.parts["held_out"] == held_out.images == 300
    assert found.claim.accuracy == bittrue.simulate(NETWORK, plan, held_out).accuracy
    low, high = found.claim.difference_interval
    assert low < found.claim.difference < high
    assert found.cost.named["weight-bits"] == found.costs["weight-bits"]
    # It is cheaper than all words at 8 bits, and the canary: the shortest words don't hold.
    longest = bittrue.search(NETWORK, data, max_drop=5, words=8, calibrate=100)
    assert found.costs["weight-bits"] < longest.costs["weight-bits"]
    shortest = run(data, words=1)
    assert not shortest.reached
    assert shortest.limiting in shortest.words
    assert not shortest.holds


@pytest.mark.parametrize("lines", [1, 3, 6])
def test_a_killed_search_ends_with_the_same_files(data: Dataset, tmp_path: Path, lines: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(data, out=whole)
    journal = (whole / FILE).read_text().splitlines(keepends=True)
    assert len(journal) > 6
    broken.mkdir()
    # Killed in the middle of the next line.
    (broken / FILE).write_text("".join(journal[:lines]) + journal[lines][:20])
    run(data, out=broken)
    for name in (*FILES, FILE):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name


def test_what_is_known_is_not_simulated_again(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(data, out=tmp_path)
    monkeypatch.setattr("bittrue.searches.selection.Selection.decide", None)
    monkeypatch.setattr("bittrue.searches.search.claimed", None)
    assert run(data, out=tmp_path).to_json() == first.to_json()
    with pytest.raises(TypeError):  # the canary: another search is simulated
        run(data, out=tmp_path, seed=1)


def test_a_second_look_is_said(data: Dataset, tmp_path: Path) -> None:
    assert run(data, out=tmp_path, steps=0).looks == 0
    assert run(data, out=tmp_path, steps=0, words="3,6").looks == 1
    assert "before" in str(run(data, out=tmp_path, steps=0, words="3,7"))


def test_repaired_weights_go_with_the_plan(data: Dataset, tmp_path: Path) -> None:
    found = run(data, repairs=["steps"], out=tmp_path, steps=1)
    plan = Plan.load(tmp_path / "plan.json")
    network = bittrue.load_repaired(NETWORK, plan, tmp_path / "weights.npz")
    assert found.repaired is not None
    held_out = bittrue.split_dataset(data, calibration=100, held_out=300, seed=0).held_out
    own = correct(network, plan, held_out, metric_of(NETWORK, held_out), InProcess(held_out, 7))
    assert found.claim.accuracy == own.mean()
    run(data, out=tmp_path, steps=0)
    assert not (tmp_path / "weights.npz").exists()  # they would go with another plan


def test_words_that_are_kept_and_limits(data: Dataset) -> None:
    found = run(data, keep=["first.*=7"], cost=["weight-bits", "mac-bit-operations"], steps=0)
    assert found.words["first.weight"] == 7
    assert set(found.costs) == {"weight-bits", "mac-bit-operations"}
    free = run(data, max_drop=1, steps=0)
    limited = run(data, max_drop=1, steps=0, limit=[f"weight-bits={free.costs['weight-bits'] - 1}"])
    assert limited.cost.named["weight-bits"] < free.costs["weight-bits"]
    assert not limited.reached


def products(cost: Cost) -> float:
    return cost.named["mac-bit-operations"]


def test_a_cost_of_the_users(data: Dataset) -> None:
    named, own = (run(data, cost=cost, steps=0) for cost in ("mac-bit-operations", products))
    assert own.words == named.words


def falling(cost: Cost) -> float:
    return 1e9 - cost.named["weight-bits"]


def bent(cost: Cost) -> float:
    """Less with longer words, but not between the ends."""
    bits = cost.named["weight-bits"]
    return bits if bits < 700 or bits > 800 else 600


def failing(cost: Cost) -> float:
    raise KeyError("nothing")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_drop": 0.1}, "too few to tell a loss of 0.1 points"),
        ({"max_drop": 0}, "--max-drop"),
        ({"cost": "nonsense"}, "no cost 'nonsense'"),
        ({"cost": []}, "needs a cost"),
        ({"cost": falling}, "falling is .* a longer word may never make it less"),
        ({"cost": bent}, "bent falls when the word of .* grows"),
        ({"cost": failing}, "The cost failing fails"),
        ({"keep": ["nothing=8"]}, "no site nothing"),
        ({"keep": ["first.*=8", "first.weight=7"]}, "gives first.weight both 8 and 7"),
        ({"keep": ["first"]}, "write NAME=BITS"),
        ({"keep": ["first.bias=8"]}, "first.bias isn't searched"),
        ({"also": ["magic"]}, "--also magic: choose of"),
        ({"softmax": "magic"}, "softmax is 'magic'"),
        ({"limit": ["weight-bits=5"]}, "can't be kept"),
        ({"limit": ["weight-bits=5", "weight-bits=6"]}, "given twice"),
        ({"limit": ["many"]}, "no cost 'many'|NAME=NUMBER"),
        ({"words": "0:3"}, "--words"),
        ({"repairs": "magic"}, "no repair 'magic'"),
        ({"held_out": 600}, "can't be"),
    ],
)
def test_what_contradicts_itself_is_refused(data: Dataset, options: dict[str, Any], says: str) -> None:
    with pytest.raises((BittrueError, DataError, PlanError), match=says):
        run(data, **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"keep": ["nothing=8"]}, "no site nothing"),
        ({"keep": ["first.*=8", "first.weight=7"]}, "both 8 and 7"),
        ({"limit": ["weight-bits=5"]}, "can't be kept"),
        ({"keep": ["first.*=8"], "words": "1:8", "limit": ["weight-bits=500"]}, "can't be kept"),
        ({"max_drop": 0.1}, "too few to tell"),
    ],
)
def test_it_is_refused_before_anything_is_measured(
    data: Dataset, options: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    chosen = ranges.chosen_images

    def counted(network: Network, dataset: Dataset, images: int | None) -> Dataset:
        seen.append(images)
        return chosen(network, dataset, images)

    monkeypatch.setattr("bittrue.analysis.ranges.chosen_images", counted)
    with pytest.raises((DataError, PlanError), match=says):
        run(data, out=tmp_path / "found", **options)
    assert seen == [1]


def test_no_cheaper_plan_is_looked_for_beyond_the_passes(data: Dataset) -> None:
    whole = run(data)
    found = run(data, passes=whole.image_passes - 1)
    assert found.image_passes < whole.image_passes
    assert found.reached
    assert found.path == whole.path[: len(found.path)]
    one = run(data, passes=1)  # a plan is found all the same
    assert one.reached
    assert sum(tried.within for tried in one.path) == 1


def test_images_that_overlap_are_refused(data: Dataset) -> None:
    with pytest.raises(DataError, match="of the 100 images to calibrate on are among the held-out ones"):
        run(data, calibration=data)
    assert run(data, calibration=examples(100, seed=2), steps=0).parts["selection"] == 350


def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{}\n")
    with pytest.raises(StoreError, match="no journal"):
        Journal(tmp_path / FILE, {})


def test_data_without_labels_are_refused(data: Dataset) -> None:
    x = np.concatenate([batch.x for batch in data.batches(700)])
    with pytest.raises(BittrueError, match="has no labels; without labels `bittrue sensitivity`"):
        run(as_dataset(x))


def test_the_front_is_simulated_whole(data: Dataset, tmp_path: Path) -> None:
    found = run(data, pareto=True, out=tmp_path)
    alone = run(data)
    assert (found.words, found.path) == (alone.words, alone.path)
    prices = [point.price for point in found.front]
    assert prices == sorted(prices, reverse=True)
    assert found.planned in {point.plan for point in found.front}
    sites = sites_of_search(data)
    selection = bittrue.split_dataset(data, calibration=100, held_out=300, seed=0).selection
    for point in found.front:
        plan = sites.plan(point.words)
        right = correct(NETWORK, plan, selection, metric_of(NETWORK, selection), InProcess(selection, 50))
        assert point.plan == plan.hash
        assert point.images == 300 == len(right)
        assert point.lost == (~right).sum()  # float is always right
        assert point.gained == 0
    best = [point for point in found.front if point.plan in unbeaten(found.front)]
    assert [point.drop for point in best] == sorted(point.drop for point in best)
    written = json.loads((tmp_path / "search.json").read_text())
    assert [FrontPoint.from_json(point) for point in written["front"]] == list(found.front)
    assert "The front" in str(found)
    assert "The front" not in str(alone)


def sites_of_search(data: Dataset) -> SiteWords:
    calibration = bittrue.split_dataset(data, calibration=100, held_out=300, seed=0).calibration
    return site_words(NETWORK, bittrue.measure_ranges(NETWORK, calibration))


def test_biases_and_formats_that_are_given(data: Dataset) -> None:
    found = run(data, also=["biases"], words="4,8", steps=0)
    assert {"first.bias", "last.bias"} <= set(found.words)
    fixed = run(data, biases=9, overrides=[Override.parse("first.weight=5")], words="4,8", steps=0)
    assert "first.weight" not in fixed.words
    lengths = {name: {format.word_length for format in formats_of(spec)} for name, spec in fixed.plan.sites.items()}
    assert lengths["first.bias"] == {9}
    assert lengths["first.weight"] == {5}


def test_what_would_help(data: Dataset) -> None:
    said = str(run(data, words="1", limit=["weight-bits=600"], steps=0))
    assert "costs most in it" in said
    assert "--keep '" in said
    assert "--repair auto" in said
    assert "a higher --limit weight-bits (it is 600)" in said
