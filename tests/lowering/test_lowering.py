"""Lowering: exact types hold every code, refusals name the site, wide formats lead to the real network (section 3)."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bittrue.definition import Codes, interpret
from bittrue.definition.meaning import meaning
from bittrue.errors import ModelError, PlanError
from bittrue.fixed import quantize
from bittrue.lowering import LoweringContext, lower, lower_network
from bittrue.network import Network
from bittrue.operators import Convolution, Pointwise
from bittrue.operators.functions import float_function
from bittrue.plan import STUDY_OPTIONS, Override, PlanOptions, plan_from_ranges, study_plan, uniform_plan
from bittrue.program import Bounds, FixedNetwork, MultiplyAccumulate, ScaleOffset
from bittrue.simulation.simulator import Simulator
from cases import CASES, POSITIVE_CASES, Case, inputs_of
from float64_network import error_bounds, evaluate
from plans import AFFINE_EVERY_NODE, TABLE, ranges_of
from simulation.comparison import check, simulate

BY_NAME = {case.name: case for case in CASES}

# Types


def programs(case: Case) -> list[FixedNetwork]:
    ranges = ranges_of(case)
    plans = [
        plan_from_ranges(case.network, ranges, 8, per_channel=True),
        plan_from_ranges(case.network, ranges, 6, options=AFFINE_EVERY_NODE),
        uniform_plan(case.network, 6, 3),
        uniform_plan(case.network, 6, -1, options=AFFINE_EVERY_NODE),
        study_plan(case.network, 3),
    ]
    return [lower_network(case.network, plan) for plan in plans]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_codes_at_the_corners_of_the_input_stay_within_their_types(case: Case) -> None:
    random = np.random.default_rng(0)
    corners = random.choice([-(2.0**40), 0.0, 2.0**40], (64, *case.shape), p=[0.45, 0.1, 0.45]).astype(np.float32)
    for program in programs(case):
        if program.steps[0].type.low is None:
            corners = np.clip(corners, -1000, 1000)  # of the study, which bounds nothing
        _, seen = simulate(Simulator(program), corners)
        for step in program.steps:
            low, high = step.type.low, step.type.high
            codes = np.array(seen[step.name][1])
            assert low is None or codes.min() >= low, step
            assert high is None or codes.max() <= high, step


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_exact_type_is_the_exact_result_of_the_definition(case: Case) -> None:
    image = inputs_of(case)[0]
    for program in programs(case):
        defined = interpret(program, image.ravel().tolist())
        for step in program.steps[1:]:
            exact = meaning[type(step.instruction)](
                step.instruction, step, tuple(defined[name] for name in step.inputs)
            )
            assert step.exact.shape == step.type.shape
            if isinstance(exact, Codes):
                assert exact.fraction_bits == step.exact.fraction_bits, step
                low, high = step.exact.low, step.exact.high
                assert low is None or min(exact.codes) >= low, step
                assert high is None or max(exact.codes) <= high, step


def test_a_bound_on_a_sum_is_reached() -> None:
    case = BY_NAME["dense-wide"]
    program = programs(case)[2]
    step = program.by_name["dense"]
    assert isinstance(step.instruction, MultiplyAccumulate)
    image = program.steps[0].type
    assert image.low is not None
    assert image.high is not None
    columns = step.instruction.weight.T
    corners = np.concatenate(
        [np.where(columns > 0, image.high, image.low), np.where(columns > 0, image.low, image.high)]
    )
    exact = replace(step, quantizer=None, type=step.exact)
    _, seen = simulate(Simulator(replace(program, steps=(program.steps[0], exact))), corners.astype(np.float32) / 8)
    codes = np.array(seen["dense"][1])
    assert (codes.min(), codes.max()) == (step.exact.low, step.exact.high)


def test_a_bound_that_is_one_too_narrow_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = LoweringContext._code_type

    def narrow(self: LoweringContext, *arguments: Any) -> Any:
        kind = original(self, *arguments)
        return kind if kind.high is None else replace(kind, high=kind.high - 1)

    monkeypatch.setattr(LoweringContext, "_code_type", narrow)
    with pytest.raises(AssertionError):
        test_a_bound_on_a_sum_is_reached()


# Parameters


def test_layers_that_share_a_parameter_share_its_codes() -> None:
    case = BY_NAME["shared"]
    plan = uniform_plan(case.network, 8, 4, overrides=[Override("dense.weight", "ap_fixed<3,1>")])
    program = lower_network(case.network, plan)
    first, second = program.by_name["dense"].instruction, program.by_name["dense_2"].instruction
    assert isinstance(first, MultiplyAccumulate)
    assert isinstance(second, MultiplyAccumulate)
    assert first.weight is second.weight
    assert first.weight_fraction_bits == (2,)
    assert int(np.abs(first.weight).max()) <= 4
    assert program.parameter_overflows["dense.weight"] > 0


def test_weights_are_rounded_as_the_definition_rounds() -> None:
    """Per channel, each to its own binary point."""
    case = BY_NAME["conv-groups"]
    plan = plan_from_ranges(case.network, ranges_of(case), 5, per_channel=True)
    layer = lower_network(case.network, plan).by_name["conv"].instruction
    assert isinstance(layer, MultiplyAccumulate)
    operator = case.network.by_name["conv"].operator
    assert isinstance(operator, Convolution)
    quantizers = plan.sites["conv.weight"]
    assert isinstance(quantizers, tuple)
    assert len(set(layer.weight_fraction_bits)) > 1
    for channel, quantizer in enumerate(quantizers):
        assert layer.weight_fraction_bits[channel] == quantizer.format.fraction_bits
        values = operator.weight.value[..., channel].ravel().tolist()
        codes = [quantize(Fraction(value), quantizer) for value in values]
        assert layer.weight[..., channel].ravel().tolist() == codes


# Refusals


def lowered(name: str, *sites: str, options: PlanOptions = AFFINE_EVERY_NODE) -> FixedNetwork:
    case = BY_NAME[name]
    overrides = [Override.parse(site) for site in sites]
    return lower_network(case.network, uniform_plan(case.network, 8, 4, options=options, overrides=overrides))


@pytest.mark.parametrize(
    ("name", "sites", "options"),
    [
        ("dense", ["image.output=EXACT"], AFFINE_EVERY_NODE),
        ("sigmoid", ["node.output=EXACT"], AFFINE_EVERY_NODE),
        ("tanh", ["node.output=EXACT"], AFFINE_EVERY_NODE),
        ("softmax", ["node.output=EXACT"], AFFINE_EVERY_NODE),
        ("softmax", ["node.exp=EXACT"], TABLE),
        ("softmax", ["node.reciprocal=EXACT"], TABLE),
        ("norm", ["norm.output=EXACT"], STUDY_OPTIONS),
        ("norm", ["norm.scale=EXACT"], AFFINE_EVERY_NODE),
        ("norm", ["norm.offset=EXACT"], AFFINE_EVERY_NODE),
        ("global-average", ["node.output=EXACT"], AFFINE_EVERY_NODE),
        ("average-pooling-padded", ["node.output=EXACT"], AFFINE_EVERY_NODE),
    ],
)
def test_exact_is_refused_where_there_is_no_finite_code(name: str, sites: list[str], options: PlanOptions) -> None:
    site = sites[0].partition("=")[0]
    with pytest.raises(PlanError, match=rf"^site {site}: EXACT is impossible.* GUARD|^site {site}: .* or FLOAT\.$"):
        lowered(name, *sites, options=options)


def test_exact_averages_over_powers_of_two() -> None:
    assert lowered("global-average-of-eight", "node.output=EXACT").by_name["node"].type.fraction_bits == 4 + 3
    assert lowered("average-pooling", "node.output=EXACT").by_name["node"].type.fraction_bits == 4 + 2


@pytest.mark.parametrize(
    ("name", "sites"),
    [
        ("dense", ["image.output=ap_fixed<40,8>", "dense.weight=ap_fixed<30,2>"]),
        ("dense", ["dense.weight=ap_fixed<80,8> NEAREST_EVEN UNBOUNDED"]),
        ("norm", ["norm.scale=ap_fixed<90,10>"]),
        ("norm", ["image.output=ap_fixed<40,8>", "norm.scale=ap_fixed<30,4>"]),
        ("add", ["second.output=ap_fixed<62,3>"]),
        ("zero-padding", ["dense.output=EXACT", "image.output=ap_fixed<40,4>", "dense.weight=ap_fixed<33,3>"]),
    ],
)
def test_exact_results_wider_than_a_machine_integer(name: str, sites: list[str]) -> None:
    program = lowered(name, *sites)
    assert max(step.exact.high or 0 for step in program.steps) >= 1 << 62
    assert check(program, inputs_of(BY_NAME[name])) is None


def test_a_variance_that_is_rounded_below_minus_epsilon_is_refused() -> None:
    with pytest.raises(ModelError, match=r"^site norm\.variance: variance \+ epsilon is -\d.*fraction bits"):
        lowered("norm", "norm.variance=ap_fixed<1,1,AP_RND_INF,AP_WRAP>", options=STUDY_OPTIONS)


@pytest.mark.parametrize(
    ("sites", "named"),
    [
        (["node.exp=ap_fixed<8,1,AP_RND,AP_WRAP>"], "sum"),
        (["node.exp=ap_fixed<8,1,AP_RND,AP_SAT_ZERO>"], "sum"),
        (["node.sum=ap_fixed<8,8,AP_TRN,AP_SAT>", "node.exp=ap_ufixed<8,0,AP_RND,AP_SAT>"], "sum"),
        (["node.sum=ap_ufixed<6,2,AP_RND,AP_WRAP>"], "sum"),
        (["node.difference=ap_ufixed<6,2,AP_RND,AP_WRAP>"], "difference"),
    ],
)
def test_a_softmax_table_whose_sum_can_reach_zero_is_refused(sites: list[str], named: str) -> None:
    with pytest.raises(PlanError, match=rf"^site node\.{named}: "):
        lowered("softmax", *sites, options=TABLE)


def test_a_plan_for_another_network_is_refused() -> None:
    plan = uniform_plan(BY_NAME["dense"].network, 8, 4)
    with pytest.raises(PlanError, match="made for another network"):
        lower_network(BY_NAME["conv"].network, plan)


# Wide formats: with 24 more fraction bits everywhere the simulation approaches the float64 value of the network

WIDE_FRACTION_BITS = 2 + 24
WIDE_OPTIONS = (AFFINE_EVERY_NODE, STUDY_OPTIONS, TABLE)


def worst_excess(network: Network, images: np.ndarray, options: PlanOptions) -> float:
    """The largest error of any number of any node, in units of its derived bound; at most 1 where all is well."""
    plan = study_plan(network, WIDE_FRACTION_BITS, word_length=60, options=options)
    _, seen = simulate(Simulator(lower_network(network, plan)), images)
    worst = 0.0
    for index, image in enumerate(images):
        values = evaluate(network, image)
        bounds = error_bounds(network, values, 2.0 ** -(WIDE_FRACTION_BITS + 1))
        for node in network.nodes:
            fraction_bits, rows = seen[node.name]
            assert fraction_bits is not None
            got = np.ldexp(np.array(rows[index]), -fraction_bits).reshape(node.shape)
            worst = max(worst, float(np.abs(got - values[node.name]).max()) / bounds[node.name])
    return worst


def images_of(case: Case) -> np.ndarray:
    return np.random.default_rng(11).standard_normal((2, *case.shape)).astype(np.float32)


@pytest.mark.parametrize("case", [*CASES, *POSITIVE_CASES], ids=lambda case: case.name)
def test_wide_formats_approach_the_real_network(case: Case) -> None:
    for options in WIDE_OPTIONS:
        assert worst_excess(case.network, images_of(case), options) <= 1


def test_every_operator_is_among_the_cases() -> None:
    found = {type(node.operator.written) for case in (*CASES, *POSITIVE_CASES) for node in case.network.nodes}
    assert found == {*lower, *float_function} - {Pointwise}


def _wrong(name: str) -> Any:
    """A lowering that both witnesses follow, and that means something else than the network."""

    def finish(self: LoweringContext, instruction: Any, inputs: Sequence[str], *rest: Any) -> None:
        match instruction:
            case MultiplyAccumulate() if name == "weight's binary point":
                bits = tuple(bits + 1 for bits in instruction.weight_fraction_bits)
                instruction, rest = replace(instruction, weight_fraction_bits=bits), (rest[0] + 1, Bounds())
            case MultiplyAccumulate() if name == "bias's binary point" and instruction.bias is not None:
                instruction = replace(instruction, bias_fraction_bits=instruction.bias_fraction_bits + 1)
            case ScaleOffset() if name == "offset's sign":
                instruction = replace(instruction, offset=-instruction.offset)
            case _ if name == "window" and hasattr(instruction, "padding") and instruction.padding:
                instruction = replace(instruction, padding=tuple((b, a) for a, b in instruction.padding))
        _finish(self, instruction, inputs, *rest)

    return finish


_finish = LoweringContext.finish


@pytest.mark.parametrize(
    ("mistake", "case"),
    [
        ("weight's binary point", "dense"),
        ("bias's binary point", "conv"),
        ("offset's sign", "norm"),
        ("window", "conv-asymmetric"),
        ("window", "max-pooling"),
        ("window", "zero-padding"),
    ],
)
def test_a_mistake_that_both_witnesses_share_is_noticed(
    mistake: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoweringContext, "finish", _wrong(mistake))
    network, images = BY_NAME[case].network, images_of(BY_NAME[case])
    plan = study_plan(network, 5, options=AFFINE_EVERY_NODE)
    assert check(lower_network(network, plan), images) is None
    assert worst_excess(network, images, AFFINE_EVERY_NODE) > 1000
