"""Break the simulation, the lowering or a proof on purpose: the comparison with the definition must see it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bittrue.errors import KernelError
from bittrue.fixed import Rounding
from bittrue.lowering import lower, lower_network
from bittrue.network import Parameter
from bittrue.operators import BatchNormalization, Convolution, Dense
from bittrue.plan import STUDY_OPTIONS, Override, uniform_plan
from bittrue.program import Bypass, FixedNetwork, MultiplyAccumulate, Quantize, Step
from bittrue.rules import RuleTable
from bittrue.simulation import carrier, requantization, simulator
from bittrue.simulation.batch_normalization import _BatchNormKernel
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.simulator import Simulator, prove
from bittrue.simulation.sums import choice, integer_units, products
from bittrue.simulation.values import Codes, Result
from cases import CASES, Case, Draft, inputs_of
from plans import AFFINE_EVERY_NODE
from simulation.comparison import check, simulate

pytestmark = pytest.mark.usefixtures("on_torch")

BY_NAME = {case.name: case for case in CASES}


def program_of(case: Case, word_length: int = 9, fraction_bits: int = 5, **modes: Any) -> FixedNetwork:
    modes.setdefault("options", AFFINE_EVERY_NODE)
    return lower_network(case.network, uniform_plan(case.network, word_length, fraction_bits, **modes))


def replace_rule(monkeypatch: pytest.MonkeyPatch, table: RuleTable[Any], cls: type, rule: object) -> None:
    monkeypatch.setitem(table._rules, cls, rule)


BY_THE_ENGINE = {Quantize, Bypass}  # the next test, and test_float_sites


@pytest.mark.parametrize("instruction", sorted(set(kernel) - BY_THE_ENGINE, key=str), ids=lambda cls: cls.__name__)
def test_one_bit_in_one_kernel(instruction: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """+1 in the last bit of one number, in every kernel that has codes to give."""
    programs = [program_of(case) for case in CASES]
    table = [Override("*.exp", "ap_fixed<9,2>")]
    options = replace(AFFINE_EVERY_NODE, softmax="table")
    programs.append(program_of(BY_NAME["softmax"], options=options, overrides=table))
    programs.append(program_of(BY_NAME["norm"], options=STUDY_OPTIONS))
    options = replace(AFFINE_EVERY_NODE, layer_norm="table")
    programs.append(program_of(BY_NAME["layer-norm"], options=options))
    rule = kernel[instruction]

    def off_by_one(node: object, step: Step, types: tuple[Any, ...]) -> Kernel:
        compute = rule(node, step, types)

        def wrong(inputs: tuple[Codes, ...]) -> Result:
            result = compute(inputs)
            tensor = result.tensor.clone()
            # A whole unit of the output, which no rounding hides.
            exact, rounded = step.exact.fraction_bits, step.type.fraction_bits
            shift = 0 if result.rounded or exact is None or rounded is None else max(exact - rounded, 0)
            tensor[(0,) * tensor.dim()] += 1 << shift
            return replace(result, tensor=tensor, low=result.low - (1 << shift), high=result.high + (1 << shift))

        return wrong

    replace_rule(monkeypatch, kernel, instruction, off_by_one)
    cases = [*CASES, BY_NAME["softmax"], BY_NAME["norm"], BY_NAME["layer-norm"]]
    used = [
        (case, program)
        for case, program in zip(cases, programs, strict=True)
        if any(isinstance(step.instruction, instruction) for step in program.steps)
    ]
    assert used
    assert all(check(program, inputs_of(case)[:2]) is not None for case, program in used[:3])


def test_one_bit_in_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    original = requantization.quantize_reals

    def off_by_one(*arguments: Any) -> tuple[Codes, int]:
        codes, outside = original(*arguments)
        assert isinstance(codes, Codes)
        return replace(codes, tensor=codes.tensor + 1, high=codes.high + 1), outside

    monkeypatch.setattr(simulator, "quantize_reals", off_by_one)
    assert check(program_of(BY_NAME["relu-alone"]), inputs_of(BY_NAME["relu-alone"])) is not None


@pytest.mark.parametrize("when", ["at once", "at the end"])
def test_a_weight_written_over(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the simulation reads it, and where nothing reads it any more."""
    rule = kernel[MultiplyAccumulate]

    def writing(node: MultiplyAccumulate, step: Step, types: tuple[Any, ...]) -> Kernel:
        compute = rule(node, step, types)

        def compute_and_write(inputs: tuple[Codes, ...]) -> Result:
            if when == "at once":
                node.weight[..., 0] += 1
            result = compute(inputs)
            if when == "at the end":
                node.weight[..., 0] += 1
            return result

        return compute_and_write

    replace_rule(monkeypatch, kernel, MultiplyAccumulate, writing)
    found = check(program_of(BY_NAME["dense"]), inputs_of(BY_NAME["dense"]))
    assert found == "the simulation wrote into its program or its images"


