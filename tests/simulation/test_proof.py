"""What the proof says no number exceeds, none exceeds: partial sums in any order, and every exact result (B14)."""

from dataclasses import replace

import numpy as np
import pytest

from bittrue.definition import Codes, interpret
from bittrue.definition.meaning import meaning
from bittrue.lowering import lower_network
from bittrue.program import (
    Add,
    Clip,
    Concatenate,
    FixedNetwork,
    MultiplyAccumulate,
    Pad,
    Reshape,
    ScaleOffset,
    Step,
    WindowMaximum,
)
from bittrue.simulation import proof
from bittrue.simulation.simulator import Simulator, prove
from cases import inputs_of
from plans import PLANNED, Planned

BOUNDED = (Add, Clip, Concatenate, MultiplyAccumulate, WindowMaximum, Pad, Reshape, ScaleOffset)
"""Instructions whose numbers the proof bounds, and not only their inputs' (the others are rounded code by code)."""


def worst_number(step: Step, inputs: tuple[Codes, ...]) -> int:
    """The largest absolute exact result; of a sum of products the sum of the absolute values, which no partial sum in
    any order exceeds."""
    instruction = step.instruction
    if isinstance(instruction, MultiplyAccumulate):
        bias = None if instruction.bias is None else np.abs(instruction.bias)
        instruction = replace(instruction, weight=np.abs(instruction.weight), bias=bias)
        inputs = tuple(replace(operand, codes=[abs(code) for code in operand.codes]) for operand in inputs)
    exact = meaning[type(instruction)](instruction, step, inputs)
    assert isinstance(exact, Codes)
    return max(map(abs, exact.codes))


def excess(program: FixedNetwork, x: np.ndarray) -> str | None:
    """The first step of which a number exceeds its proof."""
    layers = prove(program, Simulator(program).run(x).peaks)
    assert [layer.node for layer in layers] == [step.name for step in program.steps]
    assert all(layer.exact and layer.margin_bits > 0 for layer in layers)
    for image in x:
        defined = interpret(program, image.ravel().tolist())
        for step, layer in zip(program.steps, layers, strict=True):
            bounded = isinstance(step.instruction, BOUNDED) and getattr(step.instruction, "accumulator", None) is None
            # 2^-40 for the logarithm's own rounding.
            if bounded and worst_number(step, tuple(defined[name] for name in step.inputs)) > 2 ** (
                layer.bound_bits + 2.0**-40
            ):
                return step.name
    return None


@pytest.mark.parametrize("planned", PLANNED[::4], ids=lambda planned: planned.id)
def test_no_number_exceeds_its_proof(planned: Planned) -> None:
    program = lower_network(planned.case.network, planned.plan)
    assert excess(program, inputs_of(planned.case)) is None


@pytest.mark.parametrize("name", ["dense-study 3", "conv-study 3", "conv-groups-study 8", "add-study 3"])
def test_a_proof_for_half_the_inputs_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = next(planned for planned in PLANNED if planned.id == name)
    program = lower_network(planned.case.network, planned.plan)
    original = proof._bound
    monkeypatch.setattr(proof, "_bound", lambda *arguments: original(*arguments) // 2)
    assert excess(program, inputs_of(planned.case)) is not None


@pytest.mark.parametrize(
    "planned", [planned for planned in PLANNED if planned.name == "hardware 8"], ids=lambda p: p.id
)
def test_the_proof_does_not_depend_on_the_batch_where_formats_bound_the_codes(planned: Planned) -> None:
    program = lower_network(planned.case.network, planned.plan)
    peaks = Simulator(program).run(inputs_of(planned.case)).peaks
    assert peaks == {}
    assert prove(program, peaks) == prove(program, {step.name: 1 << 60 for step in program.steps})
