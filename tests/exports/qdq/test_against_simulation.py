"""onnxruntime runs an exported QDQ file to the simulation's codes, at every site (B3 to B10)."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from bittrue.analysis.evaluating.codes import codes_of
from bittrue.data import as_dataset
from bittrue.exports.device.compare import DeviceComparison
from bittrue.exports.job import Job
from bittrue.exports.onnx.graph import Graph
from bittrue.exports.qdq import run
from bittrue.exports.qdq.quantizers import DIALECT
from bittrue.exports.qdq.run import AS_DEFINED, BY_DEFAULT, outputs
from bittrue.exports.qdq.target import qdq_bytes, qdq_graph
from bittrue.lowering import lower_network
from bittrue.operators import MaxPooling, ReLU
from bittrue.plan import Override, Plan, PlanOptions, uniform_plan
from cases import CASES, Case, Draft, inputs_of
from exports.hls4ml.networks import images
from exports.qdq.sweep import ROUNDINGS
from exports.qonnx.sweep import compared, of_many_layers
from exports.qonnx.sweep import executed as through

EVERY_NODE = PlanOptions(rounding_points="every-node")


@pytest.mark.parametrize("seed", range(20))
def test_random_plans(seed: int, tmp_path: Path) -> None:
    """The first of those of `python tests/exports/qdq/sweep.py`."""
    result = compared(seed, "qdq", DIALECT, ROUNDINGS, tmp_path)
    assert result.values
    assert not result.missing
    assert not result.mismatches, result.first


@pytest.mark.parametrize("seed", [0, 1])
def test_networks_of_many_layers(seed: int, tmp_path: Path) -> None:
    job = of_many_layers(seed, ROUNDINGS, 8)
    assert not qdq_graph(job).unproven
    result = through(job, images(seed), "qdq", tmp_path)
    assert result.values > 30_000
    assert not result.mismatches, result.first


def executed(case: Case, plan: Plan, folder: Path) -> DeviceComparison:
    return through(Job(case.network, plan, lower_network(case.network, plan), None), inputs_of(case), "qdq", folder)


def planned(name: str, length: int, *words: Override) -> tuple[Case, Plan]:
    case = next(case for case in CASES if case.name == name)
    return case, uniform_plan(case.network, length, length // 2, options=EVERY_NODE, overrides=words)


@pytest.mark.parametrize(
    ("length", "overflow"),
    [(16, "AP_SAT"), *((length, overflow) for length in (2, 3, 5, 7, 8) for overflow in ("AP_SAT", "AP_SAT_SYM"))],
)
def test_words_of_other_lengths_are_clipped_codes_of_8_bits(length: int, overflow: str, tmp_path: Path) -> None:
    word = f"ap_fixed<{length},{length - 1},AP_RND_CONV,{overflow}>"
    case, plan = planned("relu-alone", 8, Override("image.output", word), Override("node.output", word))
    result = executed(case, plan, tmp_path)
    assert result.values
    assert not result.mismatches, result.first


def test_one_unit_of_a_weight_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, plan = planned("dense", 8)

    def changed(made: Graph) -> bytes:
        model = onnx.ModelProto()
        model.ParseFromString(qdq_bytes(made))
        stored = next(each for each in model.graph.initializer if each.name == "dense.weight.codes")
        codes = onnx.numpy_helper.to_array(stored).copy()
        codes.flat[0] += 1
        stored.CopyFrom(onnx.numpy_helper.from_array(codes, stored.name))
        return model.SerializeToString()

    monkeypatch.setattr(run, "qdq_bytes", changed)
    assert executed(case, plan, tmp_path).mismatches > 0


def _two_convolutions(draft: Draft) -> None:
    draft.convolution("conv1", (3, 3), 4, padding=((1, 1), (1, 1)))
    draft.add("relu1", ReLU())
    draft.add("pool", MaxPooling((2, 2), (2, 2), ((0, 0), (0, 0))))
    draft.convolution("conv2", (3, 3), 4)


@pytest.mark.parametrize(("bias", "same"), [("ap_fixed<16,8,AP_RND_CONV,AP_SAT>", True), ("ap_fixed<16,2>", False)])
def test_onnxruntimes_fused_operators_have_the_bits_where_biases_lie_on_the_grid_of_sums(bias: str, same: bool) -> None:
    """With other biases they round them to that grid (docs/hand_over.md says so)."""
    case = Case("fused", (12, 12, 2), _two_convolutions)
    words = [Override("*.bias", bias), Override("*.weight", "ap_fixed<8,2,AP_RND_CONV,AP_SAT>")]
    plan = uniform_plan(case.network, 8, 4, options=EVERY_NODE, overrides=words)
    program = lower_network(case.network, plan)
    graph = qdq_graph(Job(case.network, plan, program, None))
    assert not graph.unproven
    data = as_dataset(np.random.default_rng(3).normal(size=(200, 12, 12, 2)).astype(np.float32))
    expected = np.moveaxis(codes_of(program, data, ["conv2"])["conv2"], -1, 1)
    found = {}
    for level in (AS_DEFINED, BY_DEFAULT):
        (batches,) = zip(*(batch.values() for batch in outputs(graph, data, ["conv2.output"], level)), strict=True)
        found[level] = np.array_equal(np.concatenate(batches) * 16, expected)
    assert found == {AS_DEFINED: True, BY_DEFAULT: same}
