"""Programs made near a known plan are those that a whole lowering makes."""

from dataclasses import replace

import pytest

from bittrue.fixed import FixedFormat, Quantizer
from bittrue.lowering import lower_keeping, lower_network, lower_variant
from bittrue.plan import PlanOptions, study_plan
from bittrue.program import FixedNetwork
from cases import CASES, Case

COARSE = Quantizer(FixedFormat(True, 4, 2))
AFFINE = PlanOptions("affine", "every-node", "exact", "exact")


def described(program: FixedNetwork) -> list[object]:
    return [(step.name, type(step.instruction), step.exact, step.quantizer, step.type) for step in program.steps]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_variant_is_what_a_whole_lowering_makes(case: Case) -> None:
    """Each site changed in turn, with the overflows of the parameters that the change leaves alone."""
    near = lower_keeping(case.network, study_plan(case.network, 5, word_length=6, options=AFFINE))
    for site in near.plan.sites:
        plan = replace(near.plan, sites={**near.plan.sites, site: COARSE})
        variant, whole = lower_variant(near, plan), lower_network(case.network, plan)
        assert described(variant) == described(whole)
        assert variant.parameter_overflows == whole.parameter_overflows
        assert variant.plan == whole.plan != near.program.plan


def test_a_variant_shares_the_steps_that_are_the_same() -> None:
    case = next(case for case in CASES if len(case.network.nodes) > 5)
    near = lower_keeping(case.network, study_plan(case.network, 5))
    last = case.network.nodes[-1].name
    variant = lower_variant(near, replace(near.plan, sites={**near.plan.sites, f"{last}.output": COARSE}))
    shared = [step.name for step in variant.steps if near.program.by_name[step.name] is step]
    assert shared == [step.name for step in near.program.steps if step.node != last]
