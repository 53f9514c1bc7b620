"""The comparison finds every value that differs, and nothing else."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import bittrue
from bittrue.data import Dataset
from bittrue.errors import PlanError
from bittrue.frontends.keras.model import from_keras
from bittrue.integrations import keras_insert
from bittrue.plan import Override, study_plan, uniform_plan
from frontends.keras.zoo import randomise, sequential

SHAPE = (6, 6, 2)


@pytest.fixture
def model() -> keras.Model:
    stack = [layers.Conv2D(3, 3, name="conv"), layers.ReLU(name="relu"), layers.Flatten(name="flat")]
    return randomise(sequential(*stack, layers.Dense(4, name="top"), shape=SHAPE)())


def data(folder: Path, *, labels: bool = True) -> Dataset:
    random = np.random.default_rng(5)
    arrays = {"x": random.normal(0, 1, (24, *SHAPE)).astype(np.float32)}
    if labels:
        arrays["y"] = random.integers(0, 4, 24)
    np.savez(folder / "data.npz", **arrays)
    return bittrue.load_dataset(str(folder / "data.npz"))


def test_short_sums_are_exact_in_float32_too(model: keras.Model, tmp_path: Path) -> None:
    network, dataset = from_keras(model), data(tmp_path)
    plan = study_plan(network, 5)
    found = bittrue.compare(model, plan, dataset, images=20, batch_size=6)
    assert [layer.node for layer in found.layers] == [node.name for node in network.nodes]
    assert [layer.values for layer in found.layers] == [20 * int(np.prod(node.shape)) for node in network.nodes]
    assert all((layer.differing, layer.largest, layer.images) == (0, 0.0, 0) for layer in found.layers)
    assert found.flipped == ()
    assert found.keras_correct == found.correct == bittrue.simulate(network, plan, dataset, images=20).correct
    assert "0 predictions of 20 images flipped" in repr(found)


def test_a_last_bit_is_found_out(model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary: one bias of the inserted model is off by one last bit, and two of `top` are exchanged."""
    network, dataset = from_keras(model), data(tmp_path)
    plan = uniform_plan(network, 16, 5, rounding=bittrue.Rounding.FLOOR)
    insert_layers = keras_insert.insert_layers

    def broken(model: keras.Model, plan: bittrue.Plan) -> keras_insert.Inserted:
        inserted = insert_layers(model, plan)
        bias = inserted.model.get_layer("conv").bias
        bias.assign(np.asarray(bias.numpy()) + np.array([0, 2.0**-5, 0], np.float32))
        return inserted

    monkeypatch.setattr("bittrue.integrations.compare.insert_layers", broken)
    found = {layer.node: layer for layer in bittrue.compare(model, plan, dataset).layers}
    assert found["flat"].differing > 0
    assert (found["conv"].differing, found["conv"].largest, found["conv"].images) == (24 * 16, 1.0, 24)
    assert 0 < found["relu"].differing < 24 * 16

    def exchanged(model: keras.Model, plan: bittrue.Plan) -> keras_insert.Inserted:
        inserted = insert_layers(model, plan)
        top = inserted.model.get_layer("top")
        top.set_weights([weight[..., ::-1] for weight in top.get_weights()])
        return inserted

    monkeypatch.setattr("bittrue.integrations.compare.insert_layers", exchanged)
    compared = bittrue.compare(model, plan, dataset, batch_size=7)
    assert compared.flipped == tuple(range(24)), "the first class became the last"


def test_nodes_without_a_last_bit_are_left_out(model: keras.Model, tmp_path: Path) -> None:
    network, dataset = from_keras(model), data(tmp_path, labels=False)
    overrides = [Override("conv.output", "EXACT"), Override("relu.output", "FLOAT")]
    found = bittrue.compare(model, uniform_plan(network, 16, 5, overrides=overrides), dataset)
    assert [layer.node for layer in found.layers] == [network.input.name, "top"]
    assert (found.keras_correct, found.correct) == (None, None)
    assert found.to_json()["flipped"] == []


def test_a_simulation_stands_for_its_plan(model: keras.Model, tmp_path: Path) -> None:
    network, dataset = from_keras(model), data(tmp_path)
    plan = study_plan(network, 5)
    simulation = bittrue.simulate(network, plan, dataset)
    found = bittrue.compare(model, simulation, dataset)
    assert found.to_json() == bittrue.compare(model, plan, dataset).to_json()
    simulation.save(tmp_path / "simulation.json")
    read = bittrue.Simulation.load(tmp_path / "simulation.json")
    with pytest.raises(PlanError, match="a Simulation has no plan in it here: give the Plan itself"):
        bittrue.compare(model, read, dataset)
