"""Every step in Python integers, where torch would do, has the definition's bits too."""

from typing import Any

import numpy as np
import pytest

from bittrue.fixed import integers
from bittrue.lowering import lower_network
from bittrue.program import Bypass
from bittrue.simulation import simulator
from bittrue.simulation.wide import wide_kernel
from cases import inputs_of
from plans import PLANNED, Planned
from simulation.comparison import check


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch, on_torch: None) -> set[type]:
    """No torch kernel is ever proven; returns the classes of the instructions that were computed in Python."""
    computed: set[type] = set()

    def refuse(step: Any, compute: Any, inputs: Any) -> None:
        assert not isinstance(step.instruction, Bypass)
        computed.add(type(step.instruction))

    monkeypatch.setattr(simulator, "_on_torch", refuse)
    return computed


@pytest.mark.parametrize("planned", PLANNED[::5], ids=lambda planned: planned.id)
def test_python_integers_have_the_bits_of_the_definition(planned: Planned, without_torch: set[type]) -> None:
    program = lower_network(planned.case.network, planned.plan)
    assert check(program, inputs_of(planned.case)) is None
    assert without_torch == {type(step.instruction) for step in program.steps[1:]}


def test_every_wide_kernel_is_compared() -> None:
    compared = {
        type(step.instruction)
        for planned in PLANNED[::5]
        for step in lower_network(planned.case.network, planned.plan).steps[1:]
    }
    assert compared == set(wide_kernel)


def test_one_bit_in_python_integers(without_torch: set[type], monkeypatch: pytest.MonkeyPatch) -> None:
    planned = next(planned for planned in PLANNED if planned.id == "whole-study 3")
    program = lower_network(planned.case.network, planned.plan)
    assert check(program, inputs_of(planned.case)) is None
    original = integers.divide_rounded

    def off_by_one(*arguments: Any) -> np.ndarray:
        codes = original(*arguments).copy()
        codes.flat[-1] += 1
        return codes

    monkeypatch.setattr(integers, "divide_rounded", off_by_one)
    assert check(program, inputs_of(planned.case)) is not None