def test_an_overflow_that_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requantization, "count_overflows", lambda codes, quantizer: 0)
    found = check(program_of(BY_NAME["relu-alone"], 4, 3), inputs_of(BY_NAME["relu-alone"]))
    assert found is not None
    assert found.startswith("overflows")


def _odd_sums(draft: Draft) -> None:
    """Sums of 25 bits with odd partial sums, which float32 can't hold."""
    weight = np.where(np.arange(67) % 2, 255.0, 253.0).astype(np.float32)
    draft.add("dense", Dense(Parameter("dense.weight", weight[:, np.newaxis]), None))


ODD_SUMS = Case("odd sums", (67,), _odd_sums)


def odd_sums() -> tuple[FixedNetwork, np.ndarray]:
    wide = [Override("image.output", "ap_fixed<12,12,AP_RND_CONV,AP_SAT>"), Override("dense.weight", "ap_ufixed<8,8>")]
    program = program_of(ODD_SUMS, 40, 0, overrides=wide)
    return program, np.stack([np.full(67, 2047.0), np.arange(67) + 1981.0]).astype(np.float32)


def widen_float32(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    """Carrier.FLOAT32 with another number of bits, wherever the limit is looked up."""
    monkeypatch.setattr(Carrier.FLOAT32, "_value_", ("float32", bits))


def test_the_limit_of_float32_is_where_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    program, x = odd_sums()
    assert check(program, x) is None
    widen_float32(monkeypatch, 26)
    assert carrier.carrier_for(1 << 25, "this test") is Carrier.FLOAT32
    assert check(program, x) is not None


@pytest.mark.parametrize(("largest", "expected"), [((1 << 24) - 1, Carrier.FLOAT32), (1 << 24, Carrier.FLOAT64)])
def test_the_limits_are_strict(largest: int, expected: Carrier) -> None:
    assert carrier.carrier_for(largest, "this test") is expected


@pytest.fixture
def channel_groups(monkeypatch: pytest.MonkeyPatch) -> tuple[FixedNetwork, np.ndarray]:
    """A convolution that is summed in channel groups on float32, as on a machine without integer units."""
    monkeypatch.setattr(integer_units, "available", lambda: False)

    def extend(draft: Draft) -> None:
        draft.convolution("conv", (3, 3), 2, padding=((1, 1), (1, 1)))

    case = Case("channel groups", (3, 3, 32), extend)
    wide = [Override("image.output", "ap_fixed<12,12,AP_RND_CONV,AP_SAT>"), Override("conv.weight", "ap_fixed<8,1>")]
    program = program_of(case, 40, 7, overrides=wide)
    x = np.random.default_rng(0).integers(-2047, 2048, (2, *case.shape)).astype(np.float32)
    assert "channel groups" in prove(program, {})[-1].strategy
    return program, x


@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.FLOOR])
def test_channel_groups_have_the_bits_of_one_sum(
    rounding: Rounding, channel_groups: tuple[FixedNetwork, np.ndarray]
) -> None:
    program, x = channel_groups
    last = program.steps[-1]
    assert last.quantizer is not None
    quantizer = replace(last.quantizer, rounding=rounding, format=replace(last.quantizer.format, fraction_bits=3))
    changed = replace(last, quantizer=quantizer, type=replace(last.type, fraction_bits=3, low=None, high=None))
    assert check(replace(program, steps=(*program.steps[:-1], changed)), x) is None


