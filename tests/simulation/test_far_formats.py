"""Formats far from the usual: binary points hundreds of bits away, words wider than any machine integer, sums that
nothing holds back. All get the definition's bits (B14)."""

import numpy as np
import pytest

from bittrue.lowering import lower_network
from bittrue.network import Parameter
from bittrue.operators import Add, Dense, GlobalAveragePooling, Pointwise, ReLU
from bittrue.plan import Override, PlanOptions, uniform_plan
from bittrue.program import FixedNetwork
from bittrue.program.functions import Tanh
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.sums import accumulators
from cases import Case, Draft, inputs_of
from plans import AFFINE_EVERY_NODE
from simulation.comparison import check

DENSE = Case("far dense", (3,), lambda draft: draft.dense("node", 2))
CONVOLUTION = Case("far convolution", (3, 3, 1), lambda draft: draft.convolution("node", (2, 2), 2))
NORM = Case("far norm", (3,), lambda draft: draft.norm("node"))
TANH = Case("far tanh", (3,), lambda draft: draft.add("node", Pointwise(Tanh())))
AVERAGE = Case("far average", (3, 2), lambda draft: draft.add("node", GlobalAveragePooling()))
ADD = Case("far add", (3,), lambda draft: draft.add("node", Add(), draft.last, draft.dense("dense", 3)))
RELU = Case("far relu", (3,), lambda draft: draft.add("node", ReLU(max_value=1.5, negative_slope=0.375)))


def lowered(case: Case, *sites: str, fraction_bits: int = 4, options: PlanOptions = AFFINE_EVERY_NODE) -> FixedNetwork:
    overrides = [Override.parse(site) for site in sites]
    return lower_network(
        case.network, uniform_plan(case.network, 8, fraction_bits, options=options, overrides=overrides)
    )


@pytest.mark.parametrize("case", [DENSE, CONVOLUTION, NORM, TANH, AVERAGE, ADD, RELU], ids=lambda case: case.name)
@pytest.mark.parametrize("fraction_bits", [-40, -100, -160, -300])
def test_a_binary_point_far_to_the_right(case: Case, fraction_bits: int) -> None:
    assert check(lowered(case, fraction_bits=fraction_bits), inputs_of(case)) is None


@pytest.mark.parametrize("case", [DENSE, CONVOLUTION, NORM, TANH, AVERAGE, ADD, RELU], ids=lambda case: case.name)
@pytest.mark.parametrize("word_length", [24, 25, 26, 32, 53, 54, 60])
def test_an_unsigned_word_wraps_a_negative_code_to_a_large_one(case: Case, word_length: int) -> None:
    program = lowered(case, f"node.output=ap_ufixed<{word_length},{word_length - 6},AP_RND,AP_WRAP>")
    assert check(program, inputs_of(case)) is None


@pytest.mark.parametrize("case", [DENSE, CONVOLUTION], ids=lambda case: case.name)
@pytest.mark.parametrize("word_length", [16, 26, 54, 60])
def test_an_unsigned_accumulator_that_wraps_once(case: Case, word_length: int) -> None:
    accumulator = f"node.accumulator=ap_ufixed<{word_length},{word_length - 9},AP_TRN,AP_WRAP>"
    assert check(lowered(case, accumulator), inputs_of(case)) is None


def _large_weights(draft: Draft) -> None:
    draft.add("node", Dense(Parameter("node.weight", np.full((64, 1), 3.9, np.float32)), None))


SUM_OF_64 = Case("sum of 64", (64,), _large_weights)


def unbounded_accumulator(input_word: int, product: str) -> FixedNetwork:
    return lowered(
        SUM_OF_64,
        f"image.output=ap_fixed<{input_word},4>",
        "node.weight=ap_fixed<31,3>",
        "node.accumulator=ap_fixed<8,4> NEAREST_EVEN UNBOUNDED",
        options=PlanOptions(product=product),
    )


@pytest.mark.parametrize("product", ["exact", "quantized"])
@pytest.mark.parametrize("input_word", [20, 30, 60])
def test_an_unbounded_accumulator_grows_beyond_int64(input_word: int, product: str) -> None:
    assert check(unbounded_accumulator(input_word, product), np.full((2, 64), 7.9, np.float32)) is None


def test_an_accumulator_bounded_by_its_word_alone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accumulators, "carrier_for", lambda bound, what: Carrier.INT64)
    assert check(unbounded_accumulator(30, "exact"), np.full((2, 64), 7.9, np.float32)) is not None


