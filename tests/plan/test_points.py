"""Binary points by range and by least squares, for whole recipes and for a word length alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.networks import chain
from bittrue.analysis.ranges import StreamingHistogram
from bittrue.errors import FormatError, PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, decode, quantize
from bittrue.fixed.squared_error import clipping_error, squared_error
from bittrue.network import Network, Parameter
from bittrue.operators import Dense, Input
from bittrue.plan import (
    Override,
    Plan,
    Ranges,
    SiteRange,
    WordLengths,
    fraction_bits_for,
    least_squares,
    plan_from_ranges,
    sites_of,
    study_plan,
)
from bittrue.plan.least_squares import fraction_bits_of_octaves, fraction_bits_of_values
from cases import CASES
from plans import ranges_of

WHOLE = next(case for case in CASES if case.name == "whole")


def covering(values: np.ndarray, word_length: int, rounding: Rounding, overflow: Overflow) -> Quantizer:
    low, high = float(values.min()), float(values.max())
    bits = fraction_bits_for(low, high, word_length, low < 0, overflow)
    return Quantizer(FixedFormat(low < 0, word_length, bits), rounding, overflow)


def definition_of_error(values: np.ndarray, quantizer: Quantizer) -> float:
    """By the definition, value by value."""
    exact = [float(value).as_integer_ratio() for value in values]
    fractions = [type(quantizer.format.resolution)(*ratio) for ratio in exact]
    got = [decode(quantize(value, quantizer), quantizer.format.fraction_bits) for value in fractions]
    return float(sum((a - b) ** 2 for a, b in zip(got, fractions, strict=True)))


def measured(values: np.ndarray) -> SiteRange:
    histogram = StreamingHistogram()
    histogram.add(torch.from_numpy(values.astype(np.float32)))
    return histogram.site_range()


weights = st.lists(
    st.floats(-100, 100, width=32).filter(lambda value: value == 0 or abs(value) > 1e-3), min_size=1, max_size=12
).map(lambda numbers: np.array(numbers, np.float32))


@settings(max_examples=60)
@given(
    weights,
    st.integers(1, 6),
    st.sampled_from(Rounding),
    st.sampled_from([Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC, Overflow.WRAP, Overflow.SATURATE_ZERO]),
)
def test_no_other_binary_point_has_a_smaller_error(
    values: np.ndarray, word_length: int, rounding: Rounding, overflow: Overflow
) -> None:
    widest = covering(values, word_length, rounding, overflow)
    found = fraction_bits_of_values(values, widest)
    errors = {
        bits: definition_of_error(
            values, Quantizer(FixedFormat(widest.format.signed, word_length, bits), rounding, overflow)
        )
        for bits in {found, *range(widest.format.fraction_bits - 2, widest.format.fraction_bits + word_length + 12)}
    }
    assert errors[found] <= min(errors.values()) * (1 + 1e-9)


@settings(max_examples=60)
@given(weights, st.integers(1, 60), st.integers(-20, 60), st.sampled_from(Rounding), st.sampled_from(Overflow))
def test_errors_are_those_of_the_definition(
    values: np.ndarray, word_length: int, bits: int, rounding: Rounding, overflow: Overflow
) -> None:
    quantizer = Quantizer(FixedFormat(True, word_length, bits), rounding, overflow)
    # An error is a float64 sum that ranks binary points; the definition's is a sum of fractions.
    assert squared_error(values, quantizer) == pytest.approx(
        definition_of_error(values, quantizer), rel=1e-6, abs=1e-25
    )
    saturating = Quantizer(FixedFormat(True, word_length, bits), rounding, Overflow.SATURATE)
    assert clipping_error(values, saturating) <= definition_of_error(values, saturating) * (1 + 1e-6) + 1e-25


def test_a_search_that_stops_at_the_range_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A canary."""
    monkeypatch.setattr(least_squares, "_least", lambda covering, *errors: covering.format.fraction_bits)
    with pytest.raises(AssertionError):
        test_no_other_binary_point_has_a_smaller_error()


