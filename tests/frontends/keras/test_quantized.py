"""Keras files of QKeras, HGQ and HGQ2: their quantizers are the plan, and give the bits that those packages give."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from bittrue.errors import ModelError
from bittrue.fixed import Quantizer, describe
from bittrue.frontends import load, load_with_plan
from bittrue.lowering import lower_network
from bittrue.plan import Plan, Word
from bittrue.simulation.simulator import Simulator
from frontends.keras.keras2_files import save_keras2
from frontends.keras.zoo import randomise, sequential

FILES = Path(__file__).parent / "files"
RANDOM = np.random.default_rng(3)


def simulated(path: Path, x: np.ndarray) -> np.ndarray:
    return np.asarray(Simulator(lower_network(*load_with_plan(path))).run(x.astype(np.float32)).outputs)


def formats(plan: Plan) -> dict[str, str]:
    return {name: describe(spec) if isinstance(spec, Quantizer) else str(spec) for name, spec in plan.sites.items()}


# HGQ2: `make_hgq2.py` wrote the file and HGQ2's own outputs, on inputs that are often ties.


def test_the_same_bits_as_hgq2() -> None:
    stored = np.load(FILES / "hgq2.npz")
    assert np.array_equal(simulated(FILES / "hgq2.keras", stored["x"]), stored["outputs"])


def test_the_comparison_sees_one_bit(tmp_path: Path) -> None:
    stored, path = np.load(FILES / "hgq2.npz"), tmp_path / "model.keras"
    rewrite(FILES / "hgq2.keras", path, arrays=one_bit_less)
    assert not np.array_equal(simulated(path, stored["x"]), stored["outputs"])


def one_bit_less(file: h5py.File) -> None:
    file["layers/q_dense/iq/quantizer/vars/0"][...] -= 1


def test_weights_are_the_rounded_ones_and_words_of_no_bits_are_zeros() -> None:
    network, plan = load_with_plan(FILES / "hgq2.keras")
    assert {plan.sites[f"{name}.{role}"] for name in ("conv", "dense") for role in ("weight", "bias")} == {Word.EXACT}
    assert "dense_in_zeros" in network.by_name
    told: list[str] = []
    assert load(FILES / "hgq2.keras", told=told.append).hash == network.hash == plan.network
    [line] = told
    assert "hgq2.keras holds quantizers" in line
    assert "bittrue plan MODEL --from-model" in line


def test_the_input_keeps_the_bits_that_its_readers_look_at() -> None:
    plan = load_with_plan(FILES / "hgq2.keras")[1]
    readers = [text for name, text in formats(plan).items() if name.startswith("conv_in_word")][:2]
    assert formats(plan)["image.output"] == "ap_fixed<7,3,AP_TRN,AP_WRAP>"
    assert readers == ["ap_fixed<3,3,AP_RND,AP_WRAP>", "ap_fixed<6,3,AP_RND,AP_WRAP>"]


# HGQ 1 writes proxy models of Keras 2: its own layer beside Keras's. Here is its definition in NumPy.

WORDS: dict[str, tuple[Any, Any, Any]] = {
    "first": ([[1, 1, 0, 1, 1]], [[6, 4, 3, 0, 5]], [[3, 3, 1, 0, 2]]),
    "second": ([1], [7], [4]),
    "third": ([[0, 0, 0]], [[5, 3, 5]], [[3, 2, 3]]),
}
"""By layer: keep_negative, bits and integers, the sign counted."""


def proxy(rounding: str, overflow: str, path: Path) -> keras.Model:
    """A proxy model at `path`, and the float model in which activations stand for the quantizers."""
    model = randomise(
        sequential(
            layers.Activation("linear", name="first"),
            layers.Dense(3, name="dense"),
            layers.Activation("linear", name="second"),
            layers.ReLU(name="relu"),
            layers.Activation("linear", name="third"),
            shape=(5,),
        )()
    )
    dense = model.get_layer("dense")
    dense.set_weights([np.round(values * 16) / 16 for values in dense.get_weights()])
    save_keras2(model, path)
    with h5py.File(path, "r+") as file:
        description = json.loads(file.attrs["model_config"])
        for layer in description["config"]["layers"]:
            name = layer["config"]["name"]
            if name in WORDS:
                layer["class_name"] = "FixedPointQuantizer"
                layer["config"] = {"name": name, "dtype": "float32", "RND": rounding, "SAT": overflow}
                group = file["model_weights"].require_group(name)
                names = ("keep_negative:0", "bits:0", "integers:0")
                group.attrs["weight_names"] = [text.encode() for text in names]
                for role, values in zip(names, WORDS[name], strict=True):
                    group[role] = np.array(values, np.int8)
            layer.pop("module", None)
        file.attrs["model_config"] = json.dumps(description)
    return model


ROUNDED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "TRN": np.floor,
    "RND": lambda x: np.floor(x + 0.5),
    "RND_CONV": np.rint,
    "TRN_ZERO": np.trunc,
}


def hgq(x: np.ndarray, name: str, rounding: str, overflow: str) -> np.ndarray:
    """`gfixed_quantizer` of HGQ's fixed_point_quantizer.py."""
    signed, bits, integers = (np.array(values, np.float64) for values in WORDS[name])
    step, high = 2.0 ** (integers - bits), 2.0 ** (bits - signed) - 1
    codes, low = ROUNDED[rounding](x / step), -(high + 1) * signed
    limited = np.mod(codes - low, high - low + 1) + low if overflow == "WRAP" else np.clip(codes, low, high)
    return np.asarray(limited * step * (bits != 0))


