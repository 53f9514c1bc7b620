"""Each way to compute an accumulator has the definition's codes and overflow counts, and is taken where it may be."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bittrue.lowering import lower_network
from bittrue.plan import Override, PlanOptions, uniform_plan
from bittrue.program import FixedNetwork, MultiplyAccumulate
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.simulator import prove
from bittrue.simulation.sums import accumulators
from bittrue.simulation.sums.bounds import SumBounds
from cases import CASES, Case, inputs_of
from plans import ACCUMULATORS, AFFINE_EVERY_NODE, QUANTIZED
from simulation.comparison import check

BY_NAME = {case.name: case for case in CASES}
SUMS = ["conv", "conv-strides", "conv-groups", "conv-depthwise", "conv-no-bias", "dense", "dense-rank-3"]
MODES = ["AP_TRN,AP_SAT", "AP_RND_CONV,AP_WRAP", "AP_TRN_ZERO,AP_SAT_ZERO", "AP_RND,AP_SAT_SYM"]


def program_of(case: Case, accumulator: str, options: PlanOptions = AFFINE_EVERY_NODE) -> FixedNetwork:
    overrides = (Override("image.output", "ap_fixed<6,2>"), Override("*.accumulator", accumulator))
    return lower_network(case.network, uniform_plan(case.network, 6, 4, options=options, overrides=overrides))


def silent_word_length(case: Case) -> int:
    """The shortest word with 8 fraction bits, as all products and biases have at most, that can never overflow."""
    program = program_of(case, "EXACT")
    (step,) = [step for step in program.steps if isinstance(step.instruction, MultiplyAccumulate)]
    assert isinstance(step.instruction, MultiplyAccumulate)
    sums = SumBounds(step.instruction, 4, step.name)
    assert sums.fraction_bits == 8
    low, high = sums.partial_sums(-32, 31)
    return max((-low - 1).bit_length(), high.bit_length()) + 1


def strategy(program: FixedNetwork) -> str:
    (step,) = [step for step in program.steps if isinstance(step.instruction, MultiplyAccumulate)]
    return {proof.node: proof for proof in prove(program, {})}[step.name].strategy


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ways that were taken, by name."""
    taken: list[str] = []

    def noting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def compute(*arguments: Any) -> Any:
            taken.append(name)
            return original(*arguments)

        return compute

    for name in ("_aligned", "_wrapped", "_ordered"):
        monkeypatch.setattr(accumulators, name, noting(name, getattr(accumulators, name)))
    return taken


@pytest.mark.usefixtures("on_torch")
@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("options", [AFFINE_EVERY_NODE, QUANTIZED], ids=["exact", "quantized"])
def test_a_silent_accumulator_is_the_exact_sum(
    name: str, options: PlanOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = BY_NAME[name]
    taken = recorded(monkeypatch)
    bits = silent_word_length(case)
    for extra, modes in enumerate(MODES):
        # Fraction bits beyond the products' change nothing either. SAT_SYM has one code less at the low end.
        word = bits + extra + (modes == MODES[3])
        program = program_of(case, f"ap_fixed<{word},{bits - 8 + (modes == MODES[3])},{modes}>", options)
        assert check(program, inputs_of(case)) is None
        assert "product by product" not in strategy(program)
    assert set(taken) == {"_aligned"}


@pytest.mark.parametrize("name", SUMS)
def test_one_bit_less_is_no_longer_silent(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = BY_NAME[name]
    taken = recorded(monkeypatch)
    bits = silent_word_length(case) - 1
    ends = np.stack([np.full(case.shape, 1.9375, np.float32), np.full(case.shape, -2, np.float32)])  # of 6-bit codes
    for modes, way in [("AP_TRN,AP_SAT", "_ordered"), ("AP_TRN,AP_WRAP", "_wrapped")]:
        program = program_of(case, f"ap_fixed<{bits},{bits - 8},{modes}>")
        taken.clear()
        assert check(program, ends) is None
        assert way in taken
        assert (strategy(program) == "float32, product by product") == (way == "_ordered")


@pytest.mark.parametrize("accumulator", ACCUMULATORS.values(), ids=ACCUMULATORS)
def test_a_few_images_at_a_time_and_all_at_once(accumulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = BY_NAME["conv-depthwise"]
    program = program_of(case, accumulator, QUANTIZED)
    assert check(program, inputs_of(case)) is None
    monkeypatch.setattr(accumulators, "_CACHED_SUMS", 1)
    assert check(program, inputs_of(case)) is None


@pytest.mark.parametrize("carrier", [Carrier.FLOAT32, Carrier.FLOAT64, Carrier.INT64])
@pytest.mark.parametrize("accumulator", ACCUMULATORS.values(), ids=ACCUMULATORS)
def test_every_carrier_has_the_same_bits(accumulator: str, carrier: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accumulators, "carrier_for", lambda bound, what: carrier)
    for options in (AFFINE_EVERY_NODE, QUANTIZED):
        case = BY_NAME["conv-groups"]
        assert check(program_of(case, accumulator, options), inputs_of(case)) is None


SATURATING = "ap_fixed<7,1,AP_RND,AP_SAT>"


def found(monkeypatch: pytest.MonkeyPatch, name: str, replacement: object) -> str | None:
    """What `check` says of a saturating accumulator once `name` is replaced."""
    case = BY_NAME["conv"]
    assert check(program_of(case, SATURATING), inputs_of(case)) is None
    monkeypatch.setattr(accumulators, name, replacement)
    return check(program_of(case, SATURATING), inputs_of(case))


@pytest.mark.usefixtures("on_torch")
def test_canary_one_taken_to_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = "ap_fixed<9,1,AP_RND,AP_SAT>"
    case = BY_NAME["conv"]
    monkeypatch.setattr(accumulators, "never_acts", lambda *arguments: True)
    assert check(program_of(case, wide), inputs_of(case)) is not None


@pytest.mark.usefixtures("on_torch")
def test_canary_one_wrapped_once_that_saturates(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = "ap_fixed<9,1,AP_RND,AP_SAT>"
    case = BY_NAME["conv"]
    monkeypatch.setattr(accumulators, "wraps_once", lambda *arguments: True)
    assert check(program_of(case, wide), inputs_of(case)) is not None


@pytest.mark.usefixtures("on_torch")
def test_canary_products_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = accumulators._factors

    def backwards(*arguments: Any) -> Any:
        patches, weights = factors(*arguments)
        return patches.flip(-2), weights.flip(0)

    assert found(monkeypatch, "_factors", backwards) is not None


@pytest.mark.usefixtures("on_torch")
def test_canary_a_bias_that_is_not_rounded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    first = accumulators._first_codes
    assert (
        found(monkeypatch, "_first_codes", lambda *a: ([code + 1 for code in first(*a)[0]], first(*a)[1])) is not None
    )


@pytest.mark.usefixtures("on_torch")
@pytest.mark.parametrize("off", [-1, 1])
def test_canary_one_overflow_more_or_less(off: int, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = accumulators._limit_
    difference = found(monkeypatch, "_limit_", lambda *arguments: limit(*arguments) + off)
    assert difference is not None
    assert difference.startswith("overflows")
