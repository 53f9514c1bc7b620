"""The definition against numbers worked out by hand, and against properties that rules B3 and B4 state."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, overflow_code, overflows, quantize, round_to_code
from bittrue.fixed.reference import decode, requantize

QUARTERS = [Fraction(numerator, 4) for numerator in (-10, -7, -6, -5, -2, -1, 0, 1, 2, 5, 6, 7, 10)]


@pytest.mark.parametrize(
    ("rounding", "codes"),
    [
        # −2.5 −1.75 −1.5 −1.25 −0.5 −0.25 0 0.25 0.5 1.25 1.5 1.75 2.5
        (Rounding.NEAREST_EVEN, [-2, -2, -2, -1, 0, 0, 0, 0, 0, 1, 2, 2, 2]),
        (Rounding.NEAREST_UP, [-2, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 2, 3]),
        (Rounding.NEAREST_DOWN, [-3, -2, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 2]),
        (Rounding.NEAREST_AWAY, [-3, -2, -2, -1, -1, 0, 0, 0, 1, 1, 2, 2, 3]),
        (Rounding.NEAREST_TO_ZERO, [-2, -2, -1, -1, 0, 0, 0, 0, 0, 1, 1, 2, 2]),
        (Rounding.FLOOR, [-3, -2, -2, -2, -1, -1, 0, 0, 0, 1, 1, 1, 2]),
        (Rounding.TRUNCATE, [-2, -1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 2]),
    ],
)
def test_rounding_by_hand(rounding: Rounding, codes: list[int]) -> None:
    assert [round_to_code(value, 0, rounding) for value in QUARTERS] == codes
    assert [round_to_code(value / 8, 3, rounding) for value in QUARTERS] == codes
    assert [round_to_code(value * 8, -3, rounding) for value in QUARTERS] == codes


@pytest.mark.parametrize(
    ("signed", "word_length", "overflow", "codes"),
    [
        # −9 −8 −7 −1 0 7 8 15 16
        (True, 4, Overflow.SATURATE, [-8, -8, -7, -1, 0, 7, 7, 7, 7]),
        (True, 4, Overflow.SATURATE_ZERO, [0, -8, -7, -1, 0, 7, 0, 0, 0]),
        (True, 4, Overflow.SATURATE_SYMMETRIC, [-7, -7, -7, -1, 0, 7, 7, 7, 7]),
        (True, 4, Overflow.WRAP, [7, -8, -7, -1, 0, 7, -8, -1, 0]),
        (True, 4, Overflow.UNBOUNDED, [-9, -8, -7, -1, 0, 7, 8, 15, 16]),
        (False, 4, Overflow.SATURATE, [0, 0, 0, 0, 0, 7, 8, 15, 15]),
        (False, 4, Overflow.SATURATE_ZERO, [0, 0, 0, 0, 0, 7, 8, 15, 0]),
        (False, 4, Overflow.SATURATE_SYMMETRIC, [0, 0, 0, 0, 0, 7, 8, 15, 15]),
        (False, 4, Overflow.WRAP, [7, 8, 9, 15, 0, 7, 8, 15, 0]),
        (False, 4, Overflow.UNBOUNDED, [-9, -8, -7, -1, 0, 7, 8, 15, 16]),
        (True, 1, Overflow.SATURATE_SYMMETRIC, [-1, -1, -1, -1, 0, 0, 0, 0, 0]),
        (True, 1, Overflow.WRAP, [-1, 0, -1, -1, 0, -1, 0, -1, 0]),
    ],
)
def test_overflow_by_hand(signed: bool, word_length: int, overflow: Overflow, codes: list[int]) -> None:
    quantizer = Quantizer(FixedFormat(signed, word_length, 0), Rounding.FLOOR, overflow)
    assert [overflow_code(code, quantizer) for code in (-9, -8, -7, -1, 0, 7, 8, 15, 16)] == codes


def test_rounding_itself_may_overflow() -> None:
    quantizer = Quantizer(FixedFormat(True, 4, 0), Rounding.NEAREST_EVEN, Overflow.SATURATE_ZERO)
    assert quantize(Fraction(29, 4), quantizer) == 7
    assert quantize(Fraction(15, 2), quantizer) == 0


def test_the_lowest_signed_code_overflows_a_symmetric_word() -> None:
    format = FixedFormat(True, 4, 0)
    assert overflows(-8, Quantizer(format, overflow=Overflow.SATURATE_SYMMETRIC))
    assert not overflows(-8, Quantizer(format, overflow=Overflow.SATURATE))
    assert not overflows(-1, Quantizer(FixedFormat(True, 1, 0), overflow=Overflow.SATURATE_SYMMETRIC))


def test_requantizing_moves_the_binary_point() -> None:
    quantizer = Quantizer(FixedFormat(True, 8, 2))
    assert decode(-13, 4) == Fraction(-13, 16)
    assert requantize(-13, 4, quantizer) == -3
    assert requantize(13, 1, quantizer) == 26
    assert requantize(3, -2, quantizer) == 48


@given(st.fractions(), st.integers(-20, 20), st.sampled_from(Rounding))
def test_rounding_stays_within_its_distance(value: Fraction, fraction_bits: int, rounding: Rounding) -> None:
    scaled = value * Fraction(2) ** fraction_bits
    distance = round_to_code(value, fraction_bits, rounding) - scaled
    match rounding:
        case Rounding.FLOOR:
            assert -1 < distance <= 0
        case Rounding.TRUNCATE:
            assert abs(distance) < 1
            assert distance * scaled <= 0
        case _:
            assert abs(distance) <= Fraction(1, 2)


@given(
    st.integers(),
    st.booleans(),
    st.integers(1, 40),
    st.sampled_from([mode for mode in Overflow if mode is not Overflow.UNBOUNDED]),
)
def test_a_bounded_code_lies_within_the_limits(code: int, signed: bool, word_length: int, overflow: Overflow) -> None:
    quantizer = Quantizer(FixedFormat(signed, word_length, 0), Rounding.FLOOR, overflow)
    bounded = overflow_code(code, quantizer)
    assert not overflows(bounded, quantizer)
    assert overflow_code(bounded, quantizer) == bounded
    if overflow is Overflow.WRAP:
        assert (bounded - code) % 2**word_length == 0
