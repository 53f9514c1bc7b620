"""Lowering by the weights' formats alone: what it promises holds for the trained weights, and for any others."""

from dataclasses import replace

import numpy as np
import pytest

from bittrue.fixed import FixedFormat, Overflow, Quantizer
from bittrue.lowering import Lowered, lower_any_weights, lower_network
from bittrue.network import Network, NetworkBuilder, Parameter
from bittrue.operators import Dense, Input
from bittrue.plan import PlanOptions, uniform_plan
from bittrue.program import CodeType
from cases import CASES, Case

AFFINE = PlanOptions()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_its_types_hold_all_that_the_trained_weights_make(case: Case) -> None:
    plan = uniform_plan(case.network, 9, 5, options=AFFINE)
    trained, any_weights = lower_network(case.network, plan), lower_any_weights(case.network, plan).program
    assert [step.name for step in trained.steps] == [step.name for step in any_weights.steps]
    for step in trained.steps:
        wide = any_weights.by_name[step.name]
        assert (step.type.shape, step.type.fraction_bits) == (wide.type.shape, wide.type.fraction_bits)
        for kind, wider in ((step.type, wide.type), (step.exact, wide.exact)):
            if kind.low is not None and wider.low is not None:
                assert wider.low <= kind.low
            if kind.high is not None and wider.high is not None:
                assert kind.high <= wider.high


def dense(weight: float) -> Network:
    builder = NetworkBuilder("dense")
    image = builder.add("image", Input((4,)))
    weights = Parameter("dense.weight", np.full((4, 2), weight, np.float32))
    bias = Parameter("dense.bias", np.array([1, -2], np.float32))
    return builder.finish(builder.add("dense", Dense(weights, bias), image))


def test_bounds_by_hand() -> None:
    """4 products of −8…7 by −8…7, and biases of 1 and −2 beside them, whatever the weights."""
    for weight in (0, 1, -8):
        network = dense(weight)
        plan = uniform_plan(network, 4, 0, options=AFFINE)
        exact = lower_any_weights(network, plan).program.by_name["dense"].exact
        assert (exact.low, exact.high) == (4 * -56 - 2, 4 * 64 + 1)


def test_formats_a_channel_count_each_for_itself() -> None:
    """In quarters: the second channel's weights have two fraction bits, and its sums the finer binary point."""
    network = dense(1)
    plan = uniform_plan(network, 4, 0, options=AFFINE)
    weights = tuple(Quantizer(FixedFormat(False, 2, bits), overflow=Overflow.SATURATE) for bits in (0, 2))
    plan = replace(plan, sites={**plan.sites, "dense.weight": weights})
    exact = lower_any_weights(network, plan).program.by_name["dense"].exact
    assert exact.fraction_bits == 2
    assert (exact.low, exact.high) == (4 * (4 * 3 * -8 - 2), 4 * (4 * 3 * 7 + 1))


def test_parameters_are_taken_from_near() -> None:
    """All but the weights are those very arrays, where their sites agree."""
    case = next(case for case in CASES if any(name.endswith(".scale") for name in _sites(case)))
    near = lower_any_weights(case.network, uniform_plan(case.network, 9, 5, options=AFFINE))
    name = next(name for name in near.parameters if name.endswith(".scale"))
    again = lower_any_weights(case.network, near.plan, near)
    assert again.parameters[name] is near.parameters[name]
    coarse = Quantizer(FixedFormat(True, 4, 2))
    other = lower_any_weights(case.network, replace(near.plan, sites={**near.plan.sites, name: coarse}), near)
    assert other.parameters[name].fraction_bits == (2,) != near.parameters[name].fraction_bits
    assert _described(other) == _described(lower_any_weights(case.network, other.plan))


def _sites(case: Case) -> list[str]:
    return list(uniform_plan(case.network, 9, 5, options=AFFINE).sites)


def _described(lowered: Lowered) -> list[tuple[str, CodeType, CodeType]]:
    return [(step.name, step.exact, step.type) for step in lowered.program.steps]
