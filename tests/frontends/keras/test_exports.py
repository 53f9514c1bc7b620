"""ONNX files that Keras itself writes are the networks of the models, as far as the files hold them."""

import warnings
from collections.abc import Collection
from pathlib import Path

import keras
import numpy as np
import pytest

from bittrue.frontends import load
from bittrue.frontends.keras.model import from_keras
from bittrue.network import Network
from bittrue.simulation.float_model import FloatModel
from frontends.keras.exports import file_of, models

TOLERANCE = 1e-5  # of the largest output: see test_yardstick.py

MODELS = models()

NOT_IN_A_FILE = {"Identity"}
"""Dropout at inference leaves no trace."""

MOVES = {"Reshape", "Transpose"}

FOLDED = {"BatchNormalization", "ScaleOffset"}
"""tf2onnx computes a batch norm's scale and offset, or folds them into the convolution before."""

DIFFERENT_UNDER_TENSORFLOW = {
    "activations": {"ScaleOffset"},
    "attention": MOVES,  # the scores' rows and columns are exchanged
    "vision transformer": MOVES,
}
DIFFERENT_UNDER_TORCH = {
    "MobileNetV2": {"ZeroPadding"},  # uneven padding is a node of its own
    "ResNet": {"ZeroPadding"},
    "vision transformer": {*MOVES, "ScaleOffset"},  # query and key are both scaled, by the root
}

NOT_EXPORTED = {
    "layer_norms": "Keras's torch backend can't export a layer normalization with an open batch axis",
    "vision transformer": "Keras's torch backend can't export a layer normalization with an open batch axis",
}


def sequence(network: Network, without: Collection[str]) -> list[str]:
    """The operators' classes from the output back to the input, which doesn't depend on the order of a file."""
    nodes = {node.name: node for node in network.nodes}
    pending, seen = [network.output], list[str]()
    while pending:
        node = pending.pop()
        if node not in seen:
            seen.append(node)
            pending += nodes[node].inputs
    names = [nodes[node].operator.name for node in seen]
    return [name for name in names if name not in {*NOT_IN_A_FILE, *without}]


def images(model: keras.Model) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(3, *model.input_shape[1:])).astype(np.float32)


def error(network: Network, model: keras.Model) -> float:
    """The largest difference from what Keras predicts, relative to its largest output."""
    x = images(model)
    want, got = model.predict(x, verbose=0), FloatModel(network).run(x)
    assert got.shape == want.shape
    return float(np.abs(got - want).max() / np.abs(want).max())


@pytest.mark.filterwarnings("ignore:.* was not compared with .* No Op registered for Erfc")
@pytest.mark.parametrize("name", MODELS)
def test_files_of_the_tensorflow_backend(name: str) -> None:
    model, network = MODELS[name](), load(file_of(name))
    without = {*FOLDED, *DIFFERENT_UNDER_TENSORFLOW.get(name, ())}
    assert sequence(network, without) == sequence(from_keras(model), without)
    assert error(network, model) <= TOLERANCE


def exported(model: keras.Model, path: Path, **arguments: object) -> Network:
    model(np.zeros((1, *model.input_shape[1:]), np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.export(path, format="onnx", verbose=False, **arguments)
    return load(path)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in NOT_EXPORTED])
def test_exports_of_the_torch_backend(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    network = exported(model, tmp_path / "model.onnx")
    without = DIFFERENT_UNDER_TORCH.get(name, ())
    assert sequence(network, without) == sequence(from_keras(model), without)
    assert error(network, model) <= TOLERANCE


@pytest.mark.parametrize("name", ["vision transformer"])
def test_exports_for_one_image(name: str, tmp_path: Path) -> None:
    """With the batch axis of size 1 Keras takes PyTorch's newer exporter."""
    model = MODELS[name]()
    signature = [keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32", name="x")]
    network = exported(model, tmp_path / "model.onnx", input_signature=signature)
    without = DIFFERENT_UNDER_TORCH.get(name, ())
    assert sequence(network, without) == sequence(from_keras(model), without)
    assert error(network, model) <= TOLERANCE


def test_the_comparison_sees_another_operator_and_other_numbers() -> None:
    vgg, inception = MODELS["VGG"](), MODELS["Inception"]()
    assert sequence(from_keras(vgg), FOLDED) != sequence(load(file_of("Inception")), FOLDED)
    vgg.layers[-1].kernel.assign(np.asarray(vgg.layers[-1].kernel.numpy()) * 1.01)
    assert error(load(file_of("VGG")), vgg) > TOLERANCE
    assert error(load(file_of("Inception")), inception) <= TOLERANCE
