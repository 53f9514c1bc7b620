"""Layer normalization by a table of reciprocal roots: what it loses, counts and refuses, and what it converges to."""

from typing import Any

import numpy as np
import pytest

from bittrue.errors import PlanError
from bittrue.fixed import Overflow, Rounding
from bittrue.lowering import lower_network
from bittrue.operators import LayerNormalization
from bittrue.plan import Override, PlanOptions, plan_from_ranges, uniform_plan
from bittrue.program import FixedNetwork
from bittrue.simulation import layer_normalization_table, simulator
from bittrue.simulation.float_model import FloatModel
from bittrue.simulation.simulator import Simulator, prove
from cases import CASES, Case, inputs_of
from plans import NORM_TABLE, ranges_of
from simulation.comparison import check

BY_NAME = {case.name: case for case in CASES}
TABLE = PlanOptions(layer_norm="table")


def table_of(case: Case, word_length: int, fraction_bits: int, *sites: str, **modes: Any) -> FixedNetwork:
    overrides = [Override.parse(site) for site in sites]
    plan = uniform_plan(case.network, word_length, fraction_bits, options=TABLE, overrides=overrides, **modes)
    return lower_network(case.network, plan)


def bare(count: int, epsilon: float = 0.25) -> Case:
    return Case("bare", (count,), lambda draft: draft.add("norm", LayerNormalization(None, None, epsilon)))


NARROW = (
    "norm.mean=ap_fixed<4,3,AP_RND,AP_SAT>",
    "norm.difference=ap_fixed<5,3,AP_RND,AP_SAT>",
    "norm.variance=ap_ufixed<4,3,AP_RND,AP_SAT>",
    "norm.reciprocal_root=ap_ufixed<4,0,AP_RND,AP_SAT>",
)
NARROW_INPUT = np.array([[0, 0, 0, 0], [7, -7, 7, -7], [6, 6, 5, 7], [0.5, 0, 0, 0]], np.float32)


@pytest.mark.parametrize("wide", [False, True])
def test_overflows_of_each_part_are_counted(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean of 6, differences of ±7 (and of 7 − 3.5 no more), their variance, and 1/√0.25 = 2 don't fit."""
    program = table_of(bare(4), 8, 3, *NARROW)
    if wide:
        monkeypatch.setattr(simulator, "_on_torch", lambda *arguments: None)
    assert check(program, NARROW_INPUT) is None
    overflows = Simulator(program).run(NARROW_INPUT).overflows
    assert overflows["norm.mean"] == 1
    assert overflows["norm.difference"] == 4
    assert overflows["norm.variance"] == 1
    assert overflows["norm.reciprocal_root"] == 2


@pytest.mark.parametrize("part", ["count_overflows", "divide_rounded", "round_to_"])
def test_a_part_that_is_wrong_is_noticed(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = table_of(bare(4), 8, 3, *NARROW)
    assert check(program, NARROW_INPUT) is None
    original = getattr(layer_normalization_table, part)
    monkeypatch.setattr(layer_normalization_table, part, lambda *arguments: original(*arguments) + 1)
    assert check(program, NARROW_INPUT) is not None


def test_a_table_that_is_one_off_for_one_code_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    program = table_of(bare(4), 12, 6)
    x = inputs_of(bare(4))
    monkeypatch.setattr(layer_normalization_table, "_ERROR", 1.0)  # all are decided exactly
    assert check(program, x) is None
    original = layer_normalization_table.round_surd
    monkeypatch.setattr(layer_normalization_table, "round_surd", lambda *arguments: original(*arguments) + 1)
    assert check(table_of(bare(4), 12, 6), x) is not None


@pytest.mark.parametrize("name", ["layer-norm", "layer-norm-two-axes", "layer-norm-neither"])
def test_with_many_bits_it_is_the_layer_normalization(name: str) -> None:
    """Each bit halves what is lost, in words that torch holds and in those that it doesn't."""
    case = BY_NAME[name]
    x = np.random.default_rng(3).standard_normal((4, *case.shape)).astype(np.float32)
    real = FloatModel(case.network).run(x)
    losses = []
    for bits in (6, 10, 14, 18, 40):
        program = table_of(case, bits + 8, bits)
        losses.append(float(np.abs(Simulator(program).run(x).outputs - real).max()))
    assert losses[0] > 2**-8
    assert all(loss < 400 * 2.0**-bits + 1e-6 for loss, bits in zip(losses, (6, 10, 14, 18, 40), strict=True))


def test_ranges_give_the_parts_their_binary_points() -> None:
    """A variance of about one, and not one that the input's range would allow."""
    case = BY_NAME["layer-norm"]
    plan = plan_from_ranges(case.network, ranges_of(case), 10, options=NORM_TABLE)
    parts = ("mean", "difference", "variance", "reciprocal_root", "normalized")
    sites = {role: plan.sites[f"node.{role}"] for role in parts}
    for role, site in sites.items():
        measured = ranges_of(case).sites[f"node.{role}"]
        assert site.format.signed == (role not in ("variance", "reciprocal_root"))  # type: ignore[union-attr]
        assert site.format.min_value <= measured.low  # type: ignore[union-attr]
        assert site.format.max_value >= measured.high  # type: ignore[union-attr]
        assert max(-measured.low, measured.high) > site.format.max_value / 4  # type: ignore[union-attr]
    x = np.random.default_rng(7).standard_normal((4, *case.shape)).astype(np.float32)
    result = Simulator(lower_network(case.network, plan)).run(x)
    assert not any(result.overflows.get(f"node.{role}") for role in parts)
    assert float(np.abs(result.outputs - FloatModel(case.network).run(x)).max()) < 0.05


@pytest.mark.parametrize("overflow", [Overflow.WRAP, Overflow.SATURATE_ZERO])
def test_a_variance_that_folds_is_refused(overflow: Overflow) -> None:
    with pytest.raises(PlanError, match=r"^site norm\.variance: .* use SATURATE"):
        table_of(bare(4), 8, 4, overflow=overflow)


@pytest.mark.parametrize("count", [3, 4])
def test_a_mean_is_exact_over_a_power_of_two(count: int) -> None:
    exact = ("norm.mean=EXACT", "norm.variance=EXACT", "norm.difference=EXACT", "norm.output=EXACT")
    if count == 4:
        program = table_of(bare(count), 8, 4, *exact)
        assert check(program, inputs_of(bare(count))) is None
        assert Simulator(program).run(inputs_of(bare(count))).overflows["norm.mean"] == 0
    else:
        with pytest.raises(PlanError, match=r"^site norm\.mean: EXACT is impossible"):
            table_of(bare(count), 8, 4, *exact)


def test_codes_that_float64_does_not_hold() -> None:
    """2^58 + 1 and 2^58 are one number in float64, and half a step from their mean here."""
    case = bare(2)
    exact = ("image.output=ap_fixed<62,62>", "norm.mean=EXACT", "norm.difference=EXACT", "norm.variance=EXACT")
    program = table_of(case, 12, 8, *exact, rounding=Rounding.FLOOR)
    x = np.array([[2.0**58, 2.0**58 + 2.0**35], [1, 0]], np.float32)
    assert check(program, x) is None
    assert Simulator(program).run(x).outputs[1, 0] > 0.5


def test_the_proof_covers_a_variance_beyond_int64() -> None:
    program = table_of(bare(4), 60, 30)
    (proof,) = (layer for layer in prove(program, {}) if layer.node == "norm")
    assert proof.bound_bits > 64
    assert proof.margin_bits > 0
    assert proof.strategy == "table form, row by row"
