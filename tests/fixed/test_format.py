"""Formats, quantizers and the names of modes (rules B1, B3 and B4)."""

import subprocess
import sys
from fractions import Fraction

import pytest

from bittrue.errors import FormatError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, parse_overflow, parse_rounding


@pytest.mark.parametrize(
    ("format", "codes", "values", "integer_bits"),
    [
        (FixedFormat(True, 8, 4), (-128, 127), (Fraction(-8), Fraction(127, 16)), 4),
        (FixedFormat(False, 8, 4), (0, 255), (Fraction(0), Fraction(255, 16)), 4),
        (FixedFormat(True, 4, -2), (-8, 7), (Fraction(-32), Fraction(28)), 6),
        (FixedFormat(False, 3, 5), (0, 7), (Fraction(0), Fraction(7, 32)), -2),
        (FixedFormat(True, 1, 0), (-1, 0), (Fraction(-1), Fraction(0)), 1),
        (FixedFormat(False, 1, 0), (0, 1), (Fraction(0), Fraction(1)), 1),
    ],
)
def test_a_format_knows_its_range(
    format: FixedFormat, codes: tuple[int, int], values: tuple[Fraction, Fraction], integer_bits: int
) -> None:
    assert (format.min_code, format.max_code) == codes
    assert (format.min_value, format.max_value) == values
    assert format.integer_bits == integer_bits
    assert format.resolution * codes[1] == values[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((True, 0, 0), "A word length of 0 bits doesn't exist; choose one from 1 to 4096."),
        ((True, -3, 0), "A word length of -3 bits doesn't exist"),
        ((True, 4097, 0), "A word length of 4097 bits doesn't exist"),
        ((True, 8, 5000), "5000 fraction bits are out of reach; choose from -4096 to 4096."),
        ((True, 8, -5000), "-5000 fraction bits are out of reach"),
        ((True, True, 0), "'word_length' of a format is an integer, not True."),
        ((True, 8.0, 0), "'word_length' of a format is an integer, not 8.0."),
        ((True, 8, False), "'fraction_bits' of a format is an integer, not False."),
        ((1, 8, 0), "'signed' of a format is True or False, not 1."),
    ],
)
def test_what_is_no_format_is_refused(arguments: tuple[bool, int, int], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        FixedFormat(*arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("signed", "word_length", "overflow", "limits"),
    [
        (True, 4, Overflow.SATURATE, (-8, 7)),
        (True, 4, Overflow.SATURATE_SYMMETRIC, (-7, 7)),
        (True, 1, Overflow.SATURATE_SYMMETRIC, (-1, 0)),
        (False, 4, Overflow.SATURATE_SYMMETRIC, (0, 15)),
        (True, 4, Overflow.SATURATE_ZERO, (-8, 7)),
        (True, 4, Overflow.WRAP, (-8, 7)),
        (True, 4, Overflow.UNBOUNDED, (-8, 7)),
        (False, 4, Overflow.UNBOUNDED, (0, 15)),
    ],
)
def test_a_quantizers_limits_are_those_of_its_mode(
    signed: bool, word_length: int, overflow: Overflow, limits: tuple[int, int]
) -> None:
    quantizer = Quantizer(FixedFormat(signed, word_length, 2), Rounding.FLOOR, overflow)
    assert (quantizer.min_code, quantizer.max_code) == limits


def test_modes_left_out_are_round_to_even_and_saturate() -> None:
    assert Quantizer(FixedFormat(True, 8, 4)) == Quantizer(
        FixedFormat(True, 8, 4), Rounding.NEAREST_EVEN, Overflow.SATURATE
    )


@pytest.mark.parametrize("mode", Rounding)
def test_roundings_answer_to_both_names(mode: Rounding) -> None:
    assert parse_rounding(mode.value) is mode
    assert parse_rounding(mode.amd) is mode
    assert parse_rounding(f" {mode.value.lower().replace('_', '-')} ") is mode


@pytest.mark.parametrize("mode", Overflow)
def test_overflows_answer_to_both_names(mode: Overflow) -> None:
    assert parse_overflow(mode.value) is mode
    assert parse_overflow(mode.value.lower()) is mode
    if mode is Overflow.UNBOUNDED:
        assert mode.amd is None
    else:
        assert mode.amd is not None
        assert parse_overflow(mode.amd) is mode


def test_unknown_modes_are_refused_with_the_known_ones() -> None:
    with pytest.raises(FormatError, match=r"no rounding mode 'AP_SAT'; choose one of NEAREST_EVEN \(AP_RND_CONV\), "):
        parse_rounding("AP_SAT")
    with pytest.raises(
        FormatError, match=r"no overflow mode 'clip'; choose one of SATURATE \(AP_SAT\), .*UNBOUNDED\.$"
    ):
        parse_overflow("clip")


def test_wrapping_in_sign_magnitude_is_refused_by_name() -> None:
    with pytest.raises(FormatError, match="AP_WRAP_SM is not supported, since its header decides by bits from before"):
        parse_overflow("AP_WRAP_SM")


def test_the_package_is_light() -> None:
    program = "import sys, bittrue.fixed; print(sorted({'torch', 'numpy'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
