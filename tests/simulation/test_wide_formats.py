"""Words of 24 to 100 bits: sums and products beyond every machine integer have the definition's bits (B14)."""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from analysis.networks import convolutional, random_images
from bittrue.analysis.simulate import simulate
from bittrue.analysis.verify import verify
from bittrue.cli.app import app
from bittrue.definition import Codes as DefinedCodes
from bittrue.definition import interpret, interpret_step
from bittrue.errors import BittrueError, CarrierError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, integers, reference
from bittrue.fixed.arrays import quantize_array
from bittrue.fixed.dyadic import exact_codes
from bittrue.lowering import lower_network, quantized_type
from bittrue.network import Parameter
from bittrue.operators import Convolution, Dense, LayerNormalization, Pointwise, Softmax
from bittrue.plan import STUDY_OPTIONS, Override, Plan, PlanOptions, plan_from_ranges, uniform_plan
from bittrue.program import Add, Below, Bounds, Clip, CodeType, FixedNetwork, Instruction, ScaleOffset, Step
from bittrue.program.functions import Tanh
from bittrue.simulation import wide
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.simulator import Simulator, prove
from bittrue.simulation.values import Codes, Value, WideCodes
from cases import CASES, Case, Draft, inputs_of
from plans import AFFINE_EVERY_NODE, RAW_FUSED, ranges_of
from simulation.comparison import check

BY_NAME = {case.name: case for case in CASES}


def hardware(case: Case, word_length: int, **choices: Any) -> Plan:
    return plan_from_ranges(case.network, ranges_of(case), word_length, **choices)


PLANS: dict[str, Callable[[Case], Plan]] = {
    "24 bits, affine, every node": lambda case: hardware(case, 24, options=AFFINE_EVERY_NODE, per_channel=True),
    "32 bits, raw, every node": lambda case: hardware(case, 32, options=STUDY_OPTIONS),
    "32 bits, wrapped": lambda case: hardware(case, 32, overflow=Overflow.WRAP, rounding=Rounding.FLOOR),
    "48 bits, affine, fused": lambda case: hardware(case, 48, per_channel=True),
    "48 bits, raw, fused": lambda case: hardware(case, 48, options=RAW_FUSED, rounding=Rounding.NEAREST_AWAY),
    "70 bits, unbounded": lambda case: uniform_plan(case.network, 70, 50, overflow=Overflow.UNBOUNDED),
    "40 bits, guarded": lambda case: uniform_plan(case.network, 40, 30, overrides=(Override("*.output", "GUARD"),)),
    "softmax table": lambda case: uniform_plan(case.network, 44, 30, options=PlanOptions(softmax="table")),
    "norm table": lambda case: uniform_plan(case.network, 44, 30, options=PlanOptions(layer_norm="table")),
    "accumulators": lambda case: uniform_plan(
        case.network, 48, 40, options=AFFINE_EVERY_NODE, overrides=(Override("*.accumulator", "ap_fixed<90,20>"),)
    ),
}


@pytest.fixture
def python_integers_alone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """NumPy's integers would overflow in silence: none may be among the numbers. Yields the steps that were seen."""
    steps: list[str] = []
    finish = wide.finish

    def checked(numbers: np.ndarray, step: Step, *, rounded: bool) -> tuple[Value, int]:
        assert {type(number) for number in numbers.ravel().tolist()} == {int}
        steps.append(step.name)
        return finish(numbers, step, rounded=rounded)

    monkeypatch.setattr(wide, "finish", checked)
    return steps


def _parameters(program: FixedNetwork) -> list[list[Any]]:
    return [_arrays(step.instruction) for step in program.steps]


def _arrays(part: object) -> list[Any]:
    """The arrays of an instruction and its parts, as lists."""
    if isinstance(part, np.ndarray):
        return [part.tolist()]
    if not is_dataclass(part):
        return []
    return [array for entry in fields(part) for array in _arrays(getattr(part, entry.name))]