@pytest.mark.parametrize("slope", [2.0**-70, 1e-17, 1e30])
def test_a_slope_whose_code_int64_does_not_hold(slope: float) -> None:
    case = Case("far slope", (3,), lambda draft: draft.add("node", ReLU(negative_slope=slope)))
    unbounded = "image.output=ap_fixed<8,4> NEAREST_EVEN UNBOUNDED"
    assert check(lowered(case, unbounded, "node.slope=EXACT"), inputs_of(case)) is None


@pytest.mark.parametrize("number", [1e25, 2.0**-80])
@pytest.mark.parametrize("role", ["threshold", "bound"])
def test_a_threshold_or_a_bound_far_from_every_code(role: str, number: float) -> None:
    operator = ReLU(negative_slope=0.5, threshold=number) if role == "threshold" else ReLU(max_value=number)
    case = Case(f"far {role}", (3,), lambda draft: draft.add("node", operator))
    assert check(lowered(case, f"node.{role}=EXACT"), inputs_of(case)) is None


@pytest.mark.parametrize("fraction_bits", [60, 100, 300])
@pytest.mark.parametrize("case", [DENSE, CONVOLUTION, NORM, TANH, AVERAGE, ADD, RELU], ids=lambda case: case.name)
@pytest.mark.parametrize("mode", ["AP_RND_CONV,AP_SAT", "AP_TRN,AP_WRAP"])
def test_more_fraction_bits_than_any_machine_integer_has(case: Case, fraction_bits: int, mode: str) -> None:
    program = lowered(case, f"node.output=ap_fixed<{fraction_bits + 8},8,{mode}>")
    assert check(program, inputs_of(case)) is None


@pytest.mark.parametrize("word_length", [24, 25, 30, 34])
def test_inputs_wider_than_float32_in_sums_that_two_parts_would_hold(word_length: int) -> None:
    image = f"image.output=ap_ufixed<{word_length},13,AP_RND_CONV,AP_WRAP>"
    program = lowered(DENSE, image, "node.weight=ap_fixed<5,0>", "node.output=EXACT")
    assert check(program, inputs_of(DENSE)) is None


def test_a_threshold_beyond_int64() -> None:
    operator = ReLU(threshold=1e25)
    case = Case("threshold beyond int64", (3,), lambda draft: (draft.dense("dense", 3), draft.add("node", operator)))
    assert check(lowered(case, "node.threshold=EXACT", "node.output=ap_fixed<90,88>"), inputs_of(case)) is None
    assert check(lowered(case, "dense.output=EXACT", "node.threshold=ap_fixed<8,90>"), inputs_of(case)) is None


@pytest.mark.parametrize("mode", ["AP_TRN,AP_WRAP", "AP_RND_CONV,AP_SAT"])
def test_zeros_that_are_shifted_far_into_an_accumulator(mode: str) -> None:
    case = Case("far zeros", (3,), lambda draft: draft.dense("node", 2, bias=False))
    program = lowered(case, f"node.accumulator=ap_fixed<8,-100,{mode}>", "node.weight=ap_fixed<8,8>")
    assert check(program, np.zeros((2, 3), np.float32)) is None
    program = lowered(case, f"node.accumulator=ap_fixed<8,-100,{mode}>", "node.weight=ap_fixed<8,40>")
    assert check(program, inputs_of(case)) is None


@pytest.mark.parametrize("mode", ["AP_SAT", "AP_SAT_ZERO", "AP_SAT_SYM"])
def test_an_unsigned_word_beyond_int64_that_limits_small_negative_codes(mode: str) -> None:
    """The limits need more bits than any code that comes out."""
    for case in (DENSE, NORM, TANH):
        program = lowered(case, f"node.output=ap_ufixed<70,66,AP_RND,{mode}>")
        assert check(program, inputs_of(case)) is None


def test_weights_of_64_bits_survive_the_taking_of_their_bounds() -> None:
    for weight in ("ap_fixed<60,30>", "ap_fixed<62,4>", "ap_ufixed<64,32>"):
        assert check(lowered(DENSE, f"node.weight={weight}"), inputs_of(DENSE)) is None


def test_outputs_are_values_wherever_the_binary_point_lies() -> None:
    case = Case("far relu alone", (2,), lambda draft: draft.add("node", ReLU()))
    x = np.array([[2.0**-149, -1.0], [0.0, 1.0]], np.float32)
    expected = np.array([[2.0**-149, 0.0], [0.0, 127 * 2.0**-155]])
    np.testing.assert_array_equal(Simulator(lowered(case, fraction_bits=155)).run(x).outputs, expected)
