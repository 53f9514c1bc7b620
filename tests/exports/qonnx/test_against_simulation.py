"""qonnx executes an exported file to the simulation's codes, at every site (B3 to B10)."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from bittrue.errors import BittrueError
from bittrue.exports.device.compare import DeviceComparison
from bittrue.exports.job import Job
from bittrue.exports.onnx import graph
from bittrue.exports.qonnx import run
from bittrue.exports.qonnx.quantizers import DIALECT, ROUNDINGS
from bittrue.exports.qonnx.target import qonnx_bytes, qonnx_graph
from bittrue.fixed import Rounding
from bittrue.frontends import load_with_plan
from bittrue.lowering import lower_network
from bittrue.network import Network, Parameter
from bittrue.operators import AveragePooling, Convolution, Dense, ScaleOffset
from bittrue.plan import Override, Plan, PlanOptions, uniform_plan
from cases import CASES, Draft, inputs_of
from exports.hls4ml.networks import images
from exports.qonnx.sweep import compared, of_many_layers, outputs_of
from exports.qonnx.sweep import executed as through

EVERY_NODE = PlanOptions(rounding_points="every-node")


@pytest.mark.parametrize("seed", range(40))
def test_random_plans(seed: int, tmp_path: Path) -> None:
    """The first of those of `python tests/exports/qonnx/sweep.py`."""
    result = compared(seed, "qonnx", DIALECT, list(ROUNDINGS), tmp_path)
    assert result.values
    assert not result.missing
    assert not result.mismatches, result.first


@pytest.mark.parametrize("seed", [0, 1])
def test_networks_of_many_layers(seed: int, tmp_path: Path) -> None:
    """And what is read back of the file computes the same codes."""
    job = of_many_layers(seed, list(ROUNDINGS), 16)
    result = through(job, images(seed), "qonnx", tmp_path)
    assert result.values > 30_000
    assert not result.missing
    assert not result.mismatches, result.first
    model = onnx.ModelProto()
    model.ParseFromString(qonnx_bytes(qonnx_graph(job)))
    back = lower_network(*load_with_plan(model))
    there, read = (outputs_of(program, images(seed)) for program in (job.program, back))
    np.testing.assert_array_equal(there, read)


def executed(network: Network, plan: Plan, x: np.ndarray, folder: Path) -> DeviceComparison:
    return through(Job(network, plan, lower_network(network, plan), None), x.astype(np.float32), "qonnx", folder)


@pytest.mark.parametrize("rounding", list(ROUNDINGS), ids=lambda rounding: rounding.value)
def test_quotients_that_no_float_holds_are_rounded_to_the_plans_codes(rounding: Rounding, tmp_path: Path) -> None:
    draft = Draft("average", (1, 7, 1))
    draft.add("node", AveragePooling((1, 7), (1, 7), ((0, 0), (0, 0)), False))
    network = draft.finish()
    words = [Override("image.output", "ap_fixed<7,4,AP_RND_CONV,AP_SAT>"), Override("node.output", "ap_fixed<7,5>")]
    plan = uniform_plan(network, 8, 4, rounding=rounding, options=EVERY_NODE, overrides=words)
    result = executed(network, plan, np.random.default_rng(0).integers(-64, 64, (400, 1, 7, 1)) / 8, tmp_path)
    assert result.values == 8 * 400
    assert result.mismatches == 0, result.first


@pytest.mark.parametrize("rounding", list(ROUNDINGS), ids=lambda rounding: rounding.value)
@pytest.mark.parametrize("word", ["ap_ufixed<24,0,{},AP_SAT>", "ap_fixed<9,5,{},AP_SAT>"])
def test_images_that_one_half_would_round(word: str, rounding: Rounding, tmp_path: Path) -> None:
    """Float32 numbers beside ties, and such as have no bit behind the code's last."""
    case = next(case for case in CASES if case.name == "relu-alone")
    words = [Override("image.output", word.format(rounding.amd)), Override("node.output", "EXACT")]
    plan = uniform_plan(case.network, 8, 4, options=EVERY_NODE, overrides=words)
    random = np.random.default_rng(2)
    ties = (random.integers(-200, 200, (100, 7)) / 32).astype(np.float32)
    beside = [np.nextafter(ties, np.float32(end)) for end in (-100, 100)]
    last = (random.integers(1 << 23, 1 << 24, (100, 7)) / 2**24).astype(np.float32)
    result = executed(case.network, plan, np.concatenate([ties, *beside, last]), tmp_path)
    assert result.values == 2 * 7 * 400
    assert result.mismatches == 0, result.first


