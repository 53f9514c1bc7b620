"""Quotients of two values: the bits of the definition, and an error where a divisor is 0."""

import numpy as np
import pytest

from bittrue.errors import BittrueError
from bittrue.fixed import Rounding
from bittrue.lowering import lower_network
from bittrue.plan import Override, Plan, PlanOptions, plan_from_ranges, uniform_plan
from bittrue.program import Divide
from bittrue.simulation import arithmetic, simulator
from bittrue.simulation.simulator import Simulator, prove
from cases import QUOTIENT, inputs_of
from plans import AFFINE_EVERY_NODE, ranges_of
from simulation.comparison import check

NETWORK = QUOTIENT.network

PLANS: dict[str, Plan] = {
    **{f"uniform {mode.value}": uniform_plan(NETWORK, 10, 5, rounding=mode) for mode in Rounding},
    "fused": uniform_plan(NETWORK, 9, 4, options=PlanOptions()),
    "negative fraction bits": uniform_plan(
        NETWORK, 9, 4, options=AFFINE_EVERY_NODE, overrides=[Override("node.output", "ap_fixed<6,9,AP_RND,AP_SAT>")]
    ),
    "guarded": uniform_plan(NETWORK, 9, 4, overrides=[Override("node.output", "GUARD")]),
    "hardware 12": plan_from_ranges(NETWORK, ranges_of(QUOTIENT), 12),
    "hardware 32": plan_from_ranges(NETWORK, ranges_of(QUOTIENT), 32),
    "wide": uniform_plan(NETWORK, 70, 50),
}


@pytest.mark.parametrize("torch_too", [True, False])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_quotients_have_the_bits_of_the_definition(
    plan: Plan, torch_too: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not torch_too:
        monkeypatch.setattr(simulator, "_on_torch", lambda *arguments: None)
    program = lower_network(NETWORK, plan)
    assert check(program, inputs_of(QUOTIENT)) is None
    assert all(layer.exact and layer.margin_bits > 0 for layer in prove(program, {}))


def test_one_bit_in_a_quotient(monkeypatch: pytest.MonkeyPatch) -> None:
    original = arithmetic.divide_rounded
    monkeypatch.setattr(arithmetic, "divide_rounded", lambda *arguments: original(*arguments) + 1)
    assert check(lower_network(NETWORK, PLANS["fused"]), inputs_of(QUOTIENT)) is not None


@pytest.mark.parametrize("torch_too", [True, False])
def test_a_divisor_of_zero_names_the_node(torch_too: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch_too:
        monkeypatch.setattr(simulator, "_on_torch", lambda *arguments: None)
    coarse = uniform_plan(NETWORK, 8, -2)
    program = lower_network(NETWORK, coarse)
    assert isinstance(program.by_name["node"].instruction, Divide)
    with pytest.raises(BittrueError, match="^node divides by a code of 0"):
        Simulator(program).run(np.zeros((1, 2, 3), np.float32))
