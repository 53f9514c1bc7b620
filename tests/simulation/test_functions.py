"""Functions and softmax beyond what the table of plans reaches: far binary points, long codes, parts that overflow."""

import gc
import weakref
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import product

import mpmath
import numpy as np
import pytest
import torch

from bittrue.definition.enclosure import round_number
from bittrue.definition.functions import sigmoid, tanh
from bittrue.errors import CarrierError
from bittrue.fixed import FixedFormat, Quantizer, Rounding
from bittrue.fixed.reference import decode
from bittrue.lowering import lower_network
from bittrue.network import Parameter
from bittrue.operators import BatchNormalization, Dense, Identity, MaxPooling, Pointwise, ReLU, Softmax
from bittrue.plan import STUDY_OPTIONS, Override, PlanOptions, uniform_plan
from bittrue.program.functions import BatchNorm, Sigmoid, Tanh
from bittrue.simulation import batch_normalization, intervals, simulator, softmax_table
from bittrue.simulation.batch_normalization import _BatchNormKernel
from bittrue.simulation.real_functions import function_code, real_function
from bittrue.simulation.rounding import round_resolved
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Codes
from cases import CASES, Case, Draft, inputs_of
from plans import AFFINE_EVERY_NODE
from simulation.comparison import check

BY_NAME = {case.name: case for case in CASES}
TABLE = replace(AFFINE_EVERY_NODE, softmax="table")
EXACT = PlanOptions()


def _differences(draft: Draft) -> None:
    """(a, b) becomes (a + b, a)."""
    weight = np.array([[1, 1], [1, 0]], np.float32)
    draft.add("dense", Dense(Parameter("dense.weight", weight), None))
    draft.add("softmax", Softmax())


@pytest.mark.parametrize("options", [EXACT, replace(EXACT, softmax="table")], ids=["exact", "table"])
def test_a_softmax_of_codes_that_float64_does_not_hold(options: PlanOptions) -> None:
    """2^58 + 1 and 2^58 are one number in float64, and two for a softmax."""
    case = Case("differences", (2,), _differences)
    sites = ["image.output=ap_fixed<60,60>", "dense.weight=ap_fixed<2,2>", "dense.output=EXACT"]
    if options.softmax == "table":
        sites += ["softmax.difference=ap_ufixed<4,4,AP_TRN,AP_SAT>", "softmax.exp=ap_ufixed<9,1>"]
    overrides = [Override.parse(site) for site in sites]
    program = lower_network(case.network, uniform_plan(case.network, 12, 8, options=options, overrides=overrides))
    x = np.array([[2.0**58, 1], [2.0**58, 0], [2.0**58, -2]], np.float32)
    assert check(program, x) is None
    first, equal, second = Simulator(program).run(x).outputs
    assert first[0] > 0.7 > second[1] - 0.2 > 0.6
    assert equal[0] == equal[1]


def test_exponentials_whose_sum_int64_does_not_hold() -> None:
    case = Case("many", (1024,), lambda draft: draft.add("softmax", Softmax()))
    sites = [
        "softmax.exp=ap_ufixed<54,1>",
        "softmax.sum=ap_ufixed<20,12,AP_RND,AP_SAT>",
        "softmax.reciprocal=ap_ufixed<20,1>",
    ]
    overrides = [Override.parse(site) for site in sites]
    program = lower_network(case.network, uniform_plan(case.network, 12, 4, options=TABLE, overrides=overrides))
    x = np.zeros((1, 1024), np.float32)
    assert check(program, x) is None
    assert Simulator(program).run(x).outputs.tolist() == [[0.0] * 1024]  # 1/1024 at 4 fraction bits


def narrow_table() -> tuple[Case, list[Override]]:
    sites = [
        "softmax.difference=ap_ufixed<4,1,AP_TRN,AP_SAT>",
        "softmax.exp=ap_ufixed<5,0,AP_RND,AP_SAT>",
        "softmax.sum=ap_ufixed<5,1,AP_RND,AP_SAT>",
        "softmax.reciprocal=ap_ufixed<5,-1,AP_RND,AP_SAT>",
    ]
    case = Case("narrow table", (4,), lambda draft: draft.add("softmax", Softmax()))
    return case, [Override.parse(site) for site in sites]


