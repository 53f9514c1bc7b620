"""Formats that are hard in float32, and the numbers that are hardest for each, with the definition's answers."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, decode, quantize

FORMATS = [
    *(FixedFormat(True, *bits) for bits in [(8, 4), (1, 0), (2, 1), (6, 9), (12, -2), (25, 12), (16, 100), (16, -100)]),
    *(FixedFormat(False, *bits) for bits in [(8, 4), (1, 0), (5, 8), (4, -3), (24, 10), (24, -100)]),
]

COUNT = 400
"""Numbers for each format: the same for all, so that a backend compiles each operation once."""

QUANTIZERS = [
    Quantizer(format_, rounding, overflow) for format_ in FORMATS for rounding in Rounding for overflow in Overflow
]


def values_for(format_: FixedFormat) -> np.ndarray:
    """Ties, ends of the range and of the spans beyond it, and both neighbours of each; huge, tiny and plain numbers."""
    unit = np.float64(2.0) ** -format_.fraction_bits
    span = 1 << format_.word_length
    codes = [0, 1, 2, 3, format_.max_code - 1, format_.max_code, format_.max_code + 1, span, span + 1, 3 * span // 2]
    codes += [1 << 22, 1 << 23, (1 << 24) - 1, span << 23]
    points = np.array([code + part for code in codes for part in (0.0, 0.25, 0.5, 0.75)]) * unit
    with np.errstate(over="ignore"):
        centres = points.astype(np.float32)
    centres = centres[np.isfinite(centres)]
    up, down = np.float32(np.inf), np.float32(-np.inf)
    with np.errstate(over="ignore"):
        near = np.concatenate([centres, np.nextafter(centres, up), np.nextafter(centres, down)])
    largest = np.finfo(np.float32).max
    far = np.array([largest, 2.0**127, 1e30, 2.0**-126, 2.0**-127, 1e-40, 2.0**-149], np.float32)
    random = np.random.default_rng(3).normal(0.0, 1.0, 24) * float(unit) * min(span, 2**12)
    found = np.concatenate([near[np.isfinite(near)], far, random.astype(np.float32)])
    numbers = np.unique(np.concatenate([found, -found]))
    assert len(numbers) <= COUNT
    return np.resize(numbers, COUNT)


def expected(quantizer: Quantizer) -> np.ndarray:
    """The definition's values of `values_for` the quantizer's format."""
    bits = quantizer.format.fraction_bits
    numbers, places = np.unique(values_for(quantizer.format), return_inverse=True)
    exact = [Fraction(float(number)) for number in numbers]
    return np.array([float(decode(quantize(number, quantizer), bits)) for number in exact])[places]


def name_of(quantizer: Quantizer) -> str:
    shape = quantizer.format
    sign = "s" if shape.signed else "u"
    return f"{sign}{shape.word_length}_{shape.fraction_bits}_{quantizer.rounding.value}_{quantizer.overflow.value}"


def one_of_each_mode() -> Iterator[Quantizer]:
    """Every pair of modes, with the formats in turn."""
    pairs = [(rounding, overflow) for rounding in Rounding for overflow in Overflow]
    for place, (rounding, overflow) in enumerate(pairs):
        yield Quantizer(FORMATS[place % len(FORMATS)], rounding, overflow)
