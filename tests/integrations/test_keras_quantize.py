"""The Keras layer has the definition's bits on every backend, eager and compiled, and the gradient that it promises."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest

import bittrue.keras
from bittrue.errors import FormatError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.frontends.keras.model import from_keras
from bittrue.integrations import keras_quantize
from bittrue.lowering import lower_network
from bittrue.plan import PlanOptions, uniform_plan
from bittrue.simulation.simulator import Simulator
from integrations import on_backend
from integrations.hostile import QUANTIZERS, expected, name_of, one_of_each_mode, values_for

BACKENDS = ("torch", "tensorflow", "jax")


Program = tuple["subprocess.Popen[bytes]", Path]
"""A running program, and the folder in which it writes `found.npz` and, where it fails, `complaints`."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Program]]:
    """The other backends' programs, side by side."""
    running = {}
    for backend in BACKENDS:
        if backend != keras.backend.backend() and importlib.util.find_spec(backend) is not None:
            folder = tmp_path_factory.mktemp(backend)
            command = [sys.executable, str(Path(on_backend.__file__)), str(folder / "found.npz")]
            environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
            with (folder / "complaints").open("wb") as complaints:
                program = subprocess.Popen(command, env=environment, stdout=complaints, stderr=complaints)
            running[backend] = program, folder
    yield running
    for program, _ in running.values():
        program.kill()
        program.wait()


@pytest.fixture(scope="module", params=BACKENDS)
def found(
    request: pytest.FixtureRequest, programs: dict[str, Program], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, np.ndarray]:
    if request.param == keras.backend.backend():
        return on_backend.everything(tmp_path_factory.mktemp("here"))
    if request.param not in programs:
        pytest.skip(f"{request.param} is not installed")
    program, folder = programs[request.param]
    assert program.wait(timeout=300) == 0, (folder / "complaints").read_text()
    with np.load(folder / "found.npz") as stored:
        return dict(stored)


@cache
def reference(quantizer: Quantizer) -> np.ndarray:
    return expected(quantizer)


def test_eager_bits(found: dict[str, np.ndarray]) -> None:
    for quantizer in QUANTIZERS:
        np.testing.assert_array_equal(found[f"eager {name_of(quantizer)}"], reference(quantizer), name_of(quantizer))


def test_compiled_bits_after_saving_and_loading(found: dict[str, np.ndarray]) -> None:
    for quantizer in one_of_each_mode():
        name = name_of(quantizer)
        np.testing.assert_array_equal(found[f"compiled {name}"], reference(quantizer), name)


def test_gradients(found: dict[str, np.ndarray]) -> None:
    quantized = {"SATURATE": [0.25, 1.75, 1.75, -2.0], "WRAP": [0.25, -2.0, 1.0, 1.0]}
    passing = {"SATURATE": [1, 0, 0, 0], "WRAP": [1, 1, 1, 1]}
    errors = {name: np.array(values, np.float32) - on_backend.TARGET for name, values in quantized.items()}
    assert found["loss"] == np.float32(np.mean(np.concatenate(list(errors.values())) ** 2))
    for name, error in errors.items():
        step = np.float32(2 / 8) * error * np.array(passing[name], np.float32)
        np.testing.assert_array_equal(found[f"trained {name}"], on_backend.TRAINED - step, name)


def test_a_model_object_is_the_same_network(found: dict[str, np.ndarray]) -> None:
    model, _ = on_backend.convolutional()
    assert str(found["network"]) == from_keras(model).hash
    model.set_weights([weight + 1 for weight in model.get_weights()])
    assert str(found["network"]) != from_keras(model).hash


def test_inserted_layers(found: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(found["off"], found["float"])
    model, x = on_backend.convolutional()
    network = from_keras(model)
    for form in on_backend.FORMS:
        plan = uniform_plan(network, 14, 5, options=PlanOptions(batch_norm=form))
        np.testing.assert_array_equal(
            found[f"inserted {form}"], Simulator(lower_network(network, plan)).run(x).outputs, form
        )


def test_a_sum_rounded_itself_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    quantizer = Quantizer(FixedFormat(True, 8, 4), Rounding.NEAREST_UP, Overflow.SATURATE)
    wrong = {**keras_quantize._ROUNDING, Rounding.NEAREST_UP: lambda x, bits: keras.ops.floor(x * 2.0**bits + 0.5)}
    monkeypatch.setattr(keras_quantize, "_ROUNDING", wrong)
    got = on_backend.array(on_backend.layer(quantizer)(values_for(quantizer.format)))
    assert np.count_nonzero(got != reference(quantizer))


def test_disabled_it_passes_everything_on() -> None:
    x = np.array([[0.1, 1e30, -0.0]], np.float32)
    disabled = bittrue.keras.Quantize(4, 2, enabled=False)
    np.testing.assert_array_equal(on_backend.array(disabled(x)), x)


def test_nan_and_infinity_come_out_as_nan() -> None:
    x = np.array([[np.nan, np.inf, -np.inf]], np.float32)
    for quantizer in one_of_each_mode():
        assert np.isnan(on_backend.array(on_backend.layer(quantizer)(x))).all(), quantizer


def test_its_configuration_makes_the_same_layer() -> None:
    layer = bittrue.keras.Quantize(9, 5, False, "AP_TRN", "ap_sat_sym", enabled=False, name="q")
    again = bittrue.keras.Quantize.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.quantizer == Quantizer(FixedFormat(False, 9, 5), Rounding.FLOOR, Overflow.SATURATE_SYMMETRIC)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"word_length": 26}, "at most 25 bits with a sign, or UNBOUNDED"),
        ({"word_length": 25, "signed": False}, "at most 24 bits without a sign"),
        ({"word_length": 8, "fraction_bits": 101}, "from -100 to 100 fraction bits"),
        ({"word_length": 0}, "doesn't exist"),
        ({"word_length": 8, "rounding": "UP"}, "no rounding mode 'UP'"),
        ({"word_length": 8, "dtype": "float16"}, "computes in float16.*dtype='float32'"),
    ],
)
def test_refusals(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        bittrue.keras.Quantize(**{"fraction_bits": 4, **arguments})


def test_an_unbounded_word_may_be_long() -> None:
    x = np.array([[2.0**40 + 2.0**20, 0.1]], np.float32)
    np.testing.assert_array_equal(
        on_backend.array(bittrue.keras.Quantize(32, 4, overflow="UNBOUNDED")(x)), [[2.0**40 + 2.0**20, 0.125]]
    )
