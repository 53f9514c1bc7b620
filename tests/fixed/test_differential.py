"""The definition against two fixed-point libraries, APyTypes and fxpmath, in every mode that they share with it.

Where they differ, each kind of difference is pinned by an example that the `ap_fixed` headers decide;
docs/decisions/0006-other-libraries.md explains them. A pinned example that no longer differs belongs into the grid.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import apytypes
import numpy as np
import pytest
from fxpmath import Config, Fxp

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, decode, quantize
from fixed import test_ap_types_witness as headers
from fixed.test_ap_types_witness import NARROW, Conversion, code_of, source_codes

ApyRounding = apytypes.QuantizationMode
ApyOverflow = apytypes.OverflowMode
Library = Callable[[list[int], Conversion], list[int]]

APYTYPES_ROUNDING = {
    Rounding.NEAREST_EVEN: ApyRounding.TIES_EVEN,
    Rounding.NEAREST_UP: ApyRounding.TIES_POS,
    Rounding.NEAREST_DOWN: ApyRounding.TIES_NEG,
    Rounding.NEAREST_AWAY: ApyRounding.TIES_AWAY,
    Rounding.NEAREST_TO_ZERO: ApyRounding.TIES_ZERO,
    Rounding.FLOOR: ApyRounding.TO_NEG,
    Rounding.TRUNCATE: ApyRounding.TO_ZERO,
}
APYTYPES_OVERFLOW = {Overflow.SATURATE: ApyOverflow.SAT, Overflow.WRAP: ApyOverflow.WRAP}
APYTYPES_ALONE = {
    *("TO_POS", "TO_AWAY", "TIES_ODD", "TRN_MAG", "JAM", "JAM_UNBIASED", "STOCH_EQUAL", "STOCH_WEIGHTED"),
    "NUMERIC_STD",
}
"""Modes that have no equivalent here, nor in AMD's headers."""

FXPMATH_ROUNDING = {
    Rounding.NEAREST_EVEN: ("around",),
    Rounding.NEAREST_UP: ("nearest_posinf",),
    Rounding.NEAREST_DOWN: ("nearest_neginf",),
    Rounding.NEAREST_AWAY: ("nearest_away",),
    Rounding.NEAREST_TO_ZERO: ("nearest_zero",),
    Rounding.FLOOR: ("floor", "bit_trunc"),
    Rounding.TRUNCATE: ("fix", "trunc"),
}
FXPMATH_OVERFLOW = {Overflow.SATURATE: "saturate", Overflow.WRAP: "wrap"}
FXPMATH_ALONE = {"ceil"}

# Rows as in the witness: (word length, fraction bits) of the source, the same of the target. Unlike the headers, both
# libraries take sources that lose more bits than they have.
FAR = [((4, 20), (4, 2)), ((8, 30), (3, 0)), ((30, 40), (8, 33)), ((20, 4), (8, -3)), ((8, -4), (8, -6))]
APYTYPES_WIDE = [
    ((63, 62), (62, 0)),
    ((63, 32), (32, 24)),
    ((65, 40), (16, 8)),
    ((65, 64), (64, -1)),
    ((100, 90), (80, 30)),
    ((40, 0), (70, 36)),
    ((80, 100), (8, 3)),
    ((130, 60), (65, 30)),
    ((200, 150), (129, 80)),
]
FXPMATH_WIDE = [
    ((40, 20), (16, 4)),
    ((53, 40), (32, 24)),
    ((50, 48), (12, 10)),
    ((53, 52), (53, 51)),
    ((32, 10), (32, 40)),
]


def by_apytypes(codes: list[int], conversion: Conversion) -> list[int]:
    source, quantizer = conversion.source, conversion.quantizer
    words = [code % (1 << source.word_length) for code in codes]
    target = quantizer.format
    array = apytypes.APyFixedArray(words, int_bits=source.integer_bits, frac_bits=source.fraction_bits).cast(
        int_bits=target.integer_bits,
        frac_bits=target.fraction_bits,
        quantization=APYTYPES_ROUNDING[quantizer.rounding],
        overflow=APYTYPES_OVERFLOW[quantizer.overflow],
    )
    sign = 1 << (target.word_length - 1)
    return [(int(word) ^ sign) - sign for word in array.to_bits()]


