"""Every result shows itself, becomes a data frame, and is kept as the JSON that the commands write."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis.networks import chain, convolutional, parameter, random_images
from bittrue.analysis.accumulators import accumulator_widths
from bittrue.analysis.asked import sweep_rows
from bittrue.analysis.cost.cost import cost
from bittrue.analysis.cost.result import Cost
from bittrue.analysis.measure import measure
from bittrue.analysis.plan_difference import diff
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.sensitivity import sensitivity
from bittrue.analysis.simulate import simulate
from bittrue.analysis.sweep import sweep
from bittrue.analysis.tracing.trace import trace
from bittrue.analysis.verify import FirstMismatch, Verification, verify
from bittrue.cli.inspect import Inspection, PlanInspection
from bittrue.engines.doctor import Checkup, WorkerCheckup
from bittrue.errors import BittrueError
from bittrue.exports.certificate import Agreement, Certificate
from bittrue.exports.device.compare import DeviceComparison, SiteComparison, WrongCode
from bittrue.exports.export import export
from bittrue.exports.mutation.mutant import Mutant, Mutation
from bittrue.exports.mutation.mutate import MutationReport
from bittrue.integrations.compare import Comparison, LayerDifference
from bittrue.integrations.keras_weights import WeightChange, WeightReport
from bittrue.network import Network
from bittrue.operators import Dense, Input
from bittrue.plan import Override, Plan, PlanOptions, Ranges, check_plan, sites_of, study_plan, uniform_plan
from bittrue.repairs.repair import repair
from bittrue.reports.study import study
from bittrue.result import Result, SavedResult
from bittrue.searches.claim import Claim
from bittrue.searches.found import Search


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    network, dataset = convolutional(), random_images(tmp_path_factory.mktemp("data"))
    ranges = measure_ranges(network, dataset)
    plan = study_plan(network, 4, overrides=[Override("pool.output", "EXACT")])
    words = uniform_plan(network, 8, 4)
    mutant = Mutant(Mutation("shift", "c/n.c", "line 1", "3", "4"), "caught", "conv, index 0", None)
    mismatch = FirstMismatch("conv.output", "code", 1, 3, 5, 6)
    exported = tmp_path_factory.mktemp("exports") / "export"
    wrong = WrongCode("conv.output", 0, 3, (0, 1, 1), 5, 7, 0.625, 0.875, 8)
    return {
        "Network": network,
        "SiteRange": ranges["conv.output"],
        "Ranges": ranges,
        "Plan": plan,
        "Sweep": sweep(network, dataset, sweep_rows(network, fraction_bits=[2, 6])),
        "StudyResult": study(network, dataset, fraction_bits=[2], verified_images=1),
        "Measurement": measure(network, dataset, plan),
        "Simulation": simulate(network, plan, dataset),
        "Verification": verify(network, plan, dataset),
        "mismatch": Verification("sha256:0", "sha256:1", {"images": 2}, "reference", 2, 9, 1, mismatch, ("a",)),
        "Comparison": Comparison(
            "sha256:0", "sha256:1", {"images": 2}, 2, (LayerDifference("conv", 9, 1, 1.0, 1),), (1,), 2, 1
        ),
        "Checkup": Checkup(
            {"bittrue": "0.1.0"},
            {"keras": "3.15"},
            "ray",
            (WorkerCheckup("10.0.0.1 (7)", True, "bittrue 0.1.0", "avx512", "here", 30.5),),
            *(1, ("On 1 processor no worker has begun: others may be using them.",)),
        ),
        "WeightReport": WeightReport("ap_fixed<8,3>", (WeightChange("conv.weight", 9, 8, 2, 1, 0.5),)),
        "AccumulatorWidths": accumulator_widths(network, plan, dataset),
        "Export": export(network, uniform_plan(network, 8, 4), "vectors", exported, data=dataset, images=1),
        "DeviceComparison": DeviceComparison(
            *("sha256:0", "sha256:1", {"images": 1}, "dumps", 1),
            (SiteComparison("conv.output", "conv.output.hex", 9, 1, 2, {2: 1}, wrong),),
            *("the bias of conv left out", ("pool.output",)),
        ),
        "Trace": trace(network, study_plan(network, 1, word_length=3), dataset),
        "Search": Search(
            *(True, None, "sha256:0", network, words, None, {"conv.weight": 8}, 0.5, cost(network, words)),
            *(
                {"weight-bits": 9.0},
                (),
                {"calibration": 1, "selection": 4, "held-out": 4},
                8,
                Claim(4, 0.5, 0.5, (-0.1, 0.1), 0, 0),
                0,
                0,
            ),
        ),
        "Cost": cost(network, words),
        "PlanDifference": diff(words, uniform_plan(network, 7, 4)),
        "Inspection": Inspection(network, tuple(sites_of(network, PlanOptions()).values())),
        "PlanInspection": PlanInspection(network, tuple(check_plan(words, network).values()), words, "no cost"),
        "Repaired": repair(network, words, dataset, "bias"),
        "Sensitivity": sensitivity(network, dataset, words="4", images=None),
        "Certificate": Certificate(
            *("sha256:0", "n", "sha256:1", {"images": 1}, "dense", ()),
            (Agreement("c", True, 1, 2, 9, 0, None, None),),
            *({"qdq": "no"}, {"c/n.c": "sha256:2"}, {"bittrue": "0"}, None),
        ),
        "MutationReport": MutationReport("sha256:0", "n", "sha256:1", {"images": 1}, "dense", 1, 0, (mutant,), None),
    }


def every(result_class: type[Result]) -> set[str]:
    return {name for cls in result_class.__subclasses__() for name in {cls.__name__, *every(cls)}} - {"SavedResult"}


def test_no_result_is_forgotten(results: dict[str, Result]) -> None:
    import bittrue

    for name in bittrue.__all__:
        getattr(bittrue, name)
    assert every(Result) == {type(result).__name__ for result in results.values()}


def test_each_shows_itself_as_text_and_as_html(results: dict[str, Result]) -> None:
    for result in results.values():
        assert str(result) == repr(result)
        html = result._repr_html_()
        assert html.startswith("<div")
        assert "http" not in html
        for record in result.records():
            named = record.get("site", record.get("name"))
            if isinstance(result, Cost) and named is not None:
                named = named.partition(".")[0]  # the table is by node
            assert named is None or str(named) in str(result)
            assert named is None or str(named) in html


def test_each_becomes_a_frame_with_pandas_and_a_list_without(
    results: dict[str, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    pandas = pytest.importorskip("pandas")
    for result in results.values():
        frame = result.to_frame()
        assert isinstance(frame, pandas.DataFrame)
        assert len(frame) == len(result.records()) > 0
        assert all(record.keys() == set(frame.columns) for record in result.records())
    monkeypatch.setitem(sys.modules, "pandas", None)
    for result in results.values():
        assert result.to_frame() == result.records()


def test_the_frame_holds_numbers(results: dict[str, Result]) -> None:
    swept = results["Sweep"].records()
    assert [row["name"] for row in swept] == ["float", "F=2", "F=6"]
    assert all(isinstance(row["accuracy"], float) and isinstance(row["overflows"], int) for row in swept)
    planned = {row["site"]: row for row in results["Plan"].records()}
    assert (planned["conv.output"]["lowest"], planned["conv.output"]["fraction_bits"]) == (-2048.0, 4)
    assert planned["pool.output"]["lowest"] is None
    bins = results["SiteRange"].records()
    assert sum(row["count"] for row in bins) == 40 * 6 * 6 * 3


def test_saved_ones_come_back_as_they_were(results: dict[str, Result], tmp_path: Path) -> None:
    saved = [result for result in results.values() if isinstance(result, SavedResult)]
    assert len(saved) == 12
    for result in saved:
        path = tmp_path / "result.json"
        result.save(path)
        again = type(result).load(path)
        assert json.dumps(again.to_json()) == json.dumps(result.to_json())
        assert json.loads(path.read_text()) == json.loads(json.dumps(result.to_json()))
        assert repr(again) == repr(result)
        assert again == result


def test_a_network_writes_what_inspect_says(results: dict[str, Result], tmp_path: Path) -> None:
    network = results["Network"]
    assert isinstance(network, Network)
    network.save(tmp_path / "network.json")
    content = json.loads((tmp_path / "network.json").read_text())
    assert content["network"] == network.hash
    assert [node["name"] for node in content["nodes"]] == [node.name for node in network.nodes]


def test_damaged_files_are_named(results: dict[str, Result], tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    for result in results.values():
        if not isinstance(result, SavedResult):
            continue
        for content in ("{}", "[]", "3", '{"bittrue": 1, "sites": 3, "network": "x"}', '{"layers": 1}'):
            path.write_text(content)
            with pytest.raises(BittrueError, match="damaged.json"):
                type(result).load(path)
        with pytest.raises(BittrueError, match="doesn't exist"):
            type(result).load(tmp_path / "missing.json")


def test_a_site_that_was_not_measured_is_told_the_nearest_names(results: dict[str, Result]) -> None:
    ranges = results["Ranges"]
    assert isinstance(ranges, Ranges)
    with pytest.raises(BittrueError, match=r"no site conf.output; did you mean conv.output"):
        _ = ranges["conf.output"]


def test_names_that_are_markup_are_text() -> None:
    generator = np.random.default_rng(0)
    name = "<script>alert(1)</script>"
    layers = [("x", Input((2,))), ("dense", Dense(parameter(generator, "dense.weight", 2, 2), None))]
    network = chain(name, layers)
    assert "<script" not in network._repr_html_()
    assert "&lt;script&gt;" in network._repr_html_()
    assert name in repr(network)


def test_a_reach_beyond_floats_is_infinite() -> None:
    network = convolutional()
    plan = study_plan(network, 4, overrides=[Override("conv.output", "ap_fixed<8,2000>")])
    assert isinstance(plan, Plan)
    record = next(row for row in plan.records() if row["site"] == "conv.output")
    assert (record["lowest"], record["highest"]) == (-np.inf, np.inf)
    assert "E+599" in repr(plan) or "e+" in repr(plan)
