"""What a proof takes from the data, the peaks of what no format bounds, is the same for batches of any size (B14)."""

from functools import reduce

import numpy as np
import pytest

from bittrue.fixed import Overflow
from bittrue.lowering import lower_network
from bittrue.network import Parameter
from bittrue.operators import Add, Dense, ReLU
from bittrue.plan import PlanOptions, uniform_plan
from bittrue.program import FixedNetwork
from bittrue.simulation.simulator import LayerProof, Simulator, prove
from cases import CASES, Case, Draft, inputs_of

BY_NAME = {case.name: case for case in CASES}
FUSED = PlanOptions(rounding_points="fused")


def unbounded(name: str) -> FixedNetwork:
    case = BY_NAME[name]
    return lower_network(case.network, uniform_plan(case.network, 6, 4, options=FUSED, overflow=Overflow.UNBOUNDED))


def proofs(program: FixedNetwork, x: np.ndarray, batch_size: int) -> tuple[LayerProof, ...]:
    simulator = Simulator(program)
    batches = [simulator.run(x[start : start + batch_size]).peaks for start in range(0, len(x), batch_size)]
    return prove(program, reduce(lambda a, b: {name: max(a[name], b[name]) for name in a}, batches))


@pytest.mark.parametrize("name", ["residual", "whole", "max-pooling", "relu-all", "add", "concatenate-channels"])
def test_the_proof_does_not_depend_on_the_size_of_the_batches(name: str) -> None:
    program = unbounded(name)
    x = inputs_of(BY_NAME[name], fraction_bits=4, images=4)
    x *= np.linspace(0.1, 1, len(x), dtype=np.float32).reshape(-1, *[1] * (x.ndim - 1))
    expected = proofs(program, x, len(x))
    assert proofs(program, x, 1) == proofs(program, x, 2) == proofs(program, x, 4) == expected


def _apart(draft: Draft) -> None:
    """max(x₀, 0) + max(x₁, 0), then a ReLU with which the sum is rounded."""
    parts = []
    for index, name in enumerate(("first", "second")):
        weight = np.eye(2, dtype=np.float32)[:, index : index + 1]
        draft.add(f"{name}_dense", Dense(Parameter(f"{name}.weight", weight), None), "image")
        parts.append(draft.add(name, ReLU()))
    draft.add("add", Add(), *parts)
    draft.add("relu", ReLU(max_value=100.0))


def test_operands_whose_peaks_lie_in_different_images() -> None:
    """The sum's own peak is reported, and not the sum of the peaks of what happens to be in one batch."""
    case = Case("apart", (2,), _apart)
    program = lower_network(case.network, uniform_plan(case.network, 6, 0, options=FUSED, overflow=Overflow.UNBOUNDED))
    (add,) = [step for step in program.steps if step.name == "add"]
    assert add.quantizer is None
    assert add.type.high is None
    x = np.array([[10, 0], [0, 10], [3, 3], [-70, 5]], np.float32)
    assert Simulator(program).run(x).peaks["add"] == 10
    assert proofs(program, x, 1) == proofs(program, x, 3) == proofs(program, x, 4)
