"""What the folder for hls4ml holds, and what is refused before anything is written."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bittrue.data import as_dataset
from bittrue.errors import BittrueError
from bittrue.exports.export import export
from bittrue.exports.hls4ml import run
from bittrue.exports.hls4ml.network import graph_of
from bittrue.exports.hls4ml.precision import holding
from bittrue.exports.job import Job
from bittrue.exports.witness import verify
from bittrue.lowering import lower_network
from bittrue.operators import Flatten, ReLU
from bittrue.plan import Override, Plan, PlanOptions, uniform_plan
from cases import CASES, Case, inputs_of
from exports.hls4ml.networks import random_network, random_plan
from plans import PLANNED, Planned

EVERY_NODE = PlanOptions(rounding_points="every-node")
NOTATION = re.compile(r"ap_u?fixed<\d+,-?\d+,AP_(TRN|TRN_ZERO|RND\w*),AP_(WRAP|SAT\w*)>")
ROLES = {
    "Dense": {"weight", "bias", "accum"},
    "Conv2D": {"weight", "bias", "accum"},
    "DepthwiseConv2D": {"weight", "bias", "accum"},
    "BatchNormalization": {"scale", "bias"},
    "LeakyReLU": {"param"},
    "PReLU": {"param"},
    "MaxPooling2D": {"accum"},
    "AveragePooling2D": {"accum"},
}
"""The precisions that hls4ml 1.3 has beside a layer's result."""


def case_of(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def planned(name: str, options: PlanOptions = EVERY_NODE, overrides: Sequence[Override] = ()) -> tuple[Case, Plan]:
    case = case_of(name)
    return case, uniform_plan(case.network, 8, 4, options=options, overrides=overrides)


def test_every_precision_is_written_out_and_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    network = random_network(0, streams=False)
    for name in ("first", "second"):
        export(network, random_plan(network, 0), "hls4ml", tmp_path / name)
    for path in sorted((tmp_path / "first" / "hls4ml").iterdir()):
        assert path.read_bytes() == (tmp_path / "second" / "hls4ml" / path.name).read_bytes(), path
    layers = json.loads((tmp_path / "first" / "hls4ml" / "network.json").read_text())["layers"]
    config = json.loads((tmp_path / "first" / "hls4ml" / "hls_config.json").read_text())["LayerName"]
    assert {layer["name"] for layer in layers} == set(config)
    for layer in layers:
        precision = config[layer["name"]]["Precision"]
        assert set(precision) == {"result"} | ROLES.get(layer["class_name"], set()), layer
        assert all(NOTATION.fullmatch(written) for written in precision.values()), precision


def test_what_streams_lack_is_named_by_layer_and_refused_by_the_script(tmp_path: Path) -> None:
    case = Case("flat-relu", (2, 2, 3), lambda draft: (draft.add("flat", Flatten()), draft.add("relu", ReLU())))
    export(case.network, uniform_plan(case.network, 8, 4), "hls4ml", tmp_path / "out")
    script = tmp_path / "out" / "hls4ml" / "build.py"
    done = subprocess.run(
        [sys.executable, str(script), "--io-type", "io_stream"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout.startswith("relu can't have io_stream: its io_stream leaves a flattened image packed")


def test_a_sum_whose_order_counts_keeps_it(tmp_path: Path) -> None:
    options = PlanOptions(rounding_points="every-node", product="quantized")
    case, plan = planned("dense", options, [Override("dense.accumulator", "ap_fixed<9,5,AP_RND,AP_SAT>")])
    export(case.network, plan, "hls4ml", tmp_path / "out")
    entry = json.loads((tmp_path / "out" / "hls4ml" / "hls_config.json").read_text())["LayerName"]["dense"]
    assert entry["Precision"]["accum"] == "ap_fixed<9,5,AP_RND,AP_SAT>"
    assert (entry["Strategy"], entry["ReuseFactor"]) == ("Latency", 1)


@pytest.mark.parametrize(
    ("name", "options", "overrides", "message"),
    [
        ("softmax", EVERY_NODE, [], "stop before it with --until, and let the host compute it"),
        ("norm", PlanOptions(batch_norm="raw"), [], "plan batch norms with --batch-norm affine"),
        ("dense", EVERY_NODE, [Override("dense.output", "FLOAT")], "give its sites formats"),
        ("dense", EVERY_NODE, [Override("image.output", "ap_fixed<8,4> FLOOR UNBOUNDED")], "nothing bounds its codes"),
        ("dense", EVERY_NODE, [Override("dense.accumulator", "ap_fixed<9,5,AP_RND,AP_SAT>")], "--product quantized"),
        ("clip-nothing", EVERY_NODE, [], "node image: hls4ml builds no network that leaves its input as it is"),
        ("relu6", EVERY_NODE, [], "clips below at 0 alone, and above at 1 and 6, as the plan has rounded them"),
        ("conv-dilation", EVERY_NODE, [], "stop before it with --until"),
        ("conv-groups", EVERY_NODE, [], "has grouped convolutions with one input and one output channel a group alone"),
        ("sigmoid", EVERY_NODE, [], "node node: hls4ml doesn't compute a Lookup"),
    ],
)
def test_what_hls4ml_cannot_have_is_refused_before_anything_is_written(
    name: str, options: PlanOptions, overrides: Sequence[Override], message: str, tmp_path: Path
) -> None:
    case, plan = planned(name, options, overrides)
    with pytest.raises(BittrueError, match=re.escape(message)):
        export(case.network, plan, "hls4ml", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("planned", PLANNED[::67], ids=lambda planned: planned.id)
def test_every_case_has_its_layers_or_a_sentence_with_its_site(planned: Planned) -> None:
    case, plan = planned.case, planned.plan
    program = lower_network(case.network, plan)
    refusal = ""
    try:
        graph = graph_of(Job(case.network, plan, program, None))
    except BittrueError as error:
        refusal = str(error)
    if refusal:
        assert re.match(r"(node|site) \S+: .*; .*\.", refusal)
    else:
        assert graph.layers[-1].name == graph.tensors[program.output].layer


def test_without_hls4ml_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    case, plan = planned("dense")
    with pytest.raises(BittrueError, match=re.escape("python -m pip install 'bittrue[hls4ml]'")):
        verify(case.network, plan, as_dataset(inputs_of(case)), against="hls4ml")


def test_words_that_hold_every_code_are_the_narrowest() -> None:
    assert holding(-4, 3, 2).format.word_length == 3
    assert holding(-5, 3, 2).format.word_length == 4
    assert (holding(0, 7, 2).format.signed, holding(0, 7, 2).format.word_length) == (False, 3)
