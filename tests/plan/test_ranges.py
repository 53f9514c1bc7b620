"""Integer bits and fraction bits from ranges: enough, and not one too many; and the ranges' file."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bittrue.errors import PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, overflows, round_to_code
from bittrue.plan import Ranges, SiteRange, fraction_bits_for, integer_bits

numbers = st.floats(-1e30, 1e30, allow_subnormal=False) | st.sampled_from([0.0, 1.0, -1.0, 0.5, 127.5, -128.0, 255.5])
ranges = st.tuples(numbers, numbers).map(sorted)


def overflow_of(value: float, quantizer: Quantizer) -> bool:
    code = round_to_code(Fraction(value), quantizer.format.fraction_bits, quantizer.rounding)
    return overflows(code, quantizer)


@given(ranges, st.integers(1, 32), st.booleans(), st.sampled_from(Overflow))
@example([-1.0, 127.5], 8, True, Overflow.SATURATE)
@example([0.0, 255.5], 8, False, Overflow.SATURATE)
@example([-128.0, 0.0], 8, True, Overflow.SATURATE)
@example([0.5, 0.5], 1, True, Overflow.SATURATE)
@example([-1.0, 0.5], 8, True, Overflow.SATURATE_SYMMETRIC)
@example([-127.25, 0.0], 8, True, Overflow.SATURATE_SYMMETRIC)
@example([-1.0, -1.0], 1, True, Overflow.SATURATE_SYMMETRIC)
@example([-1.0, -1.0], 2, True, Overflow.SATURATE_SYMMETRIC)
@example([0.0, 255.5], 8, False, Overflow.SATURATE_SYMMETRIC)
def test_nothing_in_the_range_overflows_however_it_is_rounded(
    limits: list[float], word_length: int, signed: bool, overflow: Overflow
) -> None:
    low, high = limits
    signed = signed or low < 0
    fraction_bits = fraction_bits_for(low, high, word_length, signed, overflow)
    for rounding in Rounding:
        quantizer = Quantizer(FixedFormat(signed, word_length, fraction_bits), rounding, overflow)
        for value in (low, high, (low + high) / 2):
            assert not overflow_of(value, quantizer), (value, quantizer)


@given(ranges, st.integers(1, 32), st.booleans(), st.sampled_from(Overflow))
@example([-1.0, 0.5], 8, True, Overflow.SATURATE_SYMMETRIC)
@example([-0.75, 0.0], 1, True, Overflow.SATURATE_SYMMETRIC)
def test_one_fraction_bit_more_would_be_too_many(
    limits: list[float], word_length: int, signed: bool, overflow: Overflow
) -> None:
    """The lowest value below the lowest code, or the highest rounded up beyond the highest code."""
    low, high = limits
    assume(low < 0 or high > 0)
    signed = signed or low < 0
    wider = FixedFormat(signed, word_length, fraction_bits_for(low, high, word_length, signed, overflow) + 1)
    too_high = overflow_of(max(high, 0.0), Quantizer(wider, Rounding.NEAREST_UP, overflow))
    assert too_high or overflow_of(min(low, 0.0), Quantizer(wider, Rounding.FLOOR, overflow))


@given(ranges)
def test_integer_bits_reach_the_range_before_rounding_and_not_farther(limits: list[float]) -> None:
    low, high = limits
    assume(low < 0 or high > 0)
    bits = integer_bits(low, high)

    def covered(bits: int) -> bool:
        if low < 0:
            reach = Fraction(2) ** (bits - 1)
            return -reach <= Fraction(low) and Fraction(high) < reach
        return Fraction(high) < Fraction(2) ** bits

    assert covered(bits)
    assert not covered(bits - 1)


@pytest.mark.parametrize(
    ("low", "high", "bits", "reason"),
    [
        (0.0, 0.0, 0, "always 0"),
        (0.0, 0.9, 0, "unsigned; 0.9 < 2^0"),
        (0.0, 1.0, 1, "unsigned; 1 < 2^1"),
        (0.01, 0.2, -2, "unsigned; 0.2 < 2^-2"),
        (-1.0, 0.5, 1, "smallest value -1 = −2^0, which two's complement holds"),
        (-1.0, 1.0, 2, "largest value 1 < 2^1, and a sign bit"),
        (-5.0, 3.0, 4, "smallest value -5 ≥ −2^3"),
        (-3.0, 9.0, 5, "largest value 9 < 2^4, and a sign bit"),
        (-0.25, -0.1, -1, "smallest value -0.25 = −2^-2"),
    ],
)
def test_integer_bits_and_their_reason(low: float, high: float, bits: int, reason: str) -> None:
    site = SiteRange(low, high, 1, 0, (), ())
    assert site.integer_bits == bits
    assert reason in site.reason


def ranges_file() -> Ranges:
    site = SiteRange(-1.25, 3.5, 100, 7, ((0.1, -1.0), (99.9, 3.25)), (1, 2, 97))
    other = SiteRange(0.0, 0.1, 3, 0, (), ())
    return Ranges("sha256:0", {"name": "digits", "images": 4}, {"conv.output": site, "image.output": other})


def test_ranges_survive_their_file() -> None:
    found = ranges_file()
    assert Ranges.from_json(json.loads(json.dumps(found.to_json())), "ranges.json") == found


def _without(path: list[Any]) -> Any:
    content = json.loads(json.dumps(ranges_file().to_json()))
    *parents, last = path
    place = content
    for key in parents:
        place = place[key]
    del place[last]
    return content


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "text",
        {},
        {"bittrue": 1},
        _without(["network"]),
        _without(["sites"]),
        _without(["sites", "conv.output", "min"]),
        _without(["sites", "conv.output", "histogram"]),
        {**ranges_file().to_json(), "sites": {"conv.output": {"min": "x"}}},
        {**ranges_file().to_json(), "sites": []},
    ],
)
def test_a_file_that_holds_no_ranges_is_refused(content: Any) -> None:
    with pytest.raises(PlanError, match=r"^ranges\.json: not a ranges file .*; make one with `bittrue ranges`\.$"):
        Ranges.from_json(content, "ranges.json")


def test_another_version_of_the_file_is_refused() -> None:
    with pytest.raises(PlanError, match=r"^ranges\.json: version 2 of the file is not known"):
        Ranges.from_json({**ranges_file().to_json(), "bittrue": 2}, "ranges.json")
