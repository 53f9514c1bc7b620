"""Small models of the well-known topologies: the frameworks' numbers in float, and the definition's bits."""

import io
import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from bittrue.frontends.keras.model import from_keras
from bittrue.frontends.onnx.model import from_onnx
from bittrue.frontends.torch.model import from_torch
from bittrue.lowering import lower_network
from bittrue.network import Network, Parameter
from bittrue.operators import Identity
from bittrue.plan import uniform_plan
from bittrue.simulation.float_model import FloatModel
from bittrue.simulation.simulator import is_exact
from frontends.keras.topologies import KERAS_TOPOLOGIES
from frontends.keras.zoo import randomise
from frontends.onnx_zoo import channels_last, computed, expected, operators
from frontends.torch.zoo import TOPOLOGIES, Topology, trained
from simulation.comparison import check

TOLERANCE = 1e-5  # of the largest output: see test_yardstick.py

MOVES = ("Concatenate", "Flatten", "Reshape", "Slice", "Transpose", "UpsamplingNearest", "ZeroPadding")


def images(topology: Topology, count: int = 3) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(count, *topology.shape)).astype(np.float32)


def error(got: np.ndarray, want: np.ndarray) -> float:
    """The largest difference, relative to the largest output; `want` may have its channels first."""
    want = want if got.shape == want.shape else channels_last(want)
    assert got.shape == want.shape
    return float(np.abs(got - want).max() / np.abs(want).max())


def as_the_network_reads(network: Network, x: np.ndarray) -> np.ndarray:
    return x if x.shape[1:] == network.input.shape else channels_last(x)


def assert_bit_true(network: Network, x: np.ndarray) -> None:
    """Every node's codes are the definition's, and exact."""
    program = lower_network(network, uniform_plan(network, 12, 7))
    assert check(program, as_the_network_reads(network, x[:1])) is None
    assert is_exact(program)


@pytest.fixture(scope="module", params=TOPOLOGIES)
def built(request: pytest.FixtureRequest) -> tuple[Topology, nn.Module, Network]:
    topology = TOPOLOGIES[request.param]
    module = trained(topology)
    return topology, module, from_torch(module, torch.zeros(1, *topology.shape))


def test_matches_torch(built: tuple[Topology, nn.Module, Network]) -> None:
    topology, module, network = built
    x = images(topology)
    with torch.no_grad():
        want = module(torch.from_numpy(x)).numpy()
    assert error(computed(network, x), want) <= TOLERANCE


def broken_weights(network: Network) -> Iterator[tuple[str, Network]]:
    """The network with the sign of one number turned in each output channel of a weight, for each weight.

    In each, since some channels are behind a unit that is 0 on all images.
    """
    for name, parameter in network.parameters.items():
        if parameter.value.ndim > 1:
            value = parameter.value.copy()
            by_channel = value.reshape(-1, value.shape[-1])
            by_channel[np.abs(by_channel).argmax(0), range(value.shape[-1])] *= -1
            turned = Parameter(name, value)
            nodes = tuple(
                replace(
                    node,
                    operator=replace(
                        node.operator,
                        **{role: turned for role, found in node.operator.parameters() if found is parameter},
                    ),
                )
                for node in network.nodes
            )
            yield name, replace(network, nodes=nodes)


def broken_operators(network: Network) -> Iterator[tuple[str, Network]]:
    """The network with one operator that keeps the shape of its only input left out, for each of them."""
    for place, node in enumerate(network.nodes):
        if [network.by_name[name].shape for name in node.inputs] == [node.shape]:
            passed_on = replace(node, operator=Identity())
            yield node.name, replace(network, nodes=(*network.nodes[:place], passed_on, *network.nodes[place + 1 :]))


def test_one_weight_or_operator_less_is_noticed(built: tuple[Topology, nn.Module, Network]) -> None:
    topology, module, network = built
    x = images(topology, 30)  # on a few of them a unit may be 0, whatever its weights are
    with torch.no_grad():
        want = module(torch.from_numpy(x)).numpy()
    broken = [*broken_weights(network), *broken_operators(network)]
    assert broken
    assert [name for name, other in broken if error(computed(other, x), want) <= TOLERANCE] == []


def test_only_the_topology_moves_values(built: tuple[Topology, nn.Module, Network]) -> None:
    topology, _, network = built
    if topology.moves is not None:
        assert tuple(name for name in operators(network).split() if name in MOVES) == topology.moves


def test_every_operator_is_bit_true(built: tuple[Topology, nn.Module, Network]) -> None:
    topology, _, network = built
    assert_bit_true(network, images(topology))


def test_the_older_exporter_and_onnxruntime(built: tuple[Topology, nn.Module, Network]) -> None:
    topology, module, network = built
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is deprecated, and files of it are not
        axes = {"x": {0: "batch"}}
        example = (torch.zeros(1, *topology.shape),)
        torch.onnx.export(module, example, file, dynamo=False, input_names=["x"], dynamic_axes=axes, opset_version=14)
    proto = onnx.load_from_string(file.getvalue())
    found, x = from_onnx(proto), images(topology)
    assert error(computed(found, x), expected(proto, x)) <= TOLERANCE
    if topology.moves is not None:  # that exporter folds batch norms into the convolutions before them
        kept = [[name for name in operators(one).split() if name != "BatchNormalization"] for one in (found, network)]
        assert kept[0] == kept[1]


@pytest.mark.parametrize("name", KERAS_TOPOLOGIES)
def test_keras(name: str) -> None:
    model = randomise(KERAS_TOPOLOGIES[name]())
    network = from_keras(model)
    x = np.random.default_rng(5).normal(size=(3, *network.input.shape)).astype(np.float32)
    assert error(FloatModel(network).run(x), model.predict(x, verbose=0)) <= TOLERANCE
    assert_bit_true(network, x)
