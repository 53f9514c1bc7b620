"""Codes gathered over all images: those of one run of them all, whatever the batches."""

import numpy as np
import pytest

from bittrue.analysis.evaluating import codes as gathering
from bittrue.analysis.evaluating.codes import codes_of
from bittrue.data import as_dataset
from bittrue.lowering import lower_network
from bittrue.plan import uniform_plan
from bittrue.program import Step
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Value
from cases import CASES, inputs_of

CASE = next(case for case in CASES if case.name == "whole")


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_they_are_those_of_one_run(batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    program, x = lower_network(CASE.network, uniform_plan(CASE.network, 7, 4)), inputs_of(CASE)
    whole = {}

    def observe(step: Step, value: Value) -> None:
        whole[step.name] = value.integers()

    Simulator(program).run(x, observe)
    monkeypatch.setattr(gathering, "BATCH_SIZE", batch_size)
    names = list(whole)[:2]
    found = codes_of(program, as_dataset(x), names)
    assert list(found) == names
    for name, codes in found.items():
        assert np.array_equal(codes, whole[name])
