"""Functions of one code: every code of a word, numbers without a value, far results; and rows of many numbers."""

from fractions import Fraction
from functools import cache

import mpmath
import numpy as np
import pytest

from bittrue.errors import BittrueError
from bittrue.fixed import Overflow, Rounding
from bittrue.lowering import lower_network
from bittrue.network import Operator
from bittrue.operators import LayerNormalization, LogSoftmax, Pointwise
from bittrue.operators.functions import float_function
from bittrue.plan import Override, plan_from_ranges, uniform_plan
from bittrue.program import FixedNetwork
from bittrue.program.functions import (
    ELU,
    GELU,
    SELU,
    Erf,
    Exp,
    HardSigmoid,
    Log,
    LogSigmoid,
    Mish,
    Reciprocal,
    Sigmoid,
    SiLU,
    Softplus,
    Sqrt,
)
from bittrue.simulation import functions, intervals, real_functions, simulator
from bittrue.simulation.simulator import Simulator, prove
from cases import POSITIVE_CASES, Case, inputs_of
from plans import ranges_of
from simulation.comparison import check

PARTIAL = (Exp, Log, Reciprocal, Sqrt)
OPERATORS: list[Operator] = [
    Pointwise(ELU(0.75)),
    Pointwise(GELU(approximate=False)),
    Pointwise(GELU(approximate=True)),
    Pointwise(HardSigmoid()),
    Pointwise(HardSigmoid(0.2)),
    Pointwise(SELU()),
    *(Pointwise(kind()) for kind in float_function if kind not in (ELU, GELU, HardSigmoid, SELU)),
]
BITS, WORD = 3, 8


@cache
def alone(operator: Operator, count: int) -> Case:
    return Case(operator.name, (count,), lambda draft: draft.add("node", operator))


def every_code(operator: Operator) -> np.ndarray:
    """Each number of the input's word that has a value, as one image."""
    codes = np.arange(-(1 << WORD - 1), 1 << WORD - 1)
    codes = codes[codes > 0] if isinstance(operator.written, PARTIAL) else codes
    return codes.astype(np.float32)[np.newaxis] / 2**BITS


IMAGE = f"ap_fixed<{WORD},{WORD - BITS}>"


def program_of(operator: Operator, count: int, output: str, image: str = IMAGE) -> FixedNetwork:
    case = alone(operator, count)
    overrides = [Override("image.output", image), Override("node.output", output)]
    return lower_network(case.network, uniform_plan(case.network, 8, 4, overrides=overrides))


OUTPUTS = [
    "ap_fixed<9,5,AP_RND,AP_SAT_ZERO>",
    "ap_fixed<40,35,AP_TRN_ZERO,AP_SAT>",
    "ap_fixed<64,30,AP_TRN,AP_WRAP>",
]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: repr(operator))
def test_every_code(operator: Operator, output: str) -> None:
    """4 and 5 fraction bits put ties among the codes, 34 doubts at the limits of float64."""
    x = every_code(operator)
    program = program_of(operator, x.shape[1], output)
    assert check(program, x) is None
    assert all(layer.exact and layer.margin_bits > 0 for layer in prove(program, {}))