def applies(plan: str, case: Case) -> bool:
    needed = {"softmax table": (Softmax,), "norm table": (LayerNormalization,), "accumulators": (Dense, Convolution)}
    return case.has(*needed[plan]) if plan in needed else True


@pytest.mark.parametrize(
    ("plan", "case"),
    [(plan, case) for plan in PLANS for case in CASES if applies(plan, case)],
    ids=lambda part: part if isinstance(part, str) else part.name,
)
def test_every_instruction_on_wide_words(plan: str, case: Case, python_integers_alone: list[str]) -> None:
    program = lower_network(case.network, PLANS[plan](case))
    parameters = _parameters(program)
    assert check(program, inputs_of(case, images=1)) is None
    # Both witnesses read the same arrays, so that neither sees what the other has changed in them.
    assert _parameters(program) == parameters
    proof = prove(program, {})
    assert all(layer.margin_bits > 0 and layer.exact for layer in proof)
    proven = {layer.node for layer in proof if layer.strategy.startswith(Carrier.PYTHON.label)}
    ends = {step.name: (step.exact.low, step.exact.high) for step in program.steps}
    wide_sums = {name for name, (low, high) in ends.items() if None not in (low, high) and max(-low, high) >> 64}
    assert wide_sums <= proven


def test_the_proof_says_which_sums_are_in_python_integers() -> None:
    program = lower_network(BY_NAME["whole"].network, hardware(BY_NAME["whole"], 32))
    strategies = {layer.node: layer.strategy for layer in prove(program, {})}
    assert {node for node, strategy in strategies.items() if strategy == "Python integers"} == {
        "conv",
        "relu",
        "norm",
        "dense",
    }
    (conv,) = (layer for layer in prove(program, {}) if layer.node == "conv")
    assert 63 < conv.bound_bits < 80
    assert conv.bound_bits + conv.margin_bits == 4096


# Rules on codes of any size

WIDE_CODES = st.lists(st.integers(-(1 << 130), 1 << 130), min_size=6, max_size=6)
QUANTIZERS = st.builds(
    Quantizer,
    st.builds(FixedFormat, st.booleans(), st.integers(1, 140), st.integers(-20, 60)),
    st.sampled_from(Rounding),
    st.sampled_from(Overflow),
)


@given(codes=WIDE_CODES, fraction_bits=st.integers(-30, 90), quantizer=QUANTIZERS)
def test_rounding_and_overflow_of_python_integers(codes: list[int], fraction_bits: int, quantizer: Quantizer) -> None:
    # Ties, too: they are rare among random numbers.
    shift = max(fraction_bits - quantizer.format.fraction_bits, 1)
    codes = [*codes, *(((code >> shift) << shift) + (1 << shift - 1) for code in codes)]
    rounded = integers.round_shift(
        np.array(codes, object), fraction_bits - quantizer.format.fraction_bits, quantizer.rounding
    )
    expected = [
        reference.round_to_code(
            reference.decode(code, fraction_bits), quantizer.format.fraction_bits, quantizer.rounding
        )
        for code in codes
    ]
    assert rounded.tolist() == expected
    assert integers.count_overflows(rounded, quantizer) == sum(reference.overflows(c, quantizer) for c in expected)
    limited = integers.apply_overflow(rounded, quantizer).tolist()
    assert limited == [reference.overflow_code(code, quantizer) for code in expected]
    assert {type(code) for code in limited} == {int}


@given(
    values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
    fraction_bits=st.integers(-1200, 1200),
    rounding=st.sampled_from(Rounding),
)
def test_reals_of_every_size(values: list[float], fraction_bits: int, rounding: Rounding) -> None:
    codes = integers.quantize_reals(np.array(values), fraction_bits, rounding)
    assert codes.tolist() == [reference.round_to_code(Fraction(value), fraction_bits, rounding) for value in values]


