"""What is remembered is what would be computed, and only where all before it is the same."""

from collections.abc import Mapping

import numpy as np
import pytest

from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.repairs import qronos
from bittrue.repairs.layer import Change, Layer
from bittrue.repairs.memory import Memory
from bittrue.repairs.repair import repair
from repairs.networks import images, planned, residual

NETWORK, DATA = residual(), images(120)
LAYERS = ["conv1", "conv2", "conv3", "dense1", "dense2"]
LIST = "qronos,bias,batch-norm"


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The layers whose weights are repaired, as they are."""
    names: list[str] = []
    own = qronos.repair_weights

    def counted(layer: Layer, *rest: object) -> Change | None:
        change = own(layer, *rest)  # type: ignore[arg-type]
        names.extend([layer.node.name] if change is not None else [])
        return change

    monkeypatch.setattr(qronos, "repair_weights", counted)
    return names


def plan(**words: int) -> Plan:
    """All weights at 3 bits and outputs at 6, but for some."""
    long = planned(NETWORK, DATA, 5, 8)
    own = planned(NETWORK, DATA)
    others = {name.replace("_", "."): long.sites[name.replace("_", ".")] for name in words}
    return Plan(own.network, own.options, {**own.sites, **others})


def values(network: Network) -> Mapping[str, np.ndarray]:
    return {name: parameter.value for name, parameter in network.parameters.items()}


def test_a_layer_is_repaired_again_from_the_first_that_differs(computed: list[str]) -> None:
    memory = Memory()
    cases = [
        (plan(), LAYERS),
        (plan(), []),
        (plan(dense1_weight=5), LAYERS[3:]),
        (plan(relu2_output=8), LAYERS[2:]),  # the rounding point after conv2 and its batch norm
        (plan(image_output=8), LAYERS),
    ]
    for asked, expected in cases:
        computed.clear()
        again = repair(NETWORK, asked, DATA, LIST, memory=memory)
        assert computed == expected
        fresh = repair(NETWORK, asked, DATA, LIST)
        assert again.plan.hash == fresh.plan.hash
        theirs = values(fresh.network)
        assert all(np.array_equal(value, theirs[name]) for name, value in values(again.network).items())


def test_other_repairs_are_not_what_is_remembered(computed: list[str]) -> None:
    memory = Memory()
    repair(NETWORK, plan(), DATA, LIST, memory=memory)
    computed.clear()
    repair(NETWORK, plan(), DATA, "qronos", memory=memory)
    assert computed == LAYERS
    computed.clear()
    repair(NETWORK, plan(), DATA, f"shift,{LIST}", memory=memory)  # other scales inside: the first layer has others
    assert computed == LAYERS
