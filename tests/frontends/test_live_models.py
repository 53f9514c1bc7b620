"""Where models are run that their Networks are compared with: Keras's objects in Keras, graphs in other processes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from bittrue.errors import ModelError
from bittrue.frontends import load
from bittrue.frontends.keras.layers import LAYERS
from bittrue.frontends.live import check_live
from bittrue.frontends.onnx import live
from bittrue.frontends.tensorflow.converted import reading_of_conversion
from bittrue.frontends.tensorflow.live import tensorflow_live
from bittrue.operators import ReLU
from frontends.onnx_zoo import model, random, step
from frontends.test_live import small

BEGINS = "import os, sys, time; os.write(1, b'bittrue reads it here\\n')\n"
NOT_COMPARED = "the ONNX model was not compared with what onnxruntime computes: "


def told_of(source: Any, **arguments: Any) -> list[str]:
    told: list[str] = []
    load(source, told=told.append, **arguments)
    return told


def test_onnxruntime_is_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that breaks off, never ends or doesn't start says nothing, in one line."""
    assert told_of(small()) == []
    program = tmp_path / "program.py"
    monkeypatch.setattr(live, "PROGRAM", program)
    program.write_text(BEGINS + "os.abort()")
    assert told_of(small()) == [f"{NOT_COMPARED}it broke off over it, or took too long or too much memory"]
    assert told_of(small(), check=False) == []
    program.write_text("import nothing_of_that_name")
    assert told_of(small()) == [
        f"{NOT_COMPARED}it can't be started (ModuleNotFoundError: No module named 'nothing_of_that_name')"
    ]
    monkeypatch.setattr(live, "SECONDS", 1)
    program.write_text(BEGINS + "time.sleep(60)")
    assert told_of(small()) == [f"{NOT_COMPARED}it takes more than 1 s"]
    monkeypatch.setattr(live, "MAXIMUM_BYTES", 100)
    assert told_of(small()) == [f"{NOT_COMPARED}its weights are more than 1 GiB"]


def test_what_onnxruntime_does_not_run_is_told() -> None:
    [line] = told_of(model((1, 3, 4, 4), [step("Erf", "x")], opset=8))
    assert line.startswith(f"{NOT_COMPARED}it doesn't run it (")
    assert len(line) < 200


def test_quantizers_that_are_left_out_leave_the_comparison_out() -> None:
    scale, zero = np.float32(0.25), np.int8(0)
    steps = [step("QuantizeLinear", "x", np.array(scale), np.array(zero))]
    steps += [step("DequantizeLinear", "last", np.array(scale), np.array(zero)), step("Relu", "last")]
    [line] = told_of(model((1, 3, 4, 4), steps))
    assert "holds quantizers" in line


def test_a_batch_that_no_memory_holds_is_run_for_one() -> None:
    steps = [step("Conv", "x", random(2, 3, 3, 3)), step("Relu", "last")]
    assert told_of(model((789_444, 3, 4, 4), steps)) == []


def keras_model() -> Any:
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [layers.Input((6, 6, 4)), layers.Conv2D(5, 3), layers.LeakyReLU(name="leaky")], name="inner"
    )
    image = keras.Input((8, 8, 3))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="elu")(image))
    x = keras.ops.tanh(inner(x)) * 2.0
    return keras.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def test_a_keras_object_runs_beside_its_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = keras_model()
    assert told_of(model) == []
    model.save_weights(tmp_path / "x.weights.h5")
    monkeypatch.setitem(LAYERS, "LeakyReLU", replace(LAYERS["LeakyReLU"], rule=lambda use: ReLU()))
    words = r"from its node inner_leaky \(ReLU\) on, .* than Keras \(0 where Keras gives -"
    for arguments in ({}, {"weights": tmp_path / "x.weights.h5"}):
        with pytest.raises(ModelError, match=words):
            load(model, **arguments)
        assert told_of(model, check=False, **arguments) == []


def test_a_keras_object_in_short_floats_is_not_compared() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, dtype="mixed_bfloat16", name="d")], name="m")
    assert told_of(model) == [
        "the Keras model m was not compared with what Keras computes: "
        "it computes in bfloat16, with roundings of its own"
    ]


def test_pixels_for_a_keras_object_of_whole_numbers() -> None:
    x = keras.Input((4, 4, 1), dtype="uint8")
    assert told_of(keras.Model(x, layers.Flatten()(layers.Rescaling(1 / 255)(x)))) == []


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("module", r"Relu \(Tanh\)"),
        ("keras2", r"Relu \(Tanh\)"),
        ("parts", r"max_pooling1d_1_maxpool \(AveragePooling\)"),
    ],
)
def test_a_saved_model_that_is_read_otherwise(
    name: str, node: str, by_tensorflow: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bittrue.frontends.onnx.rules.operators import OPERATORS

    folder = by_tensorflow[0] / "saved_models"
    wrong, other = ("MaxPool", "AveragePool") if name == "parts" else ("Relu", "Tanh")
    monkeypatch.setitem(OPERATORS, wrong, replace(OPERATORS[wrong], rule=OPERATORS[other].rule))
    reading = reading_of_conversion(folder / name, folder / f"{name}_converted")
    with pytest.raises(ModelError, match=rf"from its node {node} on, .* than TensorFlow \("):
        check_live(reading.network, tensorflow_live(reading, folder / f"{name}_converted"), name, None)


def test_a_saved_model_whose_run_broke_off(by_tensorflow: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder = by_tensorflow[0] / "saved_models"
    for file in ("model.onnx", "result.json"):
        (tmp_path / file).write_bytes((folder / "module_converted" / file).read_bytes())
    reading, told = reading_of_conversion(folder / "module", tmp_path), list[str]()
    check_live(reading.network, tensorflow_live(reading, tmp_path), "it", told.append)
    assert told == [
        "it was not compared with what TensorFlow computes: it broke off over it, or took too long or too much memory"
    ]