def _difference(
    instruction: Instruction, bits: int, sources: list[tuple[list[int], int]], quantizer: Quantizer
) -> str | None:
    """Where an instruction's wide rule differs from the definition; sources: codes of shape (3, 2), and their F."""
    exact = CodeType((3, 2), bits)
    step = Step("y", "y.output", instruction, ("x",), exact, quantizer, quantized_type((3, 2), quantizer, Bounds()))
    types = tuple(CodeType((3, 2), fraction_bits) for _, fraction_bits in sources)
    inputs = tuple(np.array(codes, object).reshape(1, 3, 2) for codes, _ in sources)
    result = wide.wide_kernel[type(instruction)](instruction, step, types)(inputs)
    got, overflows = wide.finish(result.numbers, step, rounded=False)
    defined = [DefinedCodes((3, 2), fraction_bits, codes) for codes, fraction_bits in sources]
    expected = interpret_step(step, defined)
    same = got.rows() == [expected.codes] and overflows == expected.overflows
    return None if same else f"{got.rows()}, {overflows}, not {expected}"


@given(sources=st.lists(st.tuples(WIDE_CODES, st.integers(-20, 60)), min_size=1, max_size=4), quantizer=QUANTIZERS)
def test_add_of_any_codes(sources: list[tuple[list[int], int]], quantizer: Quantizer) -> None:
    assert _difference(Add(), max(bits for _, bits in sources), sources, quantizer) is None


BOUNDS = st.none() | st.integers(-(1 << 90), 1 << 90).map(lambda code: Fraction(code, 1 << 9))


@given(codes=WIDE_CODES, bits=st.integers(-20, 60), low=BOUNDS, high=BOUNDS, quantizer=QUANTIZERS)
def test_clip_of_any_codes(
    codes: list[int], bits: int, low: Fraction | None, high: Fraction | None, quantizer: Quantizer
) -> None:
    if low is not None and high is not None and low > high:
        low, high = high, low
    finest = max([bits, *(bound.denominator.bit_length() - 1 for bound in (low, high) if bound is not None)])
    assert _difference(Clip(low, high), finest, [(codes, bits)], quantizer) is None


PAIRS = st.lists(st.integers(-(1 << 90), 1 << 90), min_size=2, max_size=2).map(lambda codes: np.array(codes, object))


@given(
    codes=WIDE_CODES,
    parameters=st.tuples(PAIRS, PAIRS, PAIRS, PAIRS),
    bits=st.tuples(st.integers(-20, 60), st.integers(-20, 60), st.integers(-20, 60)),
    threshold=st.none() | st.fractions(-(1 << 99), 1 << 99, max_denominator=99),
    quantizer=QUANTIZERS,
)
def test_scale_offset_of_any_codes(
    codes: list[int],
    parameters: tuple[np.ndarray, ...],
    bits: tuple[int, int, int],
    threshold: Fraction | None,
    quantizer: Quantizer,
) -> None:
    source, scale, offset = bits
    below = None if threshold is None else Below(threshold, *parameters[2:])
    instruction = ScaleOffset(parameters[0], scale, parameters[1], offset, below)
    assert _difference(instruction, max(source + scale, offset), [(codes, source)], quantizer) is None


# Parameters


