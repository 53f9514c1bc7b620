"""Files of Keras's two ONNX exporters, and one network through two doors."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from keras import layers

from bittrue.frontends import load
from bittrue.frontends.keras.model import from_keras
from bittrue.frontends.onnx.model import from_onnx
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import study_plan
from bittrue.simulation.simulator import Simulator
from frontends.keras.zoo import randomise, sequential
from frontends.onnx_zoo import model, operators, random, relative_error, step

FILES = Path(__file__).parents[1] / "onnx_files"
TOLERANCE = 1e-5

SMALL = (
    "Convolution ReLU ZeroPadding Convolution ReLU Concatenate MaxPooling {}Convolution ReLU Flatten Dense Tanh Dense "
    "Softmax"
)


@pytest.mark.parametrize(("file", "padding"), [("tensorflow.onnx", ""), ("torch.onnx", "ZeroPadding ")])
def test_files_of_keras(file: str, padding: str) -> None:
    """The torch backend pads unevenly by a node of its own; all Transposes are gone, and most names are the layers'."""
    network = load(FILES / file)
    assert operators(network) == SMALL.format(padding)
    assert network.input.shape == (8, 7, 3)
    assert relative_error(onnx.load(FILES / file), network) <= TOLERANCE


def test_names_of_layers() -> None:
    names = {node.name for node in load(FILES / "tensorflow.onnx").nodes}
    assert {"conv1_1", "act1_1", "pool_1", "conv2_1", "flat_1", "dense1_1", "dense1_1_tanh", "dense2_1"} <= names


EPSILON = 2.0**-10  # the same number in Keras's binary64 and in ONNX's binary32


@pytest.fixture
def both() -> tuple[Network, Network]:
    """A small trained network as Keras has it, channels last, and as ONNX has it, channels first."""
    trained = randomise(
        sequential(
            layers.Conv2D(4, 3, padding="same"),
            layers.BatchNormalization(epsilon=EPSILON),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(5),
            layers.Softmax(),
            shape=(6, 4, 3),
        )()
    )
    kernel, bias, gamma, beta, mean, variance, dense, terms = (np.asarray(value) for value in trained.get_weights())
    rows = dense.reshape(3, 2, 4, 5).transpose(2, 0, 1, 3).reshape(24, 5)
    steps = [
        step("Conv", "last", kernel.transpose(3, 2, 0, 1), bias, auto_pad="SAME_UPPER"),
        step("BatchNormalization", "last", gamma, beta, mean, variance, epsilon=EPSILON),
        step("Relu", "last"),
        step("MaxPool", "last", kernel_shape=[2, 2], strides=[2, 2]),
        step("Flatten", "last"),
        step("Gemm", "last", rows, terms),
        step("Softmax", "last"),
    ]
    return from_keras(trained), from_onnx(model(("n", 3, 6, 4), steps))


def without_names(network: Network) -> str:
    """The text form with nodes numbered."""
    text = network.text
    for number, node in enumerate(network.nodes):
        text = re.sub(rf"\b{node.name}\b", f"n{number}", text)
    return text


def test_one_network_through_two_doors(both: tuple[Network, Network]) -> None:
    keras_network, onnx_network = both
    assert without_names(keras_network) == without_names(onnx_network)
    pairs = zip(keras_network.parameters.values(), onnx_network.parameters.values(), strict=True)
    assert all(np.array_equal(first.value, second.value) for first, second in pairs)
    x = random(5, 6, 4, 3)
    outputs = [Simulator(lower_network(network, study_plan(network, 6))).run(x).outputs for network in both]
    assert np.array_equal(*outputs)


def test_the_comparison_sees_another_order_of_rows(both: tuple[Network, Network]) -> None:
    dense = both[1].nodes[-2].operator.weight.value
    dense[[0, 1]] = dense[[1, 0]]
    pairs = zip(both[0].parameters.values(), both[1].parameters.values(), strict=True)
    assert not all(np.array_equal(first.value, second.value) for first, second in pairs)