@pytest.mark.parametrize("overflow", ["WRAP", "SAT"])
@pytest.mark.parametrize("rounding", ROUNDED)
def test_the_same_numbers_as_hgq(rounding: str, overflow: str, tmp_path: Path) -> None:
    model = proxy(rounding, overflow, tmp_path / "model.h5")
    weight, bias = (each.astype(np.float64) for each in model.get_layer("dense").get_weights())
    x = np.round(RANDOM.normal(0, 3, (200, 5)) * 16) / 16
    first = hgq(x, "first", rounding, overflow)
    second = hgq(first @ weight + bias, "second", rounding, overflow)
    wanted = hgq(np.maximum(second, 0), "third", rounding, overflow)
    assert np.array_equal(simulated(tmp_path / "model.h5", x), wanted)


def test_modes_that_are_no_formats(tmp_path: Path) -> None:
    proxy("TRN", "WRAP_SM", tmp_path / "model.h5")
    with pytest.raises(ModelError, match=r"model\.h5: layer first \(FixedPointQuantizer\): its modes 'TRN' and 'WRAP_"):
        load(tmp_path / "model.h5")


# QKeras: its layers have the arguments of Keras's, and quantizers.


def rewrite(
    source: Path,
    target: Path,
    layer: Callable[[dict[str, Any]], None] = lambda layer: None,
    arrays: Callable[[h5py.File], None] = lambda file: None,
) -> Path:
    """A copy of a `.keras` file in which each layer's description, and the arrays, were changed."""
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config, weights = json.loads(parts["config.json"]), io.BytesIO(parts["model.weights.h5"])
    for described in config["config"]["layers"]:
        layer(described)
    with h5py.File(weights, "r+") as file:
        arrays(file)
    parts |= {"config.json": json.dumps(config).encode(), "model.weights.h5": weights.getvalue()}
    with zipfile.ZipFile(target, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return target


def quantizer(name: str, **arguments: object) -> dict[str, object]:
    return {
        "module": "qkeras.quantizers",
        "class_name": name,
        "config": arguments,
        "registered_name": f"qkeras>{name}",
    }


KERNEL = quantizer("quantized_bits", bits=5, integer=1, symmetric=1, keep_negative=True, alpha=1)
BIAS = quantizer("quantized_bits", bits=6, integer=1, symmetric=0, keep_negative=True, alpha=None)
RELU = quantizer("quantized_relu", bits=4, integer=1, use_sigmoid=0, negative_slope=0.0, relu_upper_bound=None)


def qkeras(path: Path, kernel: object = KERNEL, relu: object = RELU, first: object = None) -> keras.Model:
    """A QKeras file at `path`, and the float model of its weights."""
    model = randomise(
        sequential(
            layers.Activation("linear", name="first"),
            layers.Conv2D(3, 2, name="conv", activation="linear"),
            layers.Activation("linear", name="relu"),
            layers.Flatten(name="flat"),
            layers.Dense(4, name="dense"),
            shape=(4, 3, 2),
        )()
    )
    model.save(path)

    def changed(layer: dict[str, Any]) -> None:
        name, config = layer["config"]["name"], layer["config"]
        if name in ("conv", "dense"):
            config |= {"kernel_quantizer": kernel, "bias_quantizer": BIAS}
        if name in ("first", "relu"):
            config["activation"] = relu if name == "relu" else (first or "quantized_bits(7, 2, alpha=1)")
        if name not in ("input_layer", "flat") and layer["class_name"] != "InputLayer":
            class_name = "QActivation" if layer["class_name"] == "Activation" else f"Q{layer['class_name']}"
            layer |= {"class_name": class_name, "module": "qkeras.qlayers", "registered_name": f"qkeras>{class_name}"}

    def renamed(file: h5py.File) -> None:
        for name in ("conv2d", "dense"):
            file.move(f"layers/{name}", f"layers/q_{name}")

    return rewrite(path, path, changed, renamed) and model


def codes(x: np.ndarray, steps: float, low: int, high: int) -> np.ndarray:
    """QKeras rounds with tf.round: ties to even."""
    return np.clip(np.rint(x.astype(np.float64) * steps), low, high) / steps


def test_the_same_numbers_as_qkeras(tmp_path: Path) -> None:
    model = qkeras(tmp_path / "model.keras")
    x = np.round(RANDOM.normal(0, 2, (100, 4, 3, 2)) * 32) / 32
    kernels = [codes(model.get_layer(name).get_weights()[0], 8, -15, 15) for name in ("conv", "dense")]
    biases = [codes(model.get_layer(name).get_weights()[1], 16, -32, 31) for name in ("conv", "dense")]
    images = codes(x, 16, -64, 63)
    windows = np.lib.stride_tricks.sliding_window_view(
        images, (2, 2), axis=(1, 2)
    )  # (batch, rows, columns, channels, …)
    summed = np.einsum("bxyckl,klco->bxyo", windows, kernels[0]) + biases[0]
    wanted = codes(np.maximum(summed, 0), 8, 0, 15).reshape(100, -1) @ kernels[1] + biases[1]
    assert np.array_equal(simulated(tmp_path / "model.keras", x), wanted)


def test_the_formats_of_qkeras(tmp_path: Path) -> None:
    """The sign is not counted in `integer`."""
    qkeras(tmp_path / "model.keras")
    network, plan = load_with_plan(tmp_path / "model.keras")
    assert formats(plan) | {
        "first.output": "ap_fixed<7,3,AP_RND_CONV,AP_SAT>",
        "conv.weight": "ap_fixed<5,2,AP_RND_CONV,AP_SAT_SYM>",
        "conv.bias": "ap_fixed<6,2,AP_RND_CONV,AP_SAT>",
        "relu.output": "ap_ufixed<4,1,AP_RND_CONV,AP_SAT>",
    } == formats(plan)
    assert plan.sites["conv.output"] is Word.EXACT
    # The input is rounded before all else, as its only reader rounds it.
    assert plan.sites[f"{network.input.name}.output"] == plan.sites["first.output"]


def test_a_quantizer_in_the_place_of_an_activation(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    qkeras(path)

    def fused(layer: dict[str, Any]) -> None:
        if layer["config"]["name"] == "conv":
            layer["config"]["activation"] = "quantized_relu(3,1)"

    network, plan = load_with_plan(rewrite(path, path, fused))
    assert network.by_name["relu"].inputs == ("conv_quantized_relu",)
    assert formats(plan)["conv_quantized_relu.output"] == "ap_ufixed<3,1,AP_RND_CONV,AP_SAT>"


def test_a_scale_that_training_found_is_read_where_the_file_has_it(tmp_path: Path) -> None:
    """Rounded away from zero, as QKeras does there."""
    scaled = quantizer(
        "quantized_bits", bits=4, integer=0, alpha="auto_po2", post_training_scale=[[0.5, 2.0, 1.0, 4.0]]
    )
    qkeras(tmp_path / "model.keras")

    def dense(layer: dict[str, Any]) -> None:
        if layer["config"]["name"] == "dense":
            layer["config"]["kernel_quantizer"] = scaled

    _, plan = load_with_plan(rewrite(tmp_path / "model.keras", tmp_path / "scaled.keras", dense))
    spec = plan.sites["dense.weight"]
    assert isinstance(spec, tuple)
    assert [describe(each) for each in spec] == [f"ap_fixed<4,{bits},AP_RND_INF,AP_SAT_SYM>" for bits in (0, 2, 1, 3)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kernel": quantizer("quantized_bits", bits=4, alpha="auto_po2")}, "takes its scale from the weights"),
        ({"kernel": quantizer("quantized_bits", bits=4)}, "takes its scale from the weights"),
        ({"kernel": quantizer("quantized_bits", bits=4, alpha=0.5)}, "multiplies by alpha=0.5"),
        ({"kernel": quantizer("quantized_linear", bits=4, alpha=0.3)}, r"scale 0\.3 is not a power of two"),
        ({"kernel": quantizer("quantized_bits", bits=1, alpha=1)}, "makes signs"),
        ({"kernel": quantizer("ternary", alpha=1)}, "quantizer 'ternary' is no fixed-point format"),
        ({"relu": "quantized_relu(4,1,1)"}, "has a sigmoid"),
        ({"relu": "quantized_tanh(4)"}, r"quantizer 'quantized_tanh\(4\)' is no fixed-point format"),
        ({"relu": "quantized_relu(__import__('os').getpid())"}, "is no fixed-point format"),
        ({"kernel": quantizer("quantized_bits", bits="8", alpha=1)}, "bits is '8', expected a whole number"),
    ],
)
def test_quantizers_that_no_format_is(arguments: dict[str, Any], words: str, tmp_path: Path) -> None:
    qkeras(tmp_path / "model.keras", **arguments)
    with pytest.raises(ModelError, match=rf"model\.keras: layer \w+ \(Q\w+\): .*{words}") as error:
        load(tmp_path / "model.keras")
    assert len(str(error.value).partition("): ")[2].split()) <= 40


def test_a_linear_quantizer_has_its_scale_in_its_steps(tmp_path: Path) -> None:
    qkeras(tmp_path / "model.keras", quantizer("quantized_linear", bits=4, integer=1, symmetric=0, alpha=0.25))
    assert formats(load_with_plan(tmp_path / "model.keras")[1])["conv.weight"] == "ap_fixed<4,0,AP_RND_CONV,AP_SAT>"


def test_a_keras_file_without_quantizers_holds_no_plan(tmp_path: Path) -> None:
    sequential(layers.Dense(3), shape=(4,))().save(tmp_path / "model.keras")
    with pytest.raises(ModelError, match=r"model\.keras: it holds no quantizers, .* `bittrue plan MODEL --word-length"):
        load_with_plan(tmp_path / "model.keras")
