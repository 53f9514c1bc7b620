"""What the proof says no number exceeds, none exceeds: partial sums in any order, and every exact result (B14)."""

from dataclasses import replace

import numpy as np
import pytest

from bittrue.definition import Codes, Numbers, interpret
from bittrue.definition.enclosure import round_number
from bittrue.definition.meaning import meaning
from bittrue.fixed import Overflow, Rounding
from bittrue.lowering import lower_network
from bittrue.plan import Override, uniform_plan
from bittrue.program import FixedNetwork, Lookup, MultiplyAccumulate, Softmax, SoftmaxTable, Step
from bittrue.simulation import proof
from bittrue.simulation.compiled import library
from bittrue.simulation.simulator import Simulator, prove
from cases import CASES, inputs_of
from plans import PLANNED, Planned


def worst_number(step: Step, inputs: tuple[Codes, ...], made: Codes) -> int:
    """The largest absolute number: of the exact result (rounded, where it is no dyadic number), the input's codes where
    it is computed code by code, and of a sum of products the sum of the absolute values, which no partial sum in any
    order exceeds."""
    instruction = step.instruction
    inner = 0
    if isinstance(instruction, MultiplyAccumulate):
        if instruction.accumulator is not None:
            return sum_at_accumulator(step, instruction, inputs)
        instruction, inputs = absolute(instruction, inputs)
    if isinstance(instruction, Lookup | Softmax | SoftmaxTable):
        inner = max(abs(code) for operand in inputs for code in operand.codes)
    exact = meaning[type(instruction)](instruction, step, inputs)
    if isinstance(exact, Codes):
        return max(inner, *map(abs, exact.codes))
    assert isinstance(exact, Numbers)
    assert made.fraction_bits is not None
    rounding = Rounding.FLOOR if step.quantizer is None else step.quantizer.rounding
    return max(inner, *(abs(round_number(value, made.fraction_bits, rounding)) for value in exact.values))


def absolute(
    instruction: MultiplyAccumulate, inputs: tuple[Codes, ...]
) -> tuple[MultiplyAccumulate, tuple[Codes, ...]]:
    bias = None if instruction.bias is None else np.abs(instruction.bias)
    operands = tuple(replace(operand, codes=[abs(code) for code in operand.codes]) for operand in inputs)
    return replace(instruction, weight=np.abs(instruction.weight), bias=bias), operands


def sum_at_accumulator(step: Step, instruction: MultiplyAccumulate, inputs: tuple[Codes, ...]) -> int:
    """What the accumulator holds: its codes, and the absolute sum at its binary point where that is fine enough for
    every product, since it then adds them all up before it acts, if it does."""
    accumulator = instruction.accumulator
    assert accumulator is not None
    codes = meaning[MultiplyAccumulate](instruction, step, inputs)
    assert isinstance(codes, Codes)
    held = max(map(abs, codes.codes))
    summed, operands = absolute(replace(instruction, accumulator=None), inputs)
    total = meaning[MultiplyAccumulate](summed, step, operands)
    assert isinstance(total, Codes)
    shift = accumulator.format.fraction_bits - total.binary_point
    if shift < 0 or accumulator.overflow is not Overflow.WRAP:
        return held
    return max(held, max(total.codes) << shift)


def excess(program: FixedNetwork, x: np.ndarray) -> str | None:
    """The first step of which a number exceeds its proof."""
    layers = prove(program, Simulator(program).run(x).peaks)
    assert [layer.node for layer in layers] == [step.name for step in program.steps]
    assert all(layer.exact and layer.margin_bits > 0 for layer in layers)
    for image in x:
        defined = interpret(program, image.ravel().tolist())
        for step, layer in zip(program.steps, layers, strict=True):
            if not step.inputs:
                continue
            # 2^-40 for the logarithm's own rounding.
            worst = worst_number(step, tuple(defined[name] for name in step.inputs), defined[step.name])
            if worst > 2 ** (layer.bound_bits + 2.0**-40):
                return step.name
    return None


@pytest.mark.parametrize("planned", PLANNED[1::5], ids=lambda planned: planned.id)
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


@pytest.mark.parametrize("word", ["ap_fixed<60,50,AP_TRN,AP_SAT>", "ap_fixed<12,2,AP_TRN,AP_WRAP>"])
def test_the_proof_of_an_accumulator_is_at_its_own_binary_point(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 fraction bits, where the sums have 8: one that never acts, and one that wraps, which is for torch alone."""
    monkeypatch.setattr(library, "unit", lambda: None)
    case = next(case for case in CASES if case.name == "dense")
    proofs = []
    for overrides in ([], [Override("dense.accumulator", word)]):
        program = lower_network(case.network, uniform_plan(case.network, 6, 4, overrides=overrides))
        assert excess(program, inputs_of(case)) is None
        proofs.extend(layer for layer in prove(program, {}) if layer.node == "dense")
    exact, accumulated = proofs
    assert accumulated.strategy == exact.strategy
    # The same bound times 4: two float64 logarithms, each off by a unit in the last place of a number below 64 at most.
    assert abs(accumulated.bound_bits - exact.bound_bits - 2) <= 2.0**-45


def test_the_proof_of_a_function_speaks_of_its_results_too() -> None:
    case = next(case for case in CASES if case.name == "sigmoid")
    overrides = [Override("node.output", "ap_fixed<30,2>")]
    program = lower_network(case.network, uniform_plan(case.network, 6, 4, overrides=overrides))
    assert prove(program, {})[-1].bound_bits == 28