@pytest.mark.parametrize("wide", [False, True])
def test_overflows_inside_the_table_are_counted(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """exp(0) = 1, sums of 2 and more, and reciprocals of 1 and more don't fit; nor do differences of 2 and more."""
    case, overrides = narrow_table()
    program = lower_network(case.network, uniform_plan(case.network, 8, 3, options=TABLE, overrides=overrides))
    x = np.array([[0, 0, 0, 0], [3, 0, -4, 2.875], [-1, -1.5, -1, -1]], np.float32)
    if wide:
        monkeypatch.setattr(simulator, "_on_torch", lambda *arguments: None)
    assert check(program, x) is None
    overflows = Simulator(program).run(x).overflows
    assert overflows["softmax.difference"] == 2
    assert overflows["softmax.exp"] == 4 + 1 + 3
    assert overflows["softmax.sum"] == 3
    assert overflows["softmax.reciprocal"] == 3


@pytest.mark.parametrize("name", ["count_overflows"])
def test_an_inner_overflow_that_is_not_counted_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, overrides = narrow_table()
    program = lower_network(case.network, uniform_plan(case.network, 8, 3, options=TABLE, overrides=overrides))
    monkeypatch.setattr(softmax_table, name, lambda codes, quantizer: 0)
    assert "overflows" in (check(program, np.zeros((1, 4), np.float32)) or "")


ALONE = {
    "sigmoid": Pointwise(Sigmoid()),
    "tanh": Pointwise(Tanh()),
    "softmax": Softmax(),
    "relu": ReLU(1.5, 0.375, 0.25),
}
FAR = [
    *(Case(f"{name} alone", (4,), partial(Draft.add, name="node", operator=node)) for name, node in ALONE.items()),
    *(BY_NAME[name] for name in ("norm", "dense", "global-average", "add")),
]


@pytest.mark.parametrize("case", FAR, ids=lambda case: case.name)
@pytest.mark.parametrize("options", [AFFINE_EVERY_NODE, PlanOptions(batch_norm="raw")], ids=["affine", "raw"])
@pytest.mark.parametrize("fraction_bits", [-1500, -1030, 1030, 1500])
def test_a_binary_point_beyond_the_exponents_of_float64(case: Case, options: PlanOptions, fraction_bits: int) -> None:
    """At the output, and at the input."""
    last = case.network.output
    x = inputs_of(case)
    word = f"ap_fixed<{max(fraction_bits, 0) + 8},{8 + max(-fraction_bits, 0)},AP_RND_CONV,AP_SAT>"
    far = Override.parse(f"{last}.output={word}")
    program = lower_network(case.network, uniform_plan(case.network, 8, 4, options=options, overrides=[far]))
    assert check(program, x) is None
    source = Override.parse(f"image.output={word}")
    plan = uniform_plan(case.network, 8, 4, options=options, overrides=[source])
    assert check(lower_network(case.network, plan), x) is None


def test_float_after_a_far_binary_point() -> None:
    """Its float32 is 0."""
    overrides = [Override.parse("image.output=ap_fixed<8,-1200>"), Override.parse("node.output=FLOAT")]
    case = BY_NAME["relu-alone"]
    program = lower_network(case.network, uniform_plan(case.network, 8, 4, overrides=overrides))
    assert not Simulator(program).run(inputs_of(case)).outputs.any()


@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.FLOOR, Rounding.TRUNCATE])
@pytest.mark.parametrize(("source", "bits"), [(60, 60), (100, 300), (1100, 1100), (1100, 1500), (3000, 4096)])
def test_intervals_hold_the_numbers_that_they_are_for(source: int, bits: int, rounding: Rounding) -> None:
    """x and tanh x agree in thousands of bits here, next to which mpmath's own ends can lie on the wrong side."""
    quantizer = Quantizer(FixedFormat(True, 4096, bits), rounding)
    for code, (kind, defined) in product((1, -1, 77, -120), ((Sigmoid, sigmoid), (Tanh, tanh))):
        got = function_code(code, source, quantizer, real_function[kind](kind()), "this test")
        assert got == round_number(defined(kind(), decode(code, source)), bits, rounding)


def test_ends_taken_as_mpmath_gives_them_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "exp", mpmath.iv.exp)
    quantizer = Quantizer(FixedFormat(True, 4096, 1100), Rounding.FLOOR)
    assert function_code(-1, 1100, quantizer, real_function[Tanh](Tanh()), "this test") != -1


def test_the_precision_of_intervals_is_left_as_it_was() -> None:
    before = mpmath.iv.prec
    quantizer = Quantizer(FixedFormat(True, 256, 200), Rounding.FLOOR)
    function_code(3, 2, quantizer, real_function[Sigmoid](Sigmoid()), "this test")
    assert mpmath.iv.prec == before


