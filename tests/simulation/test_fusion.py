"""Maps and clips computed as one have the bits of both, and what can't be proven stays apart."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bittrue.fixed import Rounding
from bittrue.lowering import lower_network
from bittrue.operators import ReLU
from bittrue.plan import Override, PlanOptions, study_plan, uniform_plan
from bittrue.program import Clip, FixedNetwork, ScaleOffset
from bittrue.simulation import fusion
from bittrue.simulation.fusion import fusions
from bittrue.simulation.simulator import Simulator
from cases import Case, Draft, inputs_of
from simulation.comparison import check

FUSED = PlanOptions()


def extend(draft: Draft) -> None:
    draft.convolution("conv", (3, 3), 5, padding=((1, 1), (1, 1)))
    draft.norm("norm")
    draft.add("relu", ReLU(max_value=1.5))


CASE = Case("fused", (6, 5, 3), extend)


def program_of(word_length: int = 10, fraction_bits: int = 6, **options: object) -> FixedNetwork:
    plan = uniform_plan(CASE.network, word_length, fraction_bits, options=FUSED, **options)  # type: ignore[arg-type]
    return lower_network(CASE.network, plan)


@pytest.mark.parametrize(("word_length", "fraction_bits"), [(4, 2), (8, 5), (10, 6), (13, 7), (16, 10), (20, 14)])
@pytest.mark.parametrize("bound", ["ap_fixed<9,3>", "ap_fixed<20,2>"])
def test_the_bits_of_the_definition(word_length: int, fraction_bits: int, bound: str) -> None:
    """Bounds on the output's grid, and between its points."""
    program = program_of(word_length, fraction_bits, overrides=[Override("relu.bound", bound)])
    assert list(fusions(program)) == ["norm"]
    assert check(program, inputs_of(CASE)) is None


def test_overflows_are_counted_behind_the_clip() -> None:
    program = program_of(overrides=[Override("relu.output", "ap_fixed<6,1,AP_RND_CONV,AP_SAT>")])
    assert fusions(program)
    assert Simulator(program).run(inputs_of(CASE)).overflows["relu.output"] > 0
    assert check(program, inputs_of(CASE)) is None


def test_a_reader_in_between_keeps_them_apart() -> None:
    program = program_of()
    assert not fusions(replace(program, output="norm"))


@pytest.mark.parametrize("rounding", [Rounding.FLOOR, Rounding.NEAREST_UP])
def test_other_roundings_stay_apart(rounding: Rounding) -> None:
    program = program_of(rounding=rounding)
    assert not fusions(program)
    assert check(program, inputs_of(CASE)) is None


def test_what_no_format_bounds_stays_apart() -> None:
    """Its peak is looked for in every batch."""
    program = lower_network(CASE.network, study_plan(CASE.network, 6, options=FUSED))
    assert not fusions(program)


def test_numbers_beyond_float64_stay_apart() -> None:
    program = program_of(28, 14)
    assert not fusions(program)
    assert check(program, inputs_of(CASE)) is None


@pytest.mark.usefixtures("on_torch")
def test_canary_one_unit_off(monkeypatch: pytest.MonkeyPatch) -> None:
    original = fusion.mapped_rounded

    def wrong(*arguments: object) -> torch.Tensor:
        result: torch.Tensor = original(*arguments)  # type: ignore[arg-type]
        result.view(-1)[7] += 1
        return result

    monkeypatch.setattr(fusion, "mapped_rounded", wrong)
    program = program_of()
    difference = check(program, inputs_of(CASE))
    assert difference is not None
    assert "nobody looks" in difference


def test_the_steps_are_those_that_it_looks_for() -> None:
    program = program_of()
    kinds = [type(step.instruction) for step in program.steps]
    assert kinds[-2:] == [ScaleOffset, Clip]
    assert np.isfinite(Simulator(program).run(inputs_of(CASE)).outputs).all()
