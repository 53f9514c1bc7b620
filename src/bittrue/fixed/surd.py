"""Correct rounding of a + b/√v for rational a, b and v > 0: batch normalization's numbers (B7), decided exactly.

Standard library only. The comparison is by signs, then squares, so it ends at ties too.
"""

from fractions import Fraction
from math import isqrt

from bittrue.fixed.format import Rounding
from bittrue.fixed.reference import round_to_code


def round_surd(a: Fraction, b: Fraction, v: Fraction, fraction_bits: int, rounding: Rounding) -> int:
    """The code of a + b/√v, rounded to `fraction_bits`; v > 0."""
    unit = Fraction(2) ** fraction_bits
    square = b * b / v * unit * unit
    root = _exact_root(square)
    if root is not None:
        return round_to_code(a + (root if b >= 0 else -root) / unit, fraction_bits, rounding)
    # The value is irrational, so it is neither an integer nor half of one: a point strictly between the same two
    # quarter-steps rounds as it does, in every mode. Its double lies strictly between two consecutive integers.
    doubled = _floor_irrational(2 * a * unit, 4 * square, negative=b < 0)
    stand_in = Fraction(2 * doubled + 1, 4)
    return round_to_code(stand_in / unit, fraction_bits, rounding)


def _exact_root(square: Fraction) -> Fraction | None:
    numerator, denominator = isqrt(square.numerator), isqrt(square.denominator)
    if numerator * numerator == square.numerator and denominator * denominator == square.denominator:
        return Fraction(numerator, denominator)
    return None


def _floor_irrational(a: Fraction, square: Fraction, *, negative: bool) -> int:
    """⌊a ± √square⌋ where √square is irrational."""
    # √(p/q) = √(p·q·m²) / (q·m); with m the denominator of a, a ± √ is (A ± √R) / D over one denominator.
    denominator = a.denominator * square.denominator
    scaled_a = a.numerator * square.denominator
    radicand = square.numerator * square.denominator * a.denominator**2
    root = isqrt(radicand)
    return (scaled_a - root - 1) // denominator if negative else (scaled_a + root) // denominator