RANDOM = np.random.default_rng(0)
SPREADS = {
    "normal": RANDOM.normal(0, 1, 40_000),
    "heavy tails": RANDOM.standard_t(2, 40_000),
    "after a ReLU": np.maximum(RANDOM.laplace(-1, 2, 40_000), 0),
    "uniform": RANDOM.uniform(-3, 5, 40_000),
    "one far outlier": np.append(RANDOM.normal(0, 1, 40_000), 300.0),
    "small": RANDOM.normal(0, 1e-4, 40_000),
}


@pytest.mark.parametrize("word_length", [3, 4, 6, 8, 12])
@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.TRUNCATE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", SPREADS)
def test_octaves_choose_as_the_values_themselves_do(name: str, word_length: int, rounding: Rounding) -> None:
    """Or as good a point: within 2 % of the least squared error."""
    values = SPREADS[name].astype(np.float32)
    widest = covering(values, word_length, rounding, Overflow.SATURATE)

    def error(bits: int) -> float:
        quantizer = Quantizer(FixedFormat(widest.format.signed, word_length, bits), rounding, Overflow.SATURATE)
        return squared_error(values, quantizer)

    found = fraction_bits_of_octaves(measured(values).octaves, widest)
    assert error(found) <= 1.02 * error(fraction_bits_of_values(values, widest))


def test_octaves_count_every_value_that_is_not_zero() -> None:
    values = np.array([-3.0, -0.75, 0, 0, 0.5, 0.6, 2, 3.5, -1], np.float32)
    octaves = measured(values).octaves
    counts = {(octave.negative, octave.exponent): octave.count for octave in octaves}
    # A bin holds its lower end, so that −1 is in the bin below it.
    assert counts == {(True, 1): 1, (True, -1): 2, (False, -1): 2, (False, 1): 2}
    # A value counts as the middle of its bin.
    assert sum(octave.total for octave in octaves) == pytest.approx(np.abs(values).sum(), rel=1e-2)
    assert sum(octave.squares for octave in octaves) == pytest.approx(np.square(values).sum(), rel=1e-2)
    assert SiteRange(0.0, 0.0, 5, 5, (), (5,)).octaves == measured(np.zeros(5)).octaves == ()


def dense(*weight: list[float]) -> Network:
    operator = Dense(Parameter("dense.weight", np.array(weight, np.float32)), None)
    return chain("dense", [("image", Input((len(weight),))), ("dense", operator)])


def ranges_for(network: Network, values: np.ndarray) -> Ranges:
    return Ranges(network.hash, {}, {f"{node.name}.output": measured(values) for node in network.nodes})


def test_least_squares_in_a_plan() -> None:
    """Weights of 0.07 in 4 bits beside one of 1, which is clipped; by itself a channel of 0.07 takes all bits."""
    network = dense([0.07] * 200, [0.07] * 199 + [1.0])
    ranges = ranges_for(network, SPREADS["heavy tails"])
    by_range, by_squares = (plan_from_ranges(network, ranges, 4, point=point) for point in ("range", "least-squares"))

    def bits(plan: Plan, site: str) -> int:
        spec = plan.sites[site]
        assert isinstance(spec, Quantizer)
        return spec.format.fraction_bits

    assert (bits(by_range, "dense.weight"), bits(by_squares, "dense.weight")) == (3, 4)
    assert bits(by_squares, "dense.output") > bits(by_range, "dense.output")
    channels = plan_from_ranges(network, ranges, 4, point="least-squares", per_channel=True).sites["dense.weight"]
    assert isinstance(channels, tuple)
    assert {quantizer.format.fraction_bits for quantizer in channels[:-1]} == {7}


def test_what_least_squares_can_not_do() -> None:
    network = dense([1.0], [2.0])
    old = Ranges(network.hash, {}, {f"{node.name}.output": SiteRange(-1, 3, 9, 0, (), (9,)) for node in network.nodes})
    with pytest.raises(PlanError, match="measure them again with `bittrue ranges`"):
        plan_from_ranges(network, old, 8, point="least-squares")
    with pytest.raises(PlanError, match="UNBOUNDED saturates nothing"):
        plan_from_ranges(network, old, 8, point="least-squares", overflow=Overflow.UNBOUNDED)
    with pytest.raises(PlanError, match="choose one of range, least-squares"):
        plan_from_ranges(network, old, 8, point="middle")  # type: ignore[arg-type]


