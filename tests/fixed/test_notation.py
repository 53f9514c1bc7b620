"""Reading and printing quantizers (rule B2)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittrue.errors import FormatError
from bittrue.fixed import (
    FixedFormat,
    Overflow,
    Quantizer,
    Rounding,
    describe,
    parse_quantizer,
    quantizer_from_json,
    quantizer_to_json,
    to_ap_fixed,
    to_fxpmath,
    to_matlab,
    to_q,
)

formats = st.builds(FixedFormat, st.booleans(), st.integers(1, 4096), st.integers(-4096, 4096))
quantizers = st.builds(Quantizer, formats, st.sampled_from(Rounding), st.sampled_from(Overflow))
SATURATING = (Rounding.NEAREST_EVEN, Overflow.SATURATE)
AMDS_OWN = (Rounding.FLOOR, Overflow.WRAP)


@pytest.mark.parametrize(
    ("text", "format", "modes"),
    [
        ("ap_fixed<13,8,AP_RND_CONV,AP_SAT>", (True, 13, 5), SATURATING),
        ("ap_ufixed<13,8,AP_RND_CONV,AP_SAT>", (False, 13, 5), SATURATING),
        (" ap_fixed < 13 , 8 , AP_RND_CONV , AP_SAT > ", (True, 13, 5), SATURATING),
        ("ap_fixed<13,8>", (True, 13, 5), AMDS_OWN),
        ("ap_fixed<13,8,AP_RND>", (True, 13, 5), (Rounding.NEAREST_UP, Overflow.WRAP)),
        ("ap_fixed<13,8,AP_TRN_ZERO,AP_SAT_SYM,0>", (True, 13, 5), (Rounding.TRUNCATE, Overflow.SATURATE_SYMMETRIC)),
        ("ap_fixed<4,-3>", (True, 4, 7), AMDS_OWN),
        ("ap_ufixed<4,9>", (False, 4, -5), AMDS_OWN),
        ("Q7.5", (True, 13, 5), SATURATING),
        ("UQ8.5", (False, 13, 5), SATURATING),
        ("Q7.5 (13 bits)", (True, 13, 5), SATURATING),
        ("Q0.15", (True, 16, 15), SATURATING),
        ("sfix13_En5", (True, 13, 5), SATURATING),
        ("ufix13_En5", (False, 13, 5), SATURATING),
        ("sfix13", (True, 13, 0), SATURATING),
        ("sfix13_E3", (True, 13, -3), SATURATING),
        ("sfix4_En9", (True, 4, 9), SATURATING),
        ("fxp-s13/5", (True, 13, 5), SATURATING),
        ("fxp-u13/5", (False, 13, 5), SATURATING),
        ("fxp-s13/-5", (True, 13, -5), SATURATING),
        ("ap_fixed<13,8> NEAREST_EVEN UNBOUNDED", (True, 13, 5), (Rounding.NEAREST_EVEN, Overflow.UNBOUNDED)),
        ("sfix13_En5 AP_RND AP_WRAP", (True, 13, 5), (Rounding.NEAREST_UP, Overflow.WRAP)),
        ("Q7.5 (13 bits) FLOOR UNBOUNDED", (True, 13, 5), (Rounding.FLOOR, Overflow.UNBOUNDED)),
    ],
)
def test_every_notation_is_read(text: str, format: tuple[bool, int, int], modes: tuple[Rounding, Overflow]) -> None:
    assert parse_quantizer(text) == Quantizer(FixedFormat(*format), *modes)


def test_the_callers_modes_are_for_notations_that_have_none() -> None:
    def read(text: str) -> Quantizer:
        return parse_quantizer(text, default_rounding=Rounding.TRUNCATE, default_overflow=Overflow.UNBOUNDED)

    for text in ("Q7.5", "sfix13_En5", "fxp-s13/5"):
        assert read(text) == Quantizer(FixedFormat(True, 13, 5), Rounding.TRUNCATE, Overflow.UNBOUNDED)
    assert read("ap_fixed<13,8>") == Quantizer(FixedFormat(True, 13, 5), *AMDS_OWN)
    assert read("Q7.5 NEAREST_EVEN SATURATE") == Quantizer(FixedFormat(True, 13, 5), *SATURATING)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Q15", "'Q15' doesn't say how long the word is; write both parts, as in Q0.15"),
        ("UQ16", "'UQ16' doesn't say how long the word is"),
        ("Q7.5 (12 bits)", "'Q7.5 (12 bits)' has 13 bits as Texas Instruments counts them"),
        ("sfix16_S2_B3", "'sfix16_S2_B3' has a slope or a bias, and bittrue's scales are powers of two"),
        ("sfix16_B3", "'sfix16_B3' has a slope or a bias"),
        ("ufix16_F1p5_En4", "'ufix16_F1p5_En4' has a slope or a bias"),
        ("ap_fixed<4,2,AP_TRN,AP_WRAP,1>", "'ap_fixed<4,2,AP_TRN,AP_WRAP,1>' keeps 1 saturated bits while wrapping"),
        ("ap_fixed<4,2,AP_TRN,AP_WRAP,0,0>", "'ap_fixed<4,2,AP_TRN,AP_WRAP,0,0>' doesn't have 2 to 4 arguments"),
        ("ap_fixed<4>", "'ap_fixed<4>' doesn't have 2 to 4 arguments; write ap_fixed<W,I>"),
        ("ap_fixed<4,x>", "'ap_fixed<4,x>' needs two integers first"),
        ("ap_fixed<4,2,AP_TRN,AP_WRAP_SM>", "AP_WRAP_SM is not supported"),
        ("ap_fixed<4,2,AP_NO,AP_SAT>", "There is no rounding mode 'AP_NO'"),
        ("ap_fixed<4,2,NEAREST_EVEN,UNBOUNDED>", "'ap_fixed<4,2,NEAREST_EVEN,UNBOUNDED>' takes AMD's names"),
        ("ap_fixed<4,2,AP_TRN,AP_SAT> FLOOR SATURATE", "'ap_fixed<4,2,AP_TRN,AP_SAT> FLOOR SATURATE' states its modes"),
        ("Q1.2 FLOOR CLIP", "There is no overflow mode 'CLIP'"),
        ("ap_fixed<0,0>", "A word length of 0 bits doesn't exist"),
        ("UQ0.0", "A word length of 0 bits doesn't exist"),
        ("sfix5000", "A word length of 5000 bits doesn't exist"),
        ("q7.5", "'q7.5' is no fixed-point format; write it as ap_fixed<13,8,AP_RND_CONV,AP_SAT>, Q7.5"),
        ("Q-1.5", "'Q-1.5' is no fixed-point format"),
        ("fxp-s13/5-complex", "'fxp-s13/5-complex' is no fixed-point format"),
        ("int8", "'int8' is no fixed-point format"),
        ("", "'' is no fixed-point format"),
        ("Q" + "9" * 5000 + ".1", "'Q999"),
        ("Q١.٢", "'Q١.٢' is no fixed-point format"),
    ],
)
def test_what_can_not_be_read_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_quantizer(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("format", "q", "matlab", "fxpmath"),
    [
        (FixedFormat(True, 13, 5), "Q7.5 (13 bits)", "sfix13_En5", "fxp-s13/5"),
        (FixedFormat(False, 13, 5), "UQ8.5 (13 bits)", "ufix13_En5", "fxp-u13/5"),
        (FixedFormat(True, 16, 15), "Q0.15 (16 bits)", "sfix16_En15", "fxp-s16/15"),
        (FixedFormat(True, 13, 0), "Q12.0 (13 bits)", "sfix13", "fxp-s13/0"),
        (FixedFormat(True, 13, -3), None, "sfix13_E3", "fxp-s13/-3"),
        (FixedFormat(True, 4, 4), None, "sfix4_En4", "fxp-s4/4"),
        (FixedFormat(False, 4, 4), "UQ0.4 (4 bits)", "ufix4_En4", "fxp-u4/4"),
    ],
)
def test_formats_are_printed(format: FixedFormat, q: str | None, matlab: str, fxpmath: str) -> None:
    assert to_matlab(format) == matlab
    assert to_fxpmath(format) == fxpmath
    if q is not None:
        assert to_q(format) == q
    else:
        with pytest.raises(FormatError, match=f"has no Q notation, which counts bits .*; write {matlab}"):
            to_q(format)


@given(formats)
def test_what_is_printed_is_read_again(format: FixedFormat) -> None:
    assert parse_quantizer(to_matlab(format)).format == format
    assert parse_quantizer(to_fxpmath(format)).format == format
    if 0 <= format.fraction_bits <= format.word_length - format.signed:
        assert parse_quantizer(to_q(format)).format == format


@given(quantizers)
def test_quantizers_survive_printing_and_plan_files(quantizer: Quantizer) -> None:
    assert parse_quantizer(describe(quantizer)) == quantizer
    assert quantizer_from_json(json.loads(json.dumps(quantizer_to_json(quantizer)))) == quantizer
    assert quantizer_from_json(describe(quantizer)) == quantizer
    if quantizer.overflow is not Overflow.UNBOUNDED:
        assert to_ap_fixed(quantizer) == describe(quantizer) == quantizer_to_json(quantizer)


def test_unbounded_is_printed_beside_the_format() -> None:
    unbounded = Quantizer(FixedFormat(True, 13, 5), Rounding.NEAREST_EVEN, Overflow.UNBOUNDED)
    assert describe(unbounded) == "ap_fixed<13,8> NEAREST_EVEN UNBOUNDED"
    assert quantizer_to_json(unbounded) == {
        "format": "ap_fixed<13,8>",
        "rounding": "NEAREST_EVEN",
        "overflow": "UNBOUNDED",
    }
    with pytest.raises(FormatError, match="has no ap_fixed spelling, since ap_fixed always bounds its words"):
        to_ap_fixed(unbounded)


def test_a_plans_object_holds_any_modes() -> None:
    written = {"format": "sfix13_En5", "rounding": "AP_TRN", "overflow": "SATURATE_ZERO"}
    assert quantizer_from_json(written) == Quantizer(FixedFormat(True, 13, 5), Rounding.FLOOR, Overflow.SATURATE_ZERO)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "Q7.5",
            "'Q7.5' doesn't say how it rounds and overflows; write ap_fixed<13,8,AP_RND_CONV,AP_SAT> or other modes.",
        ),
        (13, "A quantizer is a string or an object with 'format', 'rounding', 'overflow', not 13."),
        (None, "A quantizer is a string or an object"),
        (["Q7.5"], "A quantizer is a string or an object"),
        (
            {"format": "Q7.5", "rounding": "FLOOR", "overflow": "WRAP", "n": 1},
            "A quantizer has no 'n'; it has 'format',",
        ),
        ({"format": "Q7.5", "rounding": "FLOOR"}, "A quantizer needs 'format', 'rounding', 'overflow', each a string"),
        ({"format": 7, "rounding": "FLOOR", "overflow": "WRAP"}, "A quantizer needs 'format', 'rounding', 'overflow'"),
        (
            {"format": "ap_fixed<8,4,AP_RND>", "rounding": "FLOOR", "overflow": "WRAP"},
            "'ap_fixed<8,4,AP_RND>' states its modes beside 'rounding' and 'overflow'; leave them out of 'format'.",
        ),
    ],
)
def test_a_plans_mistakes_are_refused(written: object, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        quantizer_from_json(written)
    assert str(caught.value).startswith(message)
