"""Quantizers in ONNX files, QDQ and QONNX's, become a plan under which the network gives the file's own bits."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from bittrue.errors import ModelError
from bittrue.fixed import Quantizer, describe
from bittrue.frontends import load, load_with_plan
from bittrue.frontends.onnx.model import from_onnx, from_onnx_with_plan
from bittrue.lowering import lower_network
from bittrue.plan import Plan, Word
from bittrue.simulation.simulator import Simulator
from frontends.onnx_quantized_zoo import MATRIX, QONNX, SHAPE, codes, qdq, qonnx, quant
from frontends.onnx_zoo import Step, channels_last, expected, integers, model, operators, random, step


def formats(plan: Plan) -> dict[str, str]:
    return {
        name: " ".join(describe(each) for each in (spec if isinstance(spec, tuple) else (spec,)))
        if isinstance(spec, tuple | Quantizer)
        else str(spec)
        for name, spec in plan.sites.items()
    }


EXPECTED = {
    "x.output": "ap_fixed<8,3,AP_RND_CONV,AP_SAT>",
    "conv.weight": "ap_fixed<8,2,AP_RND_CONV,AP_SAT> ap_fixed<8,3,AP_RND_CONV,AP_SAT> ap_fixed<8,2,AP_RND_CONV,AP_SAT>",
    "conv.bias": "ap_fixed<32,22,AP_RND_CONV,AP_SAT>",
    "relu.output": "ap_ufixed<8,4,AP_RND_CONV,AP_SAT>",
    "dense.weight": "ap_fixed<8,3,AP_RND_CONV,AP_SAT>",
    "dense.bias": "ap_fixed<32,23,AP_RND_CONV,AP_SAT>",
    "dense.output": "ap_fixed<8,6,AP_RND_CONV,AP_SAT>",
}


@pytest.mark.parametrize("made", [qdq, qonnx])
def test_the_quantizers_are_the_plan(made: object) -> None:
    network, plan = from_onnx_with_plan(made())  # type: ignore[operator]
    assert operators(network) == "Convolution ReLU MaxPooling Flatten Dense"
    found = formats(plan)
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    assert {plan.sites[name] for name in set(found) - set(EXPECTED)} == {Word.EXACT}
    assert plan.network == network.hash == from_onnx(made()).hash  # type: ignore[operator]


def simulated(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    network, plan = from_onnx_with_plan(proto)
    lowered = lower_network(network, plan)
    return np.asarray(Simulator(lowered).run(channels_last(x)).outputs)


def test_the_same_bits_as_onnxruntime() -> None:
    x = random(*SHAPE, seed=9)
    assert np.array_equal(simulated(qdq(), x), expected(qdq(), x))
    assert np.array_equal(simulated(qonnx(), x), expected(qdq(), x))


def test_the_comparison_sees_one_bit() -> None:
    x, other = random(*SHAPE, seed=9), qdq()
    tensor = next(tensor for tensor in other.graph.initializer if tensor.name.startswith("m."))
    tensor.CopyFrom(onnx.numpy_helper.from_array(codes(MATRIX, 5, "int8") ^ np.int8(16), tensor.name))
    assert not np.array_equal(simulated(other, x), expected(qdq(), x))


def test_roundings_and_narrow_ranges() -> None:
    steps = [quant("x", 3, 4, narrow=1, rounding_mode="FLOOR"), step("Relu", "last")]
    _, plan = from_onnx_with_plan(model(("n", 3), steps, domains=[QONNX]))
    assert formats(plan)["x.output"] == "ap_fixed<4,1,AP_TRN,AP_SAT_SYM>"


def test_a_value_with_two_readers_keeps_its_bits_for_the_other() -> None:
    steps = [step("Relu", "x", name="a"), quant("a", 3, 8, name="q"), step("Add", "a", "q", name="sum")]
    network, plan = from_onnx_with_plan(model(("n", 3), steps, domains=[QONNX]))
    assert operators(network) == "ReLU Identity Add"
    assert formats(plan)["q.output"].startswith("ap_fixed<8,5")
    assert plan.sites["a.output"] is Word.EXACT


BIPOLAR = step(f"{QONNX}:BipolarQuant", random(3, 2), np.float32(0.5), name="w")


def test_signs_of_weights() -> None:
    network, plan = from_onnx_with_plan(
        model(("n", 3), [BIPOLAR, step("MatMul", "x", "w", name="dense")], domains=[QONNX])
    )
    assert np.array_equal(network.parameters["dense.weight"].value, np.where(random(3, 2) >= 0, 0.5, -0.5))
    assert formats(plan)["dense.weight"].startswith("ap_fixed<2,1,")


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([quant("x", 0, 8, name="q", rounding_mode="CEIL")], "its rounding mode CEIL is not supported"),
        (
            [step(f"{QONNX}:Quant", "x", np.float32(0.1), np.float32(0), np.float32(8), name="q")],
            "its scale 0.1 is not a power of two",
        ),
        (
            [step(f"{QONNX}:Quant", "x", np.float32(1), np.float32(3), np.float32(8), name="q")],
            "its zero point is not 0",
        ),
        ([step("QuantizeLinear", "x", np.float32(0.3), np.int8(0), name="q")], "its scale 0.3 is not a power of two"),
        ([step("QuantizeLinear", "x", np.float32(0.5), np.uint8(7), name="q")], "its zero point is not 0"),
        ([quant("x", np.array([1, 2, 3]), 8, name="q")], "quantizes activations by channel"),
        ([step(f"{QONNX}:BipolarQuant", "x", np.float32(1), name="q")], "it makes signs of activations"),
    ],
)
def test_quantizers_that_no_format_is(steps: list[Step], words: str) -> None:
    with pytest.raises(ModelError, match=rf"^the ONNX model: node q \(\w+\): .*{words}"):
        from_onnx(model(("n", 3), [*steps, step("Relu", "last")], domains=[QONNX]))


def test_files_without_quantizers(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(
        model(("n", 3), [step("Reshape", "last", integers(0, 3)), step("Relu", "last")]).SerializeToString()
    )
    assert load(path).name == "zoo"
    with pytest.raises(ModelError, match=r"model\.onnx: it holds no quantizers, so there is no plan in it"):
        load_with_plan(path)
    with pytest.raises(ModelError, match=r"model\.keras holds no plan: only an \.onnx file with quantizers"):
        load_with_plan("model.keras")
