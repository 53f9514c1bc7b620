"""Quantizers in ONNX files, QDQ and QONNX's, become a plan under which the network gives the file's own bits."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from bittrue.errors import ModelError
from bittrue.fixed import Quantizer, describe
from bittrue.frontends import load, load_with_plan
from bittrue.frontends.onnx.model import from_onnx
from bittrue.lowering import lower_network
from bittrue.plan import Plan, Word
from bittrue.simulation.simulator import Simulator
from frontends.onnx_quantized_zoo import KERNEL, MATRIX, QONNX, SHAPE, TERMS, codes, qdq, qonnx, quant, rounded, scale
from frontends.onnx_zoo import Step, channels_last, expected, integers, model, operators, positive, random, step

pytestmark = pytest.mark.filterwarnings("ignore:.* holds quantizers")


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
    network, plan = load_with_plan(made())  # type: ignore[operator]
    assert operators(network) == "Convolution ReLU MaxPooling Flatten Dense"
    found = formats(plan)
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    assert {plan.sites[name] for name in set(found) - set(EXPECTED)} == {Word.EXACT}
    assert plan.network == network.hash == from_onnx(made()).hash  # type: ignore[operator]


def test_each_bias_keeps_its_own_format() -> None:
    """One that an Add brings, and that of the layer after it."""
    steps = [
        quant(MATRIX, 5, 8, name="m"),
        quant(TERMS, 9, 32, name="t"),
        quant(random(4, 4, seed=7), 4, 8, name="n"),
        quant(TERMS * 2, 7, 16, name="u"),
        quant("x", 5, 8),
        step("MatMul", "last", "m", name="first"),
        step("Add", "last", "t"),
        quant("last", 3, 8),
        step("Gemm", "last", "n", "u", name="second"),
        quant("last", 2, 8),
    ]
    network, plan = load_with_plan(model(("n", 18), steps, domains=[QONNX]))
    assert operators(network) == "Dense Dense"
    found = formats(plan)
    assert found["first.bias"] == "ap_fixed<32,23,AP_RND_CONV,AP_SAT>"
    assert found["second.bias"] == "ap_fixed<16,9,AP_RND_CONV,AP_SAT>"


def simulated(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    network, plan = load_with_plan(proto)
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
    _, plan = load_with_plan(model(("n", 3), steps, domains=[QONNX]))
    assert formats(plan)["x.output"] == "ap_fixed<4,1,AP_TRN,AP_SAT_SYM>"


def test_a_value_with_two_readers_keeps_its_bits_for_the_other() -> None:
    steps = [step("Relu", "x", name="a"), quant("a", 3, 8, name="q"), step("Add", "a", "q", name="sum")]
    network, plan = load_with_plan(model(("n", 3), steps, domains=[QONNX]))
    assert operators(network) == "ReLU Identity Add"
    assert formats(plan)["q.output"].startswith("ap_fixed<8,5")
    assert plan.sites["a.output"] is Word.EXACT


BIPOLAR = step(f"{QONNX}:BipolarQuant", random(3, 2), np.float32(0.5), name="w")


def test_signs_of_weights() -> None:
    network, plan = load_with_plan(model(("n", 3), [BIPOLAR, step("MatMul", "x", "w", name="dense")], domains=[QONNX]))
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


LOW_AND_HIGH = {"ap_ufixed<4,2,AP_RND_CONV,AP_SAT>": (0, 15), "ap_ufixed<1,-1,AP_RND_CONV,AP_SAT>": (0, 1)}
SIGNED = {"ap_fixed<4,2,AP_RND_CONV,AP_SAT_SYM>": (-7, 7), "ap_fixed<3,1,AP_RND_CONV,AP_SAT>": (-4, 3)}


def clipped(low: int, high: int, kind: str, **more: object) -> list[Step]:
    """Brevitas's QCDQ: the codes of a word below 8 bits are clipped between the two."""
    zero = np.zeros((), kind)
    return [
        step("QuantizeLinear", "last", scale(2), zero),
        step("Clip", "last", np.array(low, kind), np.array(high, kind), **more),
        step("DequantizeLinear", "last", scale(2), zero),
    ]


