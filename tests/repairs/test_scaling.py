"""What moves factors or batch norms between layers leaves the float network as it is."""

from dataclasses import replace

import numpy as np
import pytest

from bittrue.errors import PlanError
from bittrue.fixed import Overflow, Quantizer
from bittrue.network import Network, NetworkBuilder
from bittrue.operators import Dense, Flatten, Input, ReLU
from bittrue.operators.convolution import Parameter
from bittrue.plan import Plan
from bittrue.repairs.draft import Draft
from bittrue.repairs.equalize import equalize, scaled, sharing, shift
from bittrue.repairs.fold import foldable, folded
from bittrue.repairs.fold import repair as fold
from bittrue.repairs.grid import fit_grids
from bittrue.repairs.repair import repair
from bittrue.repairs.rescale import rescale
from bittrue.simulation.float_model import FloatModel
from repairs.networks import images, planned, residual


def outputs(network: Network) -> np.ndarray:
    (batch,) = images(30).batches(30)
    return FloatModel(network).run(batch.x)


def assert_computes_the_same(first: Network, second: Network) -> None:
    # float32 rounds in other places: a few units of 2^-24 a layer
    np.testing.assert_allclose(outputs(first), outputs(second), rtol=0, atol=2e-5)


def test_factors_are_shared_by_what_is_added() -> None:
    sets = [set(names) for names in sharing(residual())]
    assert {"norm1", "relu1", "norm3", "sum", "relu3", "pool", "flat"} in sets
    assert {"norm2", "relu2"} in sets
    assert not any("image" in names or "softmax" in names or "dense2" in names for names in sets)


def test_scaled_channels_change_nothing() -> None:
    network = residual()
    random = np.random.default_rng(0)
    factors = {}
    for names in sharing(network):
        channels = min(network.by_name[name].shape[-1] for name in names)
        factors.update(dict.fromkeys(names, random.uniform(0.2, 5, channels)))
    other = scaled(network, factors)
    assert other.hash != network.hash
    assert_computes_the_same(network, other)
    broken = scaled(network, {"relu2": factors["relu2"]})  # its maker isn't told: the canary
    assert np.abs(outputs(broken) - outputs(network)).max() > 1e-3


@pytest.mark.parametrize("moved", [equalize, shift, rescale])
def test_equalized_networks_compute_the_same(moved: object) -> None:
    network, data = residual(), images()
    draft = moved(Draft.begun(network, planned(network, data, activations=3)), data)  # type: ignore[operator]
    assert draft.target.hash != network.hash
    assert_computes_the_same(network, draft.target)
    if moved is rescale:
        ratios = draft.target.parameters["conv2.weight"].value / network.parameters["conv2.weight"].value
        np.testing.assert_allclose(ratios, ratios.flat[0], rtol=1e-6)
    if moved is shift:
        ratios = draft.target.parameters["conv2.weight"].value / network.parameters["conv2.weight"].value
        assert (np.frexp(np.abs(ratios))[0] == 0.5).all()


def test_folded_norms_are_gone_and_nothing_else_changes() -> None:
    network, data = residual(), images()
    assert foldable(network) == ("norm1", "norm2", "norm3")
    draft = fold(Draft.begun(network, planned(network, data)))
    assert not any(node.name.startswith("norm") for node in draft.target.nodes)
    assert_computes_the_same(network, draft.target)
    assert {"conv1.bias", "conv1.output"} <= set(draft.sites)
    draft.finished()
    with pytest.raises(PlanError, match="relu1 can't be folded"):
        folded(network, ["relu1"])


def test_layers_that_share_weights_are_left_alone() -> None:
    builder = NetworkBuilder("shared")
    weight = Parameter("dense.weight", np.eye(4, dtype=np.float32))
    last = builder.add("flat", Flatten(), builder.add("image", Input((2, 2, 1))))
    for name in ("dense", "dense_2"):
        last = builder.add(f"{name}_relu", ReLU(), builder.add(name, Dense(weight, None), last))
    other = Parameter("last.weight", np.ones((4, 2), np.float32))
    network = builder.finish(builder.add("last", Dense(other, None), last))
    assert list(sharing(network)) == []
    assert replace(network, name="again").hash == network.hash


def test_steps_of_dense_layers_that_fit_their_weights() -> None:
    random = np.random.default_rng(2)
    builder = NetworkBuilder("two")
    values = random.uniform(-1, 1, (108, 40)).astype(np.float32) * np.geomspace(0.5, 1, 40, dtype=np.float32)
    first = Parameter("first.weight", values)
    second = Parameter("second.weight", random.uniform(-1, 1, (40, 5)).astype(np.float32))
    last = builder.add("flat", Flatten(), builder.add("image", Input((6, 6, 3))))
    last = builder.add("relu", ReLU(), builder.add("first", Dense(first, None), last))
    network = builder.finish(builder.add("second", Dense(second, None), last))
    data = images(30)
    plan = planned(network, data, 2, 8, per_channel=True)
    draft = fit_grids(Draft.begun(network, plan), data)
    assert_computes_the_same(network, draft.target)
    scales = draft.target.parameters["first.weight"].value / values
    assert 2**-0.51 < scales.min() < 0.75
    assert 1.33 < scales.max() < 2**0.51

    def lost(weight: np.ndarray) -> float:
        """By the best steps that are powers of two."""
        steps = 2.0 ** np.arange(-4, 3)
        errors = [np.square(np.clip(np.round(weight / step), -2, 1) * step - weight).sum(0) for step in steps]
        return float((np.min(errors, 0) / np.square(weight).sum(0)).mean())

    assert lost(draft.target.parameters["first.weight"].value) < 0.9 * lost(values)


def with_maxima(network: Network, most: float) -> Network:
    operators = {name: ReLU(max_value=most) for name in ("relu1", "relu2", "relu3")}
    return replace(
        network, nodes=tuple(replace(node, operator=operators.get(node.name, node.operator)) for node in network.nodes)
    )


def test_a_word_that_saturates_takes_the_place_of_a_maximum() -> None:
    data = images()
    network = with_maxima(residual(), 1.5)
    draft = rescale(Draft.begun(network, planned(network, data, activations=3)), data)
    assert_computes_the_same(network, draft.target)
    scaled_by = {}
    for name in ("relu1", "relu2", "relu3"):
        quantizer = draft.sites[f"{name}.output"]
        assert isinstance(quantizer, Quantizer)
        kept, wanted = (of.by_name[name].operator.max_value for of in (draft.network, draft.target))
        assert kept == 1.5
        assert float(quantizer.format.max_value) <= min(kept, wanted)
        scaled_by[name] = wanted / kept
    assert any(factor != 1 for factor in scaled_by.values())
    plan = planned(network, data, weights=8, activations=3)
    alone, rescaled = (repair(network, plan, data, names).steps[-1].after for names in ("qronos", "rescale,qronos"))
    assert rescaled < alone


def test_a_maximum_that_nothing_saturates_before_stays() -> None:
    network, data = with_maxima(residual(), 1.5), images()
    plan = planned(network, data)
    spec = plan.sites["relu2.output"]
    assert isinstance(spec, Quantizer)
    wraps = {**plan.sites, "relu2.output": replace(spec, overflow=Overflow.WRAP)}
    draft = rescale(Draft.begun(network, Plan(plan.network, plan.options, wraps)), data)
    assert draft.target.by_name["relu2"].operator == network.by_name["relu2"].operator
    assert draft.sites["relu2.output"] == wraps["relu2.output"]
