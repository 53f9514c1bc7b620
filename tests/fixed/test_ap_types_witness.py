"""The definition against AMD's `ap_fixed` headers, as the hls4ml wheel ships them, compiled here with g++.

Every rounding and overflow mode that the headers have, every signedness, over a grid of formats: all codes of sources
up to 8 bits, hostile ones of wider sources, some beyond the 64 bits from which the headers are implemented otherwise.
"""

import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, overflow_code, overflows, round_to_code
from bittrue.fixed.reference import decode

PROGRAM = Path(__file__).parents[1] / "witnesses" / "ap_fixed_conversions.cpp"
OVERFLOWS = [mode for mode in Overflow if mode.amd is not None]
EVERY_SIGNEDNESS = [(True, True), (True, False), (False, True), (False, False)]

# Rows of ((word length, fraction bits) of the source, the same of the target). The headers abort where the source has
# more fraction bits to lose than it has bits, so no row does. Each row costs the compiler two seconds.
NARROW = [
    ((8, 4), (4, 2)),
    ((8, 5), (4, 5)),
    ((6, 1), (8, 4)),
    ((8, 3), (8, -2)),
    ((5, 9), (3, 6)),
    ((8, 8), (1, 0)),
    ((3, 0), (1, 0)),
]
WIDE = [
    ((64, 32), (32, 24)),
    ((65, 40), (16, 8)),
    ((100, 90), (80, 30)),
    ((40, 0), (70, 36)),
]


@dataclass(frozen=True)
class Conversion:
    """From codes of one format to those of a quantizer."""

    source: FixedFormat
    quantizer: Quantizer


def conversions() -> list[Conversion]:
    modes = list(product(Rounding, OVERFLOWS))
    return [
        Conversion(FixedFormat(source_signed, *source), Quantizer(FixedFormat(target_signed, *target), *mode))
        for source, target in NARROW + WIDE
        for source_signed, target_signed in EVERY_SIGNEDNESS
        for mode in modes
    ]


@cache
def source_codes(source: FixedFormat, target: FixedFormat) -> list[int]:
    """All codes of a narrow source; of a wide one its ends, ties around the target's ends and zero, random ones."""
    if source.word_length <= 8:
        return list(range(source.min_code, source.max_code + 1))
    lost_bits = source.fraction_bits - target.fraction_bits
    codes = {source.min_code, source.min_code + 1, source.max_code - 1, source.max_code}
    for end in (target.min_code, target.max_code, 0):
        for quarters in range(-10, 11):
            centre = round_to_code(decode(4 * end + quarters, 2), lost_bits, Rounding.FLOOR)
            codes.update((centre - 1, centre, centre + 1))
    generator = random.Random(0)
    for bits in range(1, source.word_length, 3):
        codes.update((generator.getrandbits(bits), -generator.getrandbits(bits)))
    return sorted(code for code in codes if source.min_code <= code <= source.max_code)


@cache
def rounded_codes(source: FixedFormat, target: FixedFormat, rounding: Rounding) -> list[int]:
    values = (decode(code, source.fraction_bits) for code in source_codes(source, target))
    return [round_to_code(value, target.fraction_bits, rounding) for value in values]


def expected_codes(conversion: Conversion) -> list[int]:
    quantizer = conversion.quantizer
    rounded = rounded_codes(conversion.source, quantizer.format, quantizer.rounding)
    return [overflow_code(code, quantizer) for code in rounded]


def word_of(code: int, word_length: int) -> str:
    return format(code % (1 << word_length), f"0{word_length}b")


def code_of(word: str, format: FixedFormat) -> int:
    assert len(word) == format.word_length
    code = int(word, 2)
    return code - (1 << format.word_length) if code > format.max_code else code


def disagreements(words: Iterator[str]) -> list[tuple[Conversion, int, int, int]]:
    """Where the words of all conversions differ from the definition: conversion, source code, expected code, code."""
    found = []
    for conversion in conversions():
        target = conversion.quantizer.format
        for source_code, expected in zip(
            source_codes(conversion.source, target), expected_codes(conversion), strict=True
        ):
            code = code_of(next(words), target)
            if code != expected:
                found.append((conversion, source_code, expected, code))
    assert next(words, None) is None, "the witness wrote more words than it was asked for"
    return found


def cpp_type(format: FixedFormat, modes: str = "") -> str:
    return f"(ap_{'' if format.signed else 'u'}fixed<{format.word_length},{format.integer_bits}{modes}>)"


def header_folder() -> Path:
    # Importing hls4ml would import the frameworks that it reads; only the folder is wanted.
    package = find_spec("hls4ml")
    if package is None or package.origin is None:
        pytest.skip("hls4ml is not installed, and its wheel holds the ap_fixed headers")
    folder = Path(package.origin).parent / "templates" / "vivado" / "ap_types"
    if not (folder / "ap_fixed.h").is_file():
        pytest.skip("the installed hls4ml holds no ap_fixed headers")
    return folder


def witness_words(folder: Path) -> list[str]:
    """The target words of all conversions, by a program made of the headers in `folder`."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed")
    table, questions = [], []
    for conversion in conversions():
        source, quantizer = conversion.source, conversion.quantizer
        modes = f",{quantizer.rounding.amd},{quantizer.overflow.amd}"
        table.append(f"CONVERT({cpp_type(source)}, {cpp_type(quantizer.format, modes)})\n")
        codes = source_codes(source, quantizer.format)
        questions += [str(len(codes)), *(word_of(code, source.word_length) for code in codes)]
    (folder / "conversions.inc").write_text("".join(table))
    program = folder / "witness"
    command = [compiler, "-std=c++14", "-O0", "-w", f"-I{header_folder()}", f"-I{folder}", str(PROGRAM), "-o", program]
    subprocess.run(command, check=True)
    answer = subprocess.run([program], input="\n".join(questions), capture_output=True, text=True, check=True)
    return answer.stdout.split()


def test_the_definition_agrees_with_the_headers(tmp_path: Path) -> None:
    found = disagreements(iter(witness_words(tmp_path)))
    assert not found, f"{len(found)} codes differ, the first of them {found[0]}"


def test_the_grid_reaches_every_mode_and_both_ends() -> None:
    """Ties, and overflows at both ends, occur in every combination that can have them."""
    seen = {"below": set(), "above": set()}
    for conversion in conversions():
        quantizer = conversion.quantizer
        for code in rounded_codes(conversion.source, quantizer.format, quantizer.rounding):
            if overflows(code, quantizer):
                end = "below" if code < quantizer.min_code else "above"
                seen[end].add((quantizer.rounding, quantizer.overflow, quantizer.format.signed))
    everything = set(product(Rounding, OVERFLOWS, (True, False)))
    assert seen == {"below": everything, "above": everything}


def definition_words() -> list[str]:
    return [
        word_of(code, conversion.quantizer.format.word_length)
        for conversion in conversions()
        for code in expected_codes(conversion)
    ]


def test_canary_one_wrong_bit_is_noticed() -> None:
    words = definition_words()
    assert disagreements(iter(words)) == []
    wrong = len(words) // 2
    words[wrong] = words[wrong][:-1] + ("0" if words[wrong][-1] == "1" else "1")
    assert len(disagreements(iter(words))) == 1


def test_canary_a_missing_or_additional_word_is_noticed() -> None:
    words = definition_words()
    with pytest.raises(AssertionError, match="more words"):
        disagreements(iter([*words, "0"]))
    with pytest.raises((AssertionError, StopIteration)):
        disagreements(iter(words[:-1]))