@pytest.mark.parametrize(("format", "bounds"), [*LOW_AND_HIGH.items(), *SIGNED.items()])
def test_words_below_8_bits_are_clipped_codes(format: str, bounds: tuple[int, int]) -> None:
    kind = "int8" if bounds[0] < 0 else "uint8"
    weight = codes(MATRIX[:4], 2, "int8")
    steps = [
        *clipped(-8, 7, "int8"),
        step("Clip", weight, np.int8(-7), np.int8(7), name="m"),
        step("DequantizeLinear", "m", scale(2), np.int8(0), name="md"),
        step("MatMul", "v2", "md", name="dense"),
        *clipped(*bounds, kind),
    ]
    x = random(50, 4, seed=3) * 2
    proto = model(("n", 4), steps)
    assert np.array_equal(simulated(proto, x), expected(proto, x))
    found = formats(load_with_plan(proto)[1])
    assert found["dense.output"] == format
    assert found["x.output"] == "ap_fixed<4,2,AP_RND_CONV,AP_SAT>"
    assert found["dense.weight"] == "ap_fixed<4,2,AP_RND_CONV,AP_SAT_SYM>"


def test_float_weights_are_quantized_and_clipped() -> None:
    steps = [
        step("QuantizeLinear", MATRIX[:4], scale(2), np.int8(0), name="q"),
        *clipped(-7, 7, "int8")[1:],
        step("MatMul", "x", "last", name="dense"),
    ]
    plan = load_with_plan(model(("n", 4), steps))[1]
    assert formats(plan)["dense.weight"] == "ap_fixed<4,2,AP_RND_CONV,AP_SAT_SYM>"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (clipped(-3, 9, "int8", name="c"), r"node c \(Clip\): it clips codes to -3 … 9, which are those of no word"),
        (
            [*clipped(0, 15, "uint8", name="c"), step("Add", "v0", "last")],
            r"node c \(Clip\): something else reads the codes before it clips them",
        ),
    ],
)
def test_clips_that_no_word_is(steps: list[Step], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        from_onnx(model(("n", 3), steps))


WITH_BATCH_NORM = [
    quant("x", 5, 8),
    quant(KERNEL, 5, 4, name="w"),
    step("Conv", "v0", "w", name="conv"),
    step("BatchNormalization", "last", *(positive(3, seed=number) for number in range(4)), name="bn"),
]


def as_the_file_computes(x: np.ndarray) -> np.ndarray:
    """Convolution and batch norm in float64, before any rounding."""
    grid = np.clip(np.round(x * 32), -128, 127) / 32
    kernel = np.clip(np.round(KERNEL * 32), -8, 7) / 32
    windows = np.lib.stride_tricks.sliding_window_view(grid, (3, 3), (2, 3))
    total = np.einsum("nchwij,ocij->nohw", windows, kernel)
    gamma, beta, mean, variance = (positive(3, seed=n).astype(float).reshape(3, 1, 1) for n in range(4))
    return gamma * (total - mean) / np.sqrt(variance + float(np.float32(1e-5))) + beta


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("behind", ["Relu", "pool", "nothing"])
def test_a_batch_norm_with_its_relu_is_rounded_once(signed: int, behind: str) -> None:
    pool = [step("Relu", "last"), step("MaxPool", "last", kernel_shape=[2, 2], strides=[2, 2])]
    more = {"Relu": pool[:1], "pool": pool, "nothing": []}[behind]
    proto = model(SHAPE, [*WITH_BATCH_NORM, *more, quant("last", 3, 4, signed)], domains=[QONNX])
    network, plan = load_with_plan(proto)
    assert Word.FLOAT not in plan.sites.values()
    x = random(*SHAPE, seed=9)
    low, high = (-8, 7) if signed else (0, 15)
    value = as_the_file_computes(x)
    value = np.maximum(value, 0) if more else value
    value = (
        np.maximum.reduce([value[:, :, i::2, j::2][:, :, :2, :1] for i in (0, 1) for j in (0, 1)])
        if len(more) == 2
        else value
    )
    wanted = np.clip(np.round(value * 8), low, high) / 8
    result = Simulator(lower_network(network, plan)).run(channels_last(x))
    np.testing.assert_array_equal(np.asarray(result.outputs), channels_last(wanted))


def test_what_a_relu_cuts_off_overflows_nothing() -> None:
    steps = [*WITH_BATCH_NORM, step("Relu", "last"), quant("last", 3, 8, 0)]
    plan = formats(load_with_plan(model(SHAPE, steps, domains=[QONNX]))[1])
    assert plan["bn.output"] == "ap_fixed<9,6,AP_RND_CONV,AP_SAT>"
    assert plan["relu.output"] == "ap_ufixed<8,5,AP_RND_CONV,AP_SAT>"


@pytest.mark.parametrize(
    "steps",
    [
        [step("LeakyRelu", "last", alpha=0.25), quant("last", 3, 8)],
        [step("Clip", "last", np.float32(0), np.float32(1.3)), quant("last", 3, 8)],
        [step("Add", "last", "conv"), quant("last", 3, 8)],
        [step("Relu", "last")],
        [step("Add", "last", "last"), quant("last", 3, 8)],
    ],
)
def test_a_batch_norm_elsewhere_is_float(steps: list[Step]) -> None:
    """A slope, a bound off the grid, a sum: rounding before them is not rounding behind them."""
    plan = load_with_plan(model(SHAPE, [*WITH_BATCH_NORM, *steps], domains=[QONNX]))[1]
    assert plan.sites["bn.output"] is Word.FLOAT


def trunc(input_bits: int, output_bits: int, fraction_bits: int, **more: object) -> Step:
    """From the grid of 2^-6 on."""
    numbers = (scale(6), np.float32(0), np.float32(input_bits), scale(fraction_bits), np.float32(output_bits))
    return step(f"{QONNX}:Trunc", "last", *numbers, **more)


@pytest.mark.parametrize(("mode", "rounding"), [("FLOOR", np.floor), ("round", np.round)])
@pytest.mark.parametrize("output_bits", [3, 8])
def test_averages_are_truncated(mode: str, rounding: np.ufunc, output_bits: int) -> None:
    """The sum of four codes of 2^-4 lies on the grid of 2^-6; the rest is cut off, and the word saturates."""
    steps = [
        quant("x", 4, 8),
        step("AveragePool", "last", kernel_shape=[2, 2], strides=[2, 2], name="average"),
        trunc(10, output_bits, 2, rounding_mode=mode, name="cut"),
    ]
    x = random(*SHAPE[:2], 6, 4, seed=2) * 4
    network, plan = load_with_plan(model((1, 2, 6, 4), steps, domains=[QONNX]))
    grid = np.clip(np.round(x * 16), -128, 127) / 16
    average = sum(grid[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4
    wanted = np.clip(rounding(average * 4), -(2 ** (output_bits - 1)), 2 ** (output_bits - 1) - 1) / 4
    result = Simulator(lower_network(network, plan)).run(channels_last(x))
    np.testing.assert_array_equal(np.asarray(result.outputs), channels_last(wanted))


def test_the_first_form_of_trunc_is_refused_with_a_way() -> None:
    step_of_version_1 = step(f"{QONNX}:Trunc", "x", scale(2), np.float32(0), np.float32(8), np.float32(4), name="cut")
    with pytest.raises(ModelError, match="version 1, which is not supported: .* or as QCDQ"):
        from_onnx(model(("n", 3), [step_of_version_1], domains=[QONNX]))


@pytest.mark.parametrize(
    "before", [[quant("x", 5, 8)], [step("QuantizeLinear", "x", scale(5), np.int8(0)), rounded(5, "int8")[1]]]
)
def test_axes_are_followed_through_a_quantizer_before_the_transpose(before: list[Step]) -> None:
    steps = [*before, step("Transpose", "last", perm=[0, 3, 1, 2]), step("Conv", "last", random(4, 3, 3, 3))]
    assert from_onnx(model(("n", 32, 30, 3), steps, domains=[QONNX])).input.shape == (32, 30, 3)


@pytest.mark.filterwarnings("error")
def test_quantizers_are_never_left_out_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(qonnx().SerializeToString())
    words = r"model\.onnx holds quantizers \(7 sites\), which the float network leaves out: `bittrue plan MODEL --from"
    with pytest.warns(UserWarning, match=words):
        load(path)
    said: list[str] = []
    load(path, told=said.append)
    assert len(said) == 1
    load_with_plan(path)


def test_files_without_quantizers(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(
        model(("n", 3), [step("Reshape", "last", integers(0, 3)), step("Relu", "last")]).SerializeToString()
    )
    assert load(path).name == "zoo"
    with pytest.raises(ModelError, match=r"model\.onnx: it holds no quantizers, so there is no plan in it"):
        load_with_plan(path)
