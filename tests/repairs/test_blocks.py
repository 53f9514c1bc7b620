"""Blocks by gradients: the surrogate computes what the simulation does, and what is kept loses less."""

from typing import Any

import numpy as np
import pytest
import torch

from bittrue.analysis.evaluating.yardstick import Yardstick
from bittrue.data import Dataset, as_dataset
from bittrue.lowering import lower_network
from bittrue.network import Network, NetworkBuilder, Parameter
from bittrue.operators import Dense, Input, ReLU
from bittrue.program import Step
from bittrue.repairs import blocks
from bittrue.repairs.draft import Draft
from bittrue.repairs.layer import Layer, Live
from bittrue.repairs.repair import repair
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Value
from repairs.networks import images, planned, residual


def perceptron(seed: int = 0) -> Network:
    """Two dense layers and nothing behind them."""
    random = np.random.default_rng(seed)
    builder = NetworkBuilder("perceptron")
    last = builder.add("image", Input((16,)))
    for name, inputs, outputs in (("first", 16, 12), ("second", 12, 5)):
        weight = (random.standard_normal((inputs, outputs)) / np.sqrt(inputs)).astype(np.float32)
        bias = Parameter(f"{name}.bias", random.standard_normal(outputs).astype(np.float32) / 4)
        last = builder.add(name, Dense(Parameter(f"{name}.weight", weight), bias), last)
        last = builder.add("relu", ReLU(), last) if name == "first" else last
    return builder.finish(last)


def alike(count: int, seed: int = 1) -> Dataset:
    """Inputs that have much in common, so that one weight can make up for another's error."""
    random = np.random.default_rng(seed)
    own, common = random.standard_normal((count, 16)), random.standard_normal((count, 3))
    return as_dataset((own / 4 + common @ np.random.default_rng(9).standard_normal((3, 16))).astype(np.float32))


@pytest.mark.parametrize("name", ["adaround", "blocks"])
def test_the_loss_goes_down(name: str) -> None:
    network, data = perceptron(), alike(320)
    plan = planned(network, data, weights=3, activations=10, per_channel=True)
    found = repair(network, plan, data, name)
    others = Yardstick(network, alike(200, seed=2))
    assert others.distance(found.network, found.plan) < 0.7 * others.distance(network, plan)
    again = repair(network, plan, data, name)
    assert again.network.hash == found.network.hash


@pytest.mark.parametrize("first", ["conv1", "conv2", "dense1"])
def test_the_surrogate_computes_what_the_simulation_does(first: str) -> None:
    network, data = residual(), images(16)
    plan = planned(network, data, per_channel=True)
    kept: dict[str, Value] = {}

    def observe(step: Step, value: Value) -> None:
        kept[step.name] = value

    (batch,) = data.batches(16)
    Simulator(lower_network(network, plan)).run(batch.x, observe)
    fixed = {name: value for name, value in kept.items() if name in network.by_name}
    layer = Layer(network.by_name[first], Draft.begun(network, plan), [Live(0, fixed, {})], 0)
    found = blocks._block(layer, whole=True)
    assert found is not None
    source, nodes = found
    surrogate: Any = blocks._Surrogate(layer, nodes, source, 1.0)
    with torch.no_grad():
        computed = surrogate._run(kept[source].values())
    np.testing.assert_array_equal(computed.numpy(), kept[nodes[-1].name].reals().astype(np.float32))


def test_blocks_end_where_everything_goes_through() -> None:
    parts = [[node.name for node in nodes] for _, nodes in blocks._cuts(residual())]
    assert ["conv1", "norm1", "relu1"] in parts
    assert ["conv2", "norm2", "relu2", "conv3", "norm3", "sum", "relu3"] in parts