@pytest.mark.parametrize(
    ("operator", "number", "rounding"),
    [
        (Pointwise(HardSigmoid()), 3 / 16, "AP_RND"),
        (Pointwise(SiLU()), 40.0, "AP_TRN"),
        (Pointwise(Softplus()), 40.0, "AP_RND_INF"),
    ],
    ids=str,
)
def test_doubts_that_are_not_decided_are_noticed(
    operator: Operator, number: float, rounding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tie; a value that float64 can't tell from 40, and one that it can't tell from the tie 40.5."""
    x = np.array([[number + (0.5 if rounding == "AP_RND_INF" else 0.0), -1.0]], np.float32)
    output_bits = 4 if number < 1 else 0
    program = program_of(operator, 2, f"ap_fixed<16,{16 - output_bits},{rounding},AP_SAT>", "ap_fixed<12,8>")
    assert check(program, x) is None
    monkeypatch.setattr(functions, "error_of", lambda reals, quantizer, absolute: -1.0)
    assert check(program, x) is not None


@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("erfc", Pointwise(GELU(approximate=False))),
        ("erfc", Pointwise(Erf())),
        ("softplus", Pointwise(Softplus())),
        ("softplus", Pointwise(LogSigmoid())),
        ("mish", Pointwise(Mish())),
        ("gelu_by_tanh", Pointwise(GELU(approximate=True))),
    ],
    ids=str,
)
def test_an_interval_that_lies_beside_its_number_is_noticed(
    name: str, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.array([[-3.0, 2.5]], np.float32)
    program = program_of(operator, 2, "ap_fixed<120,40,AP_TRN,AP_SAT>")
    assert check(program, x) is None
    original = getattr(intervals, name)
    monkeypatch.setattr(intervals, name, lambda x: original(x) + mpmath.iv.mpf(2) ** -70)
    assert check(program, x) is not None


@pytest.mark.parametrize(
    "operator",
    [
        Pointwise(SiLU()),
        Pointwise(GELU(approximate=False)),
        Pointwise(GELU(approximate=True)),
        Pointwise(Softplus()),
        Pointwise(Sigmoid()),
        Pointwise(Erf()),
        Pointwise(ELU()),
        Pointwise(Mish()),
    ],
    ids=str,
)
def test_a_tail_that_is_too_narrow_is_noticed(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    x = every_code(operator)
    program = program_of(operator, x.shape[1], "ap_fixed<64,30,AP_TRN,AP_SAT>")
    monkeypatch.setattr(real_functions, "_above_exp", lambda a: Fraction(1, 1 << int(60 * a)))
    monkeypatch.setattr(functions, "error_of", lambda reals, quantizer, absolute: 1.0)
    assert check(program, x[:, ::16].repeat(16, axis=1)) is not None


@pytest.mark.parametrize("case", POSITIVE_CASES, ids=lambda case: case.name)
def test_functions_that_not_every_number_has(case: Case) -> None:
    x = inputs_of(case)
    for index, rounding in enumerate(Rounding):
        overflow = (Overflow.SATURATE, Overflow.UNBOUNDED, Overflow.SATURATE_SYMMETRIC)[index % 3]
        for word_length, fraction_bits in ((9, 3), (16, 7), (30, 20), (80, 60)):
            plan = uniform_plan(case.network, word_length, fraction_bits, rounding=rounding, overflow=overflow)
            assert check(lower_network(case.network, plan), x) is None
    for word_length in (8, 16, 24, 40):
        program = lower_network(case.network, plan_from_ranges(case.network, ranges_of(case), word_length))
        assert check(program, x) is None


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    ("operator", "number", "sentence"),
    [
        (Pointwise(Log()), 0.0, "it takes the logarithm of 0"),
        (Pointwise(Log()), -2.0, "it takes the logarithm of a negative number"),
        (Pointwise(Sqrt()), -2.0, "it takes the square root of a negative number"),
        (Pointwise(Reciprocal()), 0.0, "it takes the reciprocal of 0"),
        (Pointwise(Exp()), 5000.0, "it takes the exponential of a number above 4096"),
    ],
)
def test_a_number_without_a_value_names_its_site(
    operator: Operator, number: float, sentence: str, wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = alone(operator, 3)
    program = lower_network(case.network, uniform_plan(case.network, 20, 4))
    if wide:
        monkeypatch.setattr(simulator, "_on_torch", lambda *arguments: None)
    with pytest.raises(BittrueError, match=rf"^site node\.output: {sentence}.*; give its input a range"):
        Simulator(program).run(np.array([[1.0, number, 2.0]], np.float32))


def test_an_exponential_beyond_float64_is_computed_all_the_same() -> None:
    case = alone(Pointwise(Exp()), 2)
    program = lower_network(case.network, uniform_plan(case.network, 16, 4))
    assert check(program, np.array([[800.0, -3.0]], np.float32)) is None


# Rows


@pytest.mark.parametrize("fraction_bits", [-1500, 1030])
@pytest.mark.parametrize("operator", [LogSoftmax(), LayerNormalization(None, None, 0.25)], ids=["log softmax", "norm"])
def test_rows_with_a_far_binary_point(operator: Operator, fraction_bits: int) -> None:
    case = alone(operator, 4)
    word = f"ap_fixed<{max(fraction_bits, 0) + 8},{8 + max(-fraction_bits, 0)},AP_RND_CONV,AP_SAT>"
    for site in ("node.output", "image.output"):
        plan = uniform_plan(case.network, 8, 4, overrides=[Override(site, word)])
        assert check(lower_network(case.network, plan), inputs_of(case)) is None


def test_rows_of_many_numbers() -> None:
    """The mean of the distances' squares carries more roundings than any other number."""
    case = alone(LayerNormalization(None, None, 1e-5), 1000)
    program = lower_network(case.network, uniform_plan(case.network, 40, 34))
    assert check(program, np.random.default_rng(0).standard_normal((1, 1000)).astype(np.float32)) is None