def wide(weights: list[int], *, dense: bool) -> tuple[Network, Plan]:
    """A sum of codes 0 and 1 times these integers, passed on exactly, then rounded to multiples of 2."""
    draft = Draft("wide", (len(weights),) if dense else (1, len(weights)))
    stored = np.array(weights, np.float32).reshape(*(() if dense else (1,)), len(weights), 1)
    parameter = Parameter("sum.weight", stored)
    draft.add("sum", Dense(parameter, None) if dense else Convolution(parameter, None, (1,), ((0, 0),), (1,), 1))
    network = draft.finish()
    words = [
        Override("image.output", "ap_ufixed<1,1,AP_RND_CONV,AP_SAT>"),
        Override("sum.weight", "ap_ufixed<25,25,AP_RND_CONV,AP_SAT>"),
        Override("sum.output", "ap_ufixed<24,25,AP_RND_CONV,AP_SAT>"),
    ]
    return network, uniform_plan(network, 8, 4, options=EVERY_NODE, overrides=words)


def test_float32_is_trusted_up_to_24_bits_and_not_one_further(tmp_path: Path) -> None:
    network, plan = wide([(1 << 24) - 1, 1], dense=False)
    assert executed(network, plan, np.ones((1, 1, 2)), tmp_path).mismatches == 0
    network, plan = wide([(1 << 24) - 1, 2], dense=False)
    with pytest.raises(BittrueError, match="node sum: QONNX computes it in floating point: .* is proven to hold 24"):
        executed(network, plan, np.ones((1, 1, 2)), tmp_path)


def test_longer_sums_are_carried_in_float64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, plan = wide([(1 << 24) - 1, 1, 1, 1, 1, 1, 1, 1], dense=True)
    x = np.random.default_rng(1).integers(0, 2, (64, 8))
    x[:, 0] = 1
    (tmp_path / "right").mkdir()
    assert executed(network, plan, x, tmp_path / "right").mismatches == 0
    monkeypatch.setattr(graph, "FLOAT32", 1 << 40)  # a float32 that would hold them
    (tmp_path / "wrong").mkdir()
    assert executed(network, plan, x, tmp_path / "wrong").mismatches > 0


@pytest.mark.parametrize("name", ["leaky-relu", "prelu-positions"])
def test_leaky_branches_of_longer_sums_are_carried_in_float64(name: str, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == name)
    words = [
        Override("*.slope", "ap_fixed<16,1,AP_RND_CONV,AP_SAT>"),
        Override("node.output", "ap_fixed<9,5,AP_TRN,AP_SAT>"),
    ]
    image = Override("image.output", "ap_fixed<14,7,AP_RND_CONV,AP_SAT>")
    plan = uniform_plan(
        case.network, 8, 4, options=EVERY_NODE, overrides=[Override("*.output", "EXACT"), *words, image]
    )
    result = executed(case.network, plan, inputs_of(case), tmp_path)
    assert result.values
    assert result.mismatches == 0, result.first


@pytest.mark.parametrize("rounding", list(ROUNDINGS), ids=lambda rounding: rounding.value)
def test_constants_of_24_bits_keep_their_codes(rounding: Rounding, tmp_path: Path) -> None:
    """An offset that saturates at 2²⁴ − 1, to which float32 can't add one half."""
    draft = Draft("offset", (2,))
    draft.add("node", ScaleOffset(None, Parameter("node.offset", np.array([1.0, 0.3], np.float32))))
    words = [
        Override("image.output", "ap_fixed<3,2,AP_RND_CONV,AP_SAT>"),
        Override("node.offset", f"ap_ufixed<24,0,{rounding.amd},AP_SAT>"),
        Override("node.output", "EXACT"),
    ]
    network = draft.finish()
    plan = uniform_plan(network, 8, 4, options=EVERY_NODE, overrides=words)
    assert executed(network, plan, np.zeros((1, 2)), tmp_path).mismatches == 0


@pytest.mark.parametrize("tensor", ["dense.weight", "dense.bias"])
def test_one_unit_of_a_weight_is_seen(tensor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in CASES if case.name == "dense")
    plan = uniform_plan(case.network, 8, 4, options=EVERY_NODE)

    def changed(made: graph.Graph) -> bytes:
        model = onnx.ModelProto()
        model.ParseFromString(qonnx_bytes(made))
        stored = next(each for each in model.graph.initializer if each.name == tensor)
        numbers = onnx.numpy_helper.to_array(stored).copy()
        numbers.flat[0] += 2.0**-4
        stored.CopyFrom(onnx.numpy_helper.from_array(numbers, tensor))
        return model.SerializeToString()

    monkeypatch.setattr(run, "qonnx_bytes", changed)
    assert executed(case.network, plan, inputs_of(case), tmp_path).mismatches > 0