def test_the_octaves_in_the_file() -> None:
    network = dense([1.0], [2.0])
    ranges = ranges_for(network, SPREADS["normal"])
    ranges = replace(ranges, data={"name": "x", "images": 1})
    assert Ranges.from_json(ranges.to_json(), "ranges.json") == ranges
    content = ranges.to_json()
    for site in content["sites"].values():
        del site["octaves"]
    assert Ranges.from_json(content, "ranges.json").sites["dense.output"].octaves == ()


# A word length alone


def lengths(plan: Plan, pattern: str) -> dict[str, object]:
    return {
        name: spec.format if isinstance(spec, Quantizer) else spec
        for name, spec in plan.sites.items()
        if name.endswith(pattern)
    }


def test_a_word_length_alone_gets_its_binary_point_from_the_values() -> None:
    ranges = ranges_of(WHOLE)
    whole = plan_from_ranges(WHOLE.network, ranges, 4)
    some = plan_from_ranges(WHOLE.network, ranges, 8, overrides=[Override.parse("*.weight=4")])
    assert lengths(some, ".weight") == lengths(whole, ".weight")
    assert lengths(some, ".output") == lengths(plan_from_ranges(WHOLE.network, ranges, 8), ".output")
    each = plan_from_ranges(WHOLE.network, ranges, 8, overrides=[Override.parse("*.weight = 4, per-channel")])
    assert lengths(each, ".weight") == lengths(plan_from_ranges(WHOLE.network, ranges, 4, per_channel=True), ".weight")


def test_a_word_length_alone_in_the_study() -> None:
    """Parameters bring their own values; of the others nothing is known."""
    plan = study_plan(WHOLE.network, 5, overrides=[Override.parse("*.weight=4")])
    hardware = plan_from_ranges(WHOLE.network, ranges_of(WHOLE), 4)
    assert lengths(plan, ".weight") == lengths(hardware, ".weight")
    with pytest.raises(PlanError, match=r"^site conv\.output: without ranges a word length says nothing") as error:
        study_plan(WHOLE.network, 5, overrides=[Override.parse("conv.output=4")])
    assert str(error.value).count("site conv.output") == 1


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("conv.accumulator=20", PlanError, r"^site conv\.accumulator: the binary point of an accumulator"),
        ("conv.bias=8,per-channel", PlanError, r"^site conv\.bias: only weights take one format"),
        ("conv.weight=0", FormatError, r"^site conv\.weight: A word length of 0 bits"),
        ("conv.weight=4,per-layer", FormatError, r"^site conv\.weight: "),
    ],
)
def test_word_lengths_that_say_nothing(text: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        plan_from_ranges(WHOLE.network, ranges_of(WHOLE), 8, overrides=[Override.parse(text)])


# Word lengths by kind of site


def test_word_lengths_by_kind() -> None:
    found = {
        site.role: WordLengths(4, 6, 10, 20).of(site)
        for site in sites_of(WHOLE.network, plan_from_ranges(WHOLE.network, ranges_of(WHOLE), 8).options).values()
    }
    assert {role: found[role] for role in ("weight", "output", "scale", "bias", "offset")} == {
        "weight": 4,
        "output": 6,
        "scale": 10,
        "bias": 20,
        "offset": 20,
    }


def test_word_lengths_that_are_left_out() -> None:
    assert WordLengths.chosen(8) == WordLengths(8, 8, 8, 16)
    assert WordLengths.chosen(8, weights=4) == WordLengths(4, 8, 8, 16)
    assert WordLengths.chosen(weights=4, activations=6) == WordLengths(4, 6)
    ranges = ranges_of(WHOLE)
    same = plan_from_ranges(WHOLE.network, ranges, 8)
    assert plan_from_ranges(WHOLE.network, ranges, WordLengths.chosen(8)) == same
    assert plan_from_ranges(WHOLE.network, ranges, WordLengths(8, 8)) == same
    with pytest.raises(PlanError, match="--weights and --activations"):
        WordLengths.chosen(weights=4)