def by_fxpmath(codes: list[int], conversion: Conversion, name: str | None = None) -> list[int]:
    """From float64 values, which hold these codes; `name`: the library's for the rounding where it has several."""
    source, quantizer = conversion.source, conversion.quantizer
    values = np.array([float(decode(code, source.fraction_bits)) for code in codes])
    rounded = Fxp(
        values,
        signed=quantizer.format.signed,
        n_word=quantizer.format.word_length,
        n_frac=quantizer.format.fraction_bits,
        rounding=name or FXPMATH_ROUNDING[quantizer.rounding][0],
        overflow=FXPMATH_OVERFLOW[quantizer.overflow],
    )
    return [int(code) for code in rounded.val]


def differences(library: Library, conversion: Conversion) -> list[tuple[int, int, int]]:
    """(source code, code by the definition, code by the library) wherever they differ."""
    codes = source_codes(conversion.source, conversion.quantizer.format)
    found = library(codes, conversion)
    expected = [quantize(decode(code, conversion.source.fraction_bits), conversion.quantizer) for code in codes]
    return [row for row in zip(codes, expected, found, strict=True) if row[1] != row[2]]


@pytest.mark.parametrize("overflow", APYTYPES_OVERFLOW)
@pytest.mark.parametrize("rounding", Rounding)
def test_apytypes(rounding: Rounding, overflow: Overflow) -> None:
    for source, target in NARROW + FAR + APYTYPES_WIDE:
        quantizer = Quantizer(FixedFormat(True, *target), rounding, overflow)
        assert differences(by_apytypes, Conversion(FixedFormat(True, *source), quantizer)) == []


@pytest.mark.parametrize("overflow", FXPMATH_OVERFLOW)
@pytest.mark.parametrize(
    ("rounding", "name"), [(rounding, name) for rounding, names in FXPMATH_ROUNDING.items() for name in names]
)
def test_fxpmath(rounding: Rounding, name: str, overflow: Overflow) -> None:
    def library(codes: list[int], conversion: Conversion) -> list[int]:
        return by_fxpmath(codes, conversion, name)

    for (source, target), source_signed, signed in product(NARROW + FAR + FXPMATH_WIDE, (True, False), (True, False)):
        quantizer = Quantizer(FixedFormat(signed, *target), rounding, overflow)
        assert differences(library, Conversion(FixedFormat(source_signed, *source), quantizer)) == []


def test_every_mode_of_the_libraries_is_spoken_for() -> None:
    shared = {mode.name for mode in (*APYTYPES_ROUNDING.values(), *APYTYPES_OVERFLOW.values())}
    assert {mode.name for mode in (*ApyRounding, *ApyOverflow)} == shared | APYTYPES_ALONE
    assert set(APYTYPES_ROUNDING) == set(FXPMATH_ROUNDING) == set(Rounding)
    names = {name for names in FXPMATH_ROUNDING.values() for name in names}
    assert set(Config()._rounding_list) == names | FXPMATH_ALONE
    assert set(FXPMATH_OVERFLOW.values()) <= set(Config()._overflow_list)


@pytest.mark.parametrize(("library", "word_length"), [(by_apytypes, 4), (by_fxpmath, 4)])
def test_canary_each_mode_differs_from_each_other(library: Library, word_length: int) -> None:
    source = FixedFormat(True, 8, 4)
    target = FixedFormat(True, word_length, 2)
    for ours, theirs in product(product(Rounding, FXPMATH_OVERFLOW), repeat=2):
        wrong = differences(
            lambda codes, _, theirs=theirs: library(codes, Conversion(source, Quantizer(target, *theirs))),
            Conversion(source, Quantizer(target, *ours)),
        )
        assert bool(wrong) == (ours != theirs)


@dataclass(frozen=True)
class Difference:
    """One code, behind a zero in the same array, that a library takes elsewhere than the definition and the headers."""

    library: Library
    source: FixedFormat
    quantizer: Quantizer
    code: int
    ours: int
    theirs: int

    @property
    def conversion(self) -> Conversion:
        return Conversion(self.source, self.quantizer)


