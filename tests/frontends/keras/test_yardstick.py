"""Every layer and argument that bittrue reads computes what Keras computes, from the object and from the file alike."""

from pathlib import Path

import numpy as np
import pytest
from keras import layers

from bittrue.frontends import load
from bittrue.frontends.keras.model import from_keras
from bittrue.network import Network
from bittrue.simulation.float_model import FloatModel
from frontends.keras.zoo import CASES, Case, images, randomise, sequential

# Both sides round to float32 at every step but may sum in another order; a sum of some hundred products of about the
# output's size differs by a few units in the last place (6e-8), so 1e-5 of the largest output leaves an order to spare
# and is far below what any wrong padding, slope or channel order would cost.
TOLERANCE = 1e-5


def relative_error(network_output: np.ndarray, expected: np.ndarray) -> float:
    assert network_output.shape == expected.shape
    return float(np.abs(network_output - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_matches_keras(case: Case, tmp_path: Path) -> None:
    model = randomise(case.build())
    network = from_keras(model)
    assert " ".join(node.operator.name for node in network.nodes[1:]) == case.operators

    x = images(model)
    expected = model.predict(x, verbose=0) if case.expected is None else case.expected(x)
    assert relative_error(FloatModel(network).run(x), expected) <= TOLERANCE

    model.save(tmp_path / "model.keras")
    assert load(tmp_path / "model.keras").hash == network.hash


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (layers.LeakyReLU(0.125), layers.LeakyReLU(0.13)),
        (layers.Conv2D(5, 2, padding="same"), layers.Conv2D(5, 2, padding="valid")),
        (layers.AveragePooling2D(2), layers.MaxPooling2D(2)),
        (layers.UpSampling2D(2, None, "nearest"), layers.UpSampling2D(2, None, "bilinear")),
        (layers.Rescaling(0.5), layers.Rescaling(0.5001)),
        (layers.BatchNormalization(epsilon=1e-3), layers.BatchNormalization(epsilon=2e-3)),
    ],
)
def test_the_comparison_sees_a_wrong_argument(written: layers.Layer, read: layers.Layer) -> None:
    model, other = randomise(sequential(written)()), randomise(sequential(read)())
    x = images(model)
    output, expected = FloatModel(from_keras(other)).run(x), model.predict(x, verbose=0)
    assert output.shape != expected.shape or relative_error(output, expected) > TOLERANCE


def test_augmentation_is_told(tmp_path: Path) -> None:
    model = sequential(layers.RandomFlip(name="flip"), layers.Dropout(0.5), layers.RandomZoom(0.5, name="zoom"))()
    model.save(tmp_path / "model.keras")
    lines: list[str] = []
    load(tmp_path / "model.keras", told=lines.append)
    rest = "changes images in training alone: nothing here"
    assert lines == [f"layer flip (RandomFlip) {rest}", f"layer zoom (RandomZoom) {rest}"]
    load(model, told=lines.append)
    assert lines[2:] == lines[:2]


def test_training_the_model_on_leaves_the_network_alone() -> None:
    model = randomise(sequential(layers.Dense(3), shape=(12,))())
    network = from_keras(model)
    before = network.hash
    for weight in model.weights:
        weight.assign(np.zeros(weight.shape))
    assert from_keras(model).hash != before
    copy = Network(network.name, network.nodes, network.output)  # its hash is computed anew
    assert copy.hash == before
