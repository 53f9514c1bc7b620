"""What the folder for QONNX holds, and what is refused before anything is written."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from bittrue.data import as_dataset
from bittrue.errors import BittrueError
from bittrue.exports.export import export
from bittrue.exports.job import Job
from bittrue.exports.onnx.network import graph_of
from bittrue.exports.qonnx import run
from bittrue.exports.qonnx.quantizers import DIALECT
from bittrue.exports.witness import verify
from bittrue.frontends import doors
from bittrue.lowering import lower_network
from bittrue.plan import Override, Plan, PlanOptions, uniform_plan
from cases import CASES, Case, inputs_of
from plans import PLANNED, Planned

EVERY_NODE = PlanOptions(rounding_points="every-node")


FAR = [Override("dense.weight", "ap_fixed<8,-100>"), Override("image.output", "ap_fixed<8,40,AP_RND_CONV,AP_SAT>")]
"""Fraction bits of 108, and of −32."""


def planned(name: str, options: PlanOptions = EVERY_NODE, overrides: Sequence[Override] = ()) -> tuple[Case, Plan]:
    case = next(case for case in CASES if case.name == name)
    return case, uniform_plan(case.network, 8, 4, options=options, overrides=overrides)


def test_the_same_input_gives_the_same_bytes_and_every_site_is_a_tensor(tmp_path: Path) -> None:
    case, plan = planned("residual")
    for name in ("first", "second"):
        manifest = export(case.network, plan, "qonnx,qdq", tmp_path / name).manifest
        assert set(manifest["files"]) == {f"{kind}/{file}" for kind in ("qdq", "qonnx") for file in FILES}
    for kind in ("qonnx", "qdq"):
        for file in FILES:
            first, second = (tmp_path / name / kind / file for name in ("first", "second"))
            assert first.read_bytes() == second.read_bytes()
        model = onnx.load(tmp_path / "first" / kind / "model.onnx")
        sites = json.loads((tmp_path / "first" / kind / "sites.json").read_text())["sites"]
        tensors = {output for node in model.graph.node for output in node.output}
        assert {site["tensor"] for site in sites} <= tensors
        outputs = {name for name in plan.sites if name.endswith(".output")}
        assert {site["site"] for site in sites} == outputs


FILES = ("model.onnx", "sites.json")


def test_trained_numbers_stand_in_the_file_where_a_quant_makes_the_plans_codes_of_them(tmp_path: Path) -> None:
    case, plan = planned("dense", overrides=[Override("dense.bias", "ap_fixed<2,-1,AP_RND_CONV,AP_WRAP>")])
    export(case.network, plan, "qonnx", tmp_path / "out")
    model = onnx.load(tmp_path / "out" / "qonnx" / "model.onnx")
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    parameters = case.network.parameters
    np.testing.assert_array_equal(stored["dense.weight"], parameters["dense.weight"].value)
    assert not np.array_equal(stored["dense.bias"], parameters["dense.bias"].value)  # it wraps, which no Quant does
    assert (stored["dense.bias"] * 8 == np.rint(stored["dense.bias"] * 8)).all()


@pytest.mark.parametrize(
    ("name", "options", "overrides", "message"),
    [
        ("softmax", EVERY_NODE, [], "stop before it with --until dense, and let the host compute it"),
        ("norm", PlanOptions(batch_norm="raw"), [], "plan batch norms with --batch-norm affine"),
        ("dense", EVERY_NODE, [Override("dense.output", "FLOAT")], "give its sites formats"),
        ("dense", EVERY_NODE, [Override("image.output", "ap_fixed<8,4> FLOOR UNBOUNDED")], "nothing bounds its codes"),
        ("dense", EVERY_NODE, [Override("dense.accumulator", "ap_fixed<9,5,AP_RND,AP_SAT>")], "has no accumulator"),
        ("dense", EVERY_NODE, [Override("dense.output", "ap_fixed<6,3,AP_TRN,AP_WRAP>")], "dense.output SATURATE"),
        ("dense", EVERY_NODE, [Override("dense.output", "ap_fixed<6,3,AP_RND,AP_SAT>")], "has no rounding NEAREST_UP"),
        ("dense", EVERY_NODE, [Override("dense.output", "ap_fixed<1,1,AP_TRN,AP_SAT>")], "give dense.output two bits"),
        (
            "dense",
            EVERY_NODE,
            [Override("dense.output", "ap_fixed<32,3,AP_RND_CONV,AP_SAT>")],
            "give dense.output 24 bits or fewer",
        ),
        ("dense", EVERY_NODE, [Override("dense.weight", "ap_fixed<32,1>")], "give dense.weight fewer"),
        ("dense", EVERY_NODE, [Override("image.output", "ap_fixed<8,120,AP_RND_CONV,AP_SAT>")], "beyond 2^±100"),
        ("dense", EVERY_NODE, [Override("dense.output", "ap_fixed<8,-99,AP_RND_CONV,AP_SAT>")], "beyond 2^±100"),
        ("dense-no-bias", EVERY_NODE, FAR, "give dense.weight one of at most 100"),
        ("reduce-minimum", EVERY_NODE, [], "pools no minima"),
        ("average-pooling-dilation", EVERY_NODE, [], "averages over no dilated windows"),
        ("average-pooling-sum", EVERY_NODE, [], "has no other sums over them"),
        ("relu-threshold", EVERY_NODE, [], "scales in two branches only where they meet in 0"),
        ("divide-number", EVERY_NODE, [], "a quotient is rounded to float32"),
        (
            "clip-nothing",
            EVERY_NODE,
            [Override("image.output", "ap_fixed<30,3,AP_RND_CONV,AP_SAT>")],
            "24 bits or fewer",
        ),
    ],
)
def test_what_qonnx_cannot_have_is_refused_before_anything_is_written(
    name: str, options: PlanOptions, overrides: Sequence[Override], message: str, tmp_path: Path
) -> None:
    case, plan = planned(name, options, overrides)
    with pytest.raises(BittrueError, match=re.escape(message)):
        export(case.network, plan, "qonnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("word", ["ap_fixed<24,16,AP_TRN,AP_WRAP>", "ap_fixed<20,12,AP_RND,AP_SAT_ZERO>"])
def test_modes_that_qonnx_lacks_are_taken_where_they_never_act(word: str) -> None:
    """Sums of 8 fraction bits in words that hold them all."""
    case, plan = planned("dense", overrides=[Override("dense.output", word), Override("dense.bias", "ap_fixed<8,4>")])
    graph = graph_of(Job(case.network, plan, lower_network(case.network, plan), None), DIALECT)
    (node,) = (node for node in graph.nodes if node.output == "dense.output")
    assert node.attributes["narrow"] == 0


@pytest.mark.parametrize("planned", PLANNED[::67], ids=lambda planned: planned.id)
def test_every_case_has_its_nodes_or_a_sentence_with_its_site(planned: Planned) -> None:
    program = lower_network(planned.case.network, planned.plan)
    refusal = ""
    try:
        graph = graph_of(Job(planned.case.network, planned.plan, program, None), DIALECT)
    except BittrueError as error:
        refusal = str(error)
    if refusal:
        assert re.match(r"(node|site) \S+: .*; .*\.", refusal)
    else:
        assert graph.values[program.output].tensor in graph.tensors


def test_without_qonnx_or_onnx_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    case, plan = planned("dense")
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    with pytest.raises(BittrueError, match=re.escape("python -m pip install 'bittrue[qonnx]'")):
        verify(case.network, plan, as_dataset(inputs_of(case)), against="qonnx")
    monkeypatch.setattr(doors.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BittrueError, match=re.escape("pip install 'bittrue[onnx]'")):
        export(case.network, plan, "qonnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()
