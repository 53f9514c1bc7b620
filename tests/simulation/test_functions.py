"""Functions beyond what the table of plans reaches: far binary points, long codes; outputs without negative zeros."""

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
from bittrue.operators import Identity, Pointwise, ReLU, Softmax
from bittrue.plan import Override, PlanOptions, uniform_plan
from bittrue.program.functions import Sigmoid, Tanh
from bittrue.simulation import intervals
from bittrue.simulation.real_functions import function_code, real_function
from bittrue.simulation.rounding import round_resolved
from bittrue.simulation.simulator import Simulator
from cases import CASES, Case, Draft, inputs_of
from plans import AFFINE_EVERY_NODE
from simulation.comparison import check

BY_NAME = {case.name: case for case in CASES}


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