def difference(
    library: Library,
    source: tuple[int, int],
    target: tuple[int, int],
    modes: tuple[Rounding, Overflow],
    code: int,
    ours: int,
    theirs: int,
    signed: bool = True,
) -> Difference:
    quantizer = Quantizer(FixedFormat(signed, *target), *modes)
    return Difference(library, FixedFormat(True, *source), quantizer, code, ours, theirs)


EVEN_SAT = (Rounding.NEAREST_EVEN, Overflow.SATURATE)
EVEN_WRAP = (Rounding.NEAREST_EVEN, Overflow.WRAP)
DIFFERENCES = [
    # The half that is added leaves the machine words of 64 bits that hold the source.
    difference(by_apytypes, (64, 63), (63, 0), EVEN_SAT, 2**62 + 1, 1, -1),
    difference(by_apytypes, (64, 63), (62, 0), (Rounding.NEAREST_UP, Overflow.WRAP), 2**62, 1, -1),
    difference(by_apytypes, (64, 32), (32, 24), EVEN_SAT, 2**63 - 2, 2**31 - 1, -(2**31)),
    difference(by_apytypes, (128, 64), (64, 56), EVEN_SAT, 2**127 - 2, 2**63 - 1, -(2**63)),
    # The shift to more fraction bits drops bits before the saturation looks at them.
    difference(by_apytypes, (8, 0), (8, 57), EVEN_SAT, -128, -128, 0),
    difference(by_apytypes, (64, 0), (64, 1), EVEN_SAT, -(2**63), -(2**63), 0),
    # Words of 64 bits and more are not rounded but truncated.
    difference(by_fxpmath, (40, 20), (64, 4), EVEN_SAT, -(2**39) + 1, -(2**23), -(2**23) + 1),
    # The end of a word beyond 53 bits is a float64, and rounds to a code that the word doesn't have.
    difference(by_fxpmath, (53, 10), (60, 20), EVEN_SAT, 2**49, 2**59 - 1, 2**59),
    # Values and wrapped codes pass through float64.
    difference(by_fxpmath, (60, 40), (32, 24), (Rounding.FLOOR, Overflow.WRAP), 2**59 - 2, -1, 0),
    difference(
        by_fxpmath, (53, 30), (64, 40), EVEN_WRAP, 1 - 2**52, 2**64 - 2**62 + 2**10, 2**64 - 2**62, signed=False
    ),
]


@pytest.mark.parametrize("pinned", DIFFERENCES, ids=lambda pinned: f"{pinned.library.__name__}-{pinned.source}")
def test_pinned_difference(pinned: Difference) -> None:
    assert quantize(decode(pinned.code, pinned.source.fraction_bits), pinned.quantizer) == pinned.ours
    assert pinned.library([0, pinned.code], pinned.conversion) == [0, pinned.theirs]
    assert pinned.ours != pinned.theirs


def test_fxpmath_takes_a_code_elsewhere_in_other_company() -> None:
    """Alone in its array, a code beyond the end of a 60-bit word saturates rightly."""
    (pinned,) = [row for row in DIFFERENCES if row.quantizer.format.word_length == 60]
    assert by_fxpmath([pinned.code], pinned.conversion) == [pinned.ours]


def test_trn_mag_is_no_truncation_towards_zero() -> None:
    """It adds the sign bit, even to a number that needs no rounding: −2 = −32/16 becomes −7/4."""
    number = apytypes.APyFixed(-32 % 256, bits=8, frac_bits=4)
    assert number.cast(bits=8, frac_bits=2, quantization=ApyRounding.TRN_MAG).to_bits() - 256 == -7
    assert number.cast(bits=8, frac_bits=2, quantization=ApyRounding.TO_ZERO).to_bits() - 256 == -8


def test_the_headers_side_with_the_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = {(pinned.source, pinned.quantizer.format): [pinned.code] for pinned in DIFFERENCES}
    assert len(codes) == len(DIFFERENCES)
    monkeypatch.setattr(headers, "conversions", lambda: [pinned.conversion for pinned in DIFFERENCES])
    monkeypatch.setattr(headers, "source_codes", lambda source, target: codes[source, target])
    words = headers.witness_words(tmp_path)
    found = [code_of(word, pinned.quantizer.format) for word, pinned in zip(words, DIFFERENCES, strict=True)]
    assert found == [pinned.ours for pinned in DIFFERENCES]
