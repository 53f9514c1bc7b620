"""Averages and sums over windows in an accumulator with a format: aᵢ = Q(aᵢ₋₁ + xᵢ), then the division (B10)."""

from fractions import Fraction

import numpy as np
import pytest

from bittrue.definition import interpret
from bittrue.errors import PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, decode, describe, quantize
from bittrue.lowering import lower_keeping, lower_network, lower_variant
from bittrue.network import Network
from bittrue.operators import AveragePooling, GlobalAveragePooling
from bittrue.plan import Override, Plan, uniform_plan
from cases import CASES, Case, Draft, inputs_of
from float64_network import pooled_windows
from simulation.comparison import check

AVERAGES = [case for case in CASES if case.has(AveragePooling)]
ACCUMULATORS = [
    Quantizer(FixedFormat(True, 6, 3), Rounding.TRUNCATE, Overflow.WRAP),
    Quantizer(FixedFormat(True, 5, 2), Rounding.NEAREST_UP, Overflow.SATURATE),
]


def planned(network: Network, *overrides: Override) -> Plan:
    return uniform_plan(network, 8, 4, overrides=overrides)


def accumulated(operator: AveragePooling, x: np.ndarray, accumulator: Quantizer, output: Quantizer) -> list[int]:
    """The output's codes, by the recurrence over windows that other code finds."""
    codes = []
    for _, window in pooled_windows(operator, x):
        inside = int((~np.isnan(window[:, 0])).sum())
        counted = operator.divisor or (len(window) if operator.count_include_pad else inside)
        for numbers in window.T:
            total = 0
            for number in numbers:
                value = Fraction(0) if np.isnan(number) else Fraction(number)
                total = quantize(decode(total, accumulator.format.fraction_bits) + value, accumulator)
            codes.append(quantize(decode(total, accumulator.format.fraction_bits) / counted, output))
    return codes


@pytest.mark.parametrize("accumulator", ACCUMULATORS, ids=lambda quantizer: quantizer.overflow.value)
@pytest.mark.parametrize("case", AVERAGES, ids=lambda case: case.name)
def test_an_average_follows_the_recurrence(case: Case, accumulator: Quantizer) -> None:
    plan = planned(case.network, Override("node.accumulator", describe(accumulator)))
    program = lower_network(case.network, plan)
    output = program.by_name["node"].rounds_with
    operator = case.network.by_name["node"].operator
    assert isinstance(operator, AveragePooling)
    for image in inputs_of(case):
        defined = interpret(program, image.ravel().tolist())
        x = np.array([float(decode(code, 4)) for code in defined["image"].codes]).reshape(case.shape)
        assert defined["node"].codes == accumulated(operator, x, accumulator, output)
    assert check(program, inputs_of(case)) is None


def test_hls4ml_wraps_inside_its_average() -> None:
    """Four times 1.5 wrap in an accumulator of 3 integer bits: −2, over 4."""
    case = Case("hls4ml", (2, 2, 1), lambda draft: draft.add("node", GlobalAveragePooling()))
    plan = planned(case.network, Override("node.accumulator", "ap_fixed<8,3>"))
    defined = interpret(lower_network(case.network, plan), [1.5] * 4)
    assert defined["node"].codes == [-8]  # −0.5 at 4 fraction bits
    assert interpret(lower_network(case.network, planned(case.network)), [1.5] * 4)["node"].codes == [24]


def averaged(draft: Draft) -> None:
    draft.dense("dense", 2)
    draft.add("node", GlobalAveragePooling())


def test_a_plan_may_leave_the_accumulator_out() -> None:
    """Plans from before there was such a site stay what they were."""
    network = Case("averaged", (3, 2, 2), averaged).network
    assert "node.accumulator" not in planned(network).sites
    with_it = planned(network, Override("*.accumulator", "ap_fixed<8,3>"))
    assert {"dense.accumulator", "node.accumulator"} <= set(with_it.sites)
    exact = planned(network, Override("node.accumulator", "EXACT"))
    images = inputs_of(Case("averaged", (3, 2, 2), averaged))
    for image in images:
        codes = [
            interpret(lower_network(network, plan), image.ravel().tolist())["node"]
            for plan in (planned(network), exact)
        ]
        assert codes[0] == codes[1]


def test_neighbours_with_and_without_the_site_are_lowered_apart() -> None:
    network = Case("averaged", (3, 2, 2), averaged).network
    without, with_it = planned(network), planned(network, Override("node.accumulator", "ap_fixed<8,3>"))
    for near, plan in ((without, with_it), (with_it, without)):
        variant = lower_variant(lower_keeping(network, near), plan)
        names = [step.name for step in variant.steps]
        assert names == [step.name for step in lower_network(network, plan).steps]
        assert variant.by_name["dense"].name == "dense"


def test_an_accumulator_is_exact_or_has_a_format() -> None:
    network = Case("averaged", (3, 2, 2), averaged).network
    with pytest.raises(PlanError, match=r"site node\.accumulator: an accumulator is EXACT or has a format"):
        planned(network, Override("node.accumulator", "FLOAT"))