@pytest.mark.parametrize("word_length", [61, 62, 63, 64, 65, 130])
@pytest.mark.parametrize("overflow", [Overflow.SATURATE, Overflow.WRAP, Overflow.UNBOUNDED])
def test_parameters_of_any_width(word_length: int, overflow: Overflow) -> None:
    values = np.random.default_rng(word_length).standard_normal((5, 4)).astype(np.float32) * 2
    values[0, 0] = 1e30
    quantizers = [
        Quantizer(FixedFormat(True, word_length - 8 * channel, word_length - 2), Rounding.FLOOR, overflow)
        for channel in range(4)
    ]
    for chosen in (quantizers[:1], quantizers):
        codes, outside = quantize_array(values, chosen)
        of_channel = chosen * (4 // len(chosen))
        rounded = [
            [reference.round_to_code(Fraction(x), q.format.fraction_bits, q.rounding) for x in column]
            for column, q in zip(values.T.tolist(), of_channel, strict=True)
        ]
        pairs = list(zip(rounded, of_channel, strict=True))
        assert codes.T.tolist() == [[reference.overflow_code(code, q) for code in row] for row, q in pairs]
        assert outside == sum(reference.overflows(code, q) for row, q in pairs for code in row)


@pytest.mark.parametrize("smallest", [0.0, 2.0**-60, 1.5 * 2.0**-140, 2.0**-149])
def test_exact_parameters_of_any_width(smallest: float) -> None:
    values = np.array([[1.75, -3.0e5], [smallest, 0.0]], np.float32)
    codes, bits = exact_codes(values)
    in_order = codes.ravel().tolist()
    assert [code * Fraction(2) ** -bits for code in in_order] == [Fraction(x) for x in values.ravel().tolist()]
    assert smallest == 0 or any(code % 2 for code in codes.ravel().tolist())
    assert codes.dtype == (np.int64 if smallest == 0 else object)


@pytest.mark.parametrize("name", ["conv-groups", "conv-no-bias", "dense", "dense-no-bias", "norm", "leaky-relu"])
def test_parameters_that_int64_does_not_hold(name: str) -> None:
    case = BY_NAME[name]
    overrides = [Override(f"*.{role}", "ap_fixed<90,8>") for role in ("weight", "bias", "scale", "offset", "slope")]
    known = [override for override in overrides if any(site.endswith(override.pattern[1:]) for site in _sites(case))]
    plan = uniform_plan(case.network, 12, 6, options=AFFINE_EVERY_NODE, overrides=known)
    program = lower_network(case.network, plan)
    assert check(program, inputs_of(case)) is None
    assert check(program, np.zeros((2, *case.shape), np.float32)) is None
    assert [layer.strategy for layer in prove(program, {})].count("Python integers") >= 1


def _sites(case: Case) -> list[str]:
    return list(uniform_plan(case.network, 12, 6, options=AFFINE_EVERY_NODE).sites)


# Canaries and refusals


def _large_sum(draft: Draft) -> None:
    draft.add("dense", Dense(Parameter("dense.weight", np.full((2, 1), 2.0**30, np.float32)), None))


LARGE_SUM = Case("large sum", (2,), _large_sum)


def large_sum() -> tuple[FixedNetwork, np.ndarray]:
    """2^63 in the sum of two products, each of which int64 holds."""
    overrides = [Override("dense.output", "EXACT"), Override("image.output", "ap_ufixed<33,33>")]
    plan = uniform_plan(LARGE_SUM.network, 33, 0, options=PlanOptions(), overrides=overrides)
    return lower_network(LARGE_SUM.network, plan), np.full((2, 2), 2.0**32, np.float32)


def test_the_limit_of_int64_two_bits_too_high_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    program, x = large_sum()
    assert check(program, x) is None
    assert Simulator(program).run(x).outputs.tolist() == [[2.0**63]] * 2
    monkeypatch.setattr(Carrier.INT64, "_value_", ("int64", 64))
    assert carrier_for(1 << 63, "this test") is Carrier.INT64
    assert check(program, x) is not None


def test_a_refused_batch_leaves_the_layout_of_the_next_one_right(monkeypatch: pytest.MonkeyPatch) -> None:
    program, x = large_sum()
    simulator = Simulator(program)
    outputs = [simulator.run(scale * x).outputs[0, 0] for scale in (2.0**-32, 1.0, 1.0, 0.5, 2.0**-32)]
    assert outputs == [2.0**31, 2.0**63, 2.0**63, 2.0**62, 2.0**31]


def test_codes_return_to_torch_where_they_fit() -> None:
    program, x = large_sum()
    seen: list[Value] = []
    Simulator(program).run(x, lambda step, codes: seen.append(codes))
    assert [type(codes) for codes in seen] == [Codes, WideCodes]
    seen.clear()
    Simulator(program).run(x / 2**20, lambda step, codes: seen.append(codes))
    assert [codes.tensor.dtype for codes in seen if isinstance(codes, Codes)] == [torch.float32, torch.float64]


def test_what_is_longer_than_the_longest_word_is_refused() -> None:
    case = BY_NAME["dense"]
    overrides = [Override("image.output", "ap_fixed<2100,8>"), Override("dense.weight", "ap_fixed<2100,2>")]
    with pytest.raises(CarrierError, match=r"^site dense\.output: .* can need 42\d\d bits, more than the 4096"):
        lower_network(case.network, uniform_plan(case.network, 8, 4, options=PlanOptions(), overrides=overrides))
    unbounded = Override("image.output", "ap_fixed<4096,0> NEAREST_EVEN UNBOUNDED")
    program = lower_network(case.network, uniform_plan(case.network, 8, 4, overrides=[unbounded]))
    with pytest.raises(CarrierError, match=r"^the input: its numbers can need 41\d\d bits, more than the 4097"):
        Simulator(program).run(np.full((1, 7), 2.0**20, np.float32))


def test_float_after_wide_codes() -> None:
    case = Case("float after wide", (3,), lambda draft: (draft.dense("dense", 2), draft.add("tanh", Pointwise(Tanh()))))
    overrides = [Override("dense.output", "EXACT"), Override("tanh.output", "FLOAT")]
    plan = uniform_plan(case.network, 64, 48, options=PlanOptions(), overrides=overrides)
    program = lower_network(case.network, plan)
    x = inputs_of(case)[:2]
    result = Simulator(program).run(x)
    for image, outputs in zip(x, result.outputs, strict=True):
        dense = interpret(program, image.tolist())["dense"]
        assert max(map(abs, dense.codes)) >> 62
        values = np.array([code / (1 << dense.binary_point) for code in dense.codes], np.float32)
        np.testing.assert_array_equal(outputs, torch.tanh(torch.from_numpy(values)).double().numpy())


# Files, verification and the command


def test_the_files_of_wide_nodes_hold_words(tmp_path: Path) -> None:
    network, dataset = convolutional(ends="logits"), random_images(tmp_path, 3)
    plan = uniform_plan(network, 40, 30, options=PlanOptions())
    assert verify(network, plan, dataset).mismatches == 0
    simulate(network, plan, dataset, out=tmp_path / "out", nodes=True)
    program = lower_network(network, plan)
    described = json.loads((tmp_path / "out" / "nodes.json").read_text())
    assert described["conv"] == {"fraction_bits": 60, "words": 2}
    assert described["pool"] == {"fraction_bits": 30}
    (batch,) = dataset.batches(3)
    for image, x in enumerate(batch.x):
        defined = interpret(program, x.tolist())
        for node in network.nodes:
            array = np.load(tmp_path / "out" / "nodes" / f"{node.name}.npy")[image]
            if "words" in described[node.name]:
                words = described[node.name]["words"]
                numbers = sum(array[..., index].astype(object) << 64 * index for index in range(words))
                array = np.where(numbers >> 64 * words - 1, numbers - (1 << 64 * words), numbers)
            assert array.ravel().tolist() == defined[node.name].codes


def test_an_unbounded_node_of_more_than_a_word_is_refused_by_name(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path, 1)
    plan = uniform_plan(network, 8, 70, overflow=Overflow.UNBOUNDED)
    with pytest.raises(BittrueError, match=r"^site image\.output: nothing bounds its codes.* give it a format"):
        simulate(network, plan, dataset, out=tmp_path / "out", nodes=True)


def test_a_sweep_up_to_32_bits() -> None:
    model = Path(__file__).parents[2] / "src" / "bittrue" / "cli" / "data" / "digits.keras"
    command = ["sweep", str(model), "--data", "digits", "--word-length", "20:32", "--images", "20", "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    rows = json.loads(result.stdout)["rows"]
    assert [row["name"] for row in rows] == ["float", *(f"W={bits}" for bits in range(20, 33))]
    assert all(row["exact"] for row in rows[1:])
    assert {row["correct"] for row in rows} == {rows[0]["correct"]}