def test_doubtful_numbers_of_a_view_are_decided_in_their_places() -> None:
    reals = torch.tensor([[0.5, 1.25], [2.0, 3.5], [0.25, 4.5]], dtype=torch.float64).T
    assert not reals.is_contiguous()
    order = [0.5, 2.0, 0.25, 1.25, 3.5, 4.5]
    rounded = round_resolved(
        reals, 0.01, Rounding.NEAREST_UP, lambda cases: [int(order[i] + 0.5) for i in cases.tolist()], "this test"
    )
    assert rounded.tolist() == [[1, 2, 0], [1, 4, 5]]


def test_a_raw_norm_with_ties_after_a_pooling_whose_result_is_a_view() -> None:
    def extend(draft: Draft) -> None:
        draft.add("pool", MaxPooling((3,), (2,), ((1, 1),)))
        numbers = {"gamma": 1.0, "beta": 0.0, "mean": 0.0, "variance": 3.75}
        parameters = [Parameter(f"norm.{name}", np.full(3, value, np.float32)) for name, value in numbers.items()]
        draft.add("norm", BatchNormalization(*parameters, 0.25))

    case = Case("ties of a view", (7, 3), extend)
    plan = uniform_plan(case.network, 8, 2, options=STUDY_OPTIONS, rounding=Rounding.NEAREST_UP)
    x = np.arange(2 * 21, dtype=np.float32).reshape(2, 7, 3) / 4
    assert check(lower_network(case.network, plan), x) is None


def tied_kernel() -> _BatchNormKernel:
    """γ/√(σ²+ε) = ½: odd codes are ties."""
    one, variance = np.array([1]), np.array([4])
    function = BatchNorm(one, 0, None, 0, np.array([0]), 0, variance, 0, Fraction(0))
    return _BatchNormKernel(function, Quantizer(FixedFormat(True, 16, 0), Rounding.NEAREST_UP), 0, "norm")


def test_a_kernel_goes_with_its_network() -> None:
    norm = tied_kernel()
    norm((Codes(torch.arange(-4.0, 5)[:, None], 0, -4, 4),))
    dead = weakref.ref(norm)
    del norm
    gc.collect()
    assert dead() is None


def test_a_range_found_wanting_is_not_gone_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    norm = tied_kernel()
    searched: list[int] = []
    original = batch_normalization.doubtful

    def doubtful(reals: torch.Tensor, *arguments: object) -> torch.Tensor:
        searched.append(reals.numel())
        return original(reals, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(batch_normalization, "doubtful", doubtful)
    assert not norm._covers(-100, 100)
    assert not norm._covers(-100, 100)  # within the same powers of two
    assert not norm._covers(-90, 120)
    assert not norm._covers(-1000, 1000)
    assert len(searched) == 1


def test_no_output_is_a_negative_zero() -> None:
    case = BY_NAME["relu-alone"]
    x = np.full((1, 7), -0.01, np.float32)
    for sites in (["image.output=ap_fixed<8,4,AP_RND_CONV,AP_SAT>"], ["image.output=FLOAT", "node.output=FLOAT"]):
        overrides = [Override.parse(site) for site in sites]
        program = lower_network(case.network, uniform_plan(case.network, 8, 4, overrides=overrides))
        assert not np.signbit(Simulator(program).run(x).outputs).any()


@pytest.mark.parametrize("word_length", [8, 40, 80])
def test_no_output_is_a_negative_zero_on_any_carrier(word_length: int) -> None:
    case = Case("negative zeros", (3,), lambda draft: draft.dense("dense", 4, bias=False))
    program = lower_network(case.network, uniform_plan(case.network, word_length, 2))
    outputs = Simulator(program).run(np.full((2, 3), -(2.0**-9), np.float32)).outputs
    assert not np.signbit(outputs[outputs == 0]).any()


def test_an_output_beyond_float64_is_refused_by_name() -> None:
    case = Case("beyond", (3,), lambda draft: draft.add("node", Identity()))
    far = Override.parse("node.output=ap_fixed<8,1200,AP_TRN,AP_SAT>")
    program = lower_network(case.network, uniform_plan(case.network, 8, 4, overrides=[far]))
    with pytest.raises(CarrierError, match=r"^site node\.output: a value is beyond float64's range"):
        Simulator(program).run(np.full((1, 3), -1, np.float32))