def test_channel_groups_that_miss_a_channel(
    monkeypatch: pytest.MonkeyPatch, channel_groups: tuple[FixedNetwork, np.ndarray]
) -> None:
    program, x = channel_groups
    original = choice.channel_groups

    def one_short(reach: np.ndarray) -> tuple[tuple[int, int], ...] | None:
        groups = original(reach)
        return None if groups is None else ((groups[0][0], groups[0][1] - 1), *groups[1:])

    monkeypatch.setattr(choice, "channel_groups", one_short)
    with pytest.raises(KernelError, match="conv: the kernel"):
        check(program, x)
    monkeypatch.setattr(products, "check_kernel", lambda *arguments: None)
    assert check(program, x) is not None


def test_channel_groups_as_wide_as_they_may_not_be(
    monkeypatch: pytest.MonkeyPatch, channel_groups: tuple[FixedNetwork, np.ndarray]
) -> None:
    """All channels at once on float32: the groups are needed."""
    program, x = channel_groups
    x = np.full_like(x, 2047.0)
    monkeypatch.setattr(choice, "channel_groups", lambda reach: ((0, reach.shape[1]),))
    step = program.by_name["conv"]
    layer = step.instruction
    assert isinstance(layer, MultiplyAccumulate)
    largest = replace(layer, weight=np.full_like(layer.weight, 127))
    changed = replace(step, instruction=largest, type=replace(step.type, low=None, high=None))
    wide = replace(program, steps=(*program.steps[:-1], changed))
    with pytest.raises(KernelError, match="conv: the kernel"):
        check(wide, x)
    monkeypatch.setattr(products, "check_kernel", lambda *arguments: None)
    assert check(wide, x) is not None


def tied_norm() -> tuple[Case, FixedNetwork, np.ndarray]:
    """γ/√(σ²+ε) = ½ exactly, so that every odd code is a tie: the float64 result alone decides none of them."""

    def parameter(name: str, value: float) -> Parameter:
        return Parameter(f"norm.{name}", np.array([value], np.float32))

    def extend(draft: Draft) -> None:
        numbers = {"gamma": 1.0, "beta": 0.0, "mean": 0.0, "variance": 3.75}
        gamma, beta, mean, variance = (parameter(name, value) for name, value in numbers.items())
        draft.add("norm", BatchNormalization(gamma, beta, mean, variance, 0.25))

    case = Case("tied norm", (1,), extend)
    x = np.arange(-64, 64, dtype=np.float32)[:, np.newaxis] / 4
    return case, program_of(case, 8, 2, options=STUDY_OPTIONS, rounding=Rounding.NEAREST_UP), x


def test_ties_of_a_batch_normalization_are_decided_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    _, program, x = tied_norm()
    assert check(program, x) is None
    monkeypatch.setattr(_BatchNormKernel, "_covers", lambda self, low, high: True)
    assert check(program, x) is not None


def test_a_dropped_bias_in_the_lowering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both witnesses follow the same program, so each network is compared with its program from before."""
    for cls, name in ((Convolution, "conv"), (Dense, "dense")):
        rule = lower[cls]
        case = BY_NAME[name]
        before = program_of(case)
        with monkeypatch.context() as patch:
            replace_rule(
                patch, lower, cls, lambda operator, context, rule=rule: rule(replace(operator, bias=None), context)
            )
            _, seen = simulate(Simulator(program_of(case)), inputs_of(case))
        _, expected = simulate(Simulator(before), inputs_of(case))
        assert seen != expected
