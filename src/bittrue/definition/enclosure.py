"""Irrational numbers by integer bounds that can be made as narrow as one likes, and their proven rounding (B8).

No floating point and no elementary function of any library: bounds are directed at every operation.
"""

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, isqrt

from bittrue.errors import BittrueError
from bittrue.fixed.format import Rounding
from bittrue.fixed.reference import round_to_code

Bounds = tuple[int, int]
"""(low, high) at a precision of p bits: low·2^(−p) < y < high·2^(−p), or both equal and y that number itself."""

Real = Callable[[int], Bounds]
"""A real number y as the function from a precision p to its bounds.

They are one or a few units apart, so that they decide every rounding sooner or later, unless y is a tie that the
function doesn't know for one; rational values that are known are Fractions instead.
"""

_FIRST_PRECISION = 24
"""Bits beyond the format's last one with which the bounds start."""
_LAST_PRECISION = 1 << 15
"""Bits beyond the format's last one after which a rounding counts as undecidable."""
LARGEST_EXPONENT = 1 << 12
"""The largest x for which exp(x) is computed; a word could hold no more than about three times as many bits."""


def decide(low: int, high: int, precision: int, fraction_bits: int, rounding: Rounding) -> int | None:
    """The code that every number within the bounds rounds to, or None while they allow more than one.

    precision: of the bounds, at least fraction_bits + 1.
    """
    if low == high:
        return round_to_code(low * Fraction(2) ** -precision, fraction_bits, rounding)
    # All modes change only at codes and half-way between them. Strictly between two such neighbours all numbers round
    # alike, as the middle does; the bounds themselves are excluded and may lie on a neighbour.
    half_steps = precision - (fraction_bits + 1)
    cell = low >> half_steps
    if high > (cell + 1) << half_steps:
        return None
    middle = Fraction(2 * cell + 1) * Fraction(2) ** -(fraction_bits + 2)
    return round_to_code(middle, fraction_bits, rounding)


def round_number(number: Fraction | Real, fraction_bits: int, rounding: Rounding) -> int:
    """The code of an exact number; raises BittrueError where no precision within reach decides it."""
    if isinstance(number, Fraction):
        return round_to_code(number, fraction_bits, rounding)
    reach = max(fraction_bits, 0)
    extra = _FIRST_PRECISION
    while extra <= _LAST_PRECISION:
        precision = reach + extra
        code = decide(*number(precision), precision, fraction_bits, rounding)
        if code is not None:
            return code
        extra *= 2
    raise BittrueError(
        f"{_LAST_PRECISION} bits beyond the last of {fraction_bits} fraction bits don't decide the {rounding.value} "
        "rounding of a function's value, so list that value among the function's rational points."
    )


def exp_negative(distance: Fraction, precision: int) -> Bounds:
    """Bounds of exp(−distance) for distance > 0: within [0, 2^precision], and never equal."""
    if distance >= precision:
        return 0, 1  # e > 2, so 0 < exp(−distance) < 2^(−precision), however large the distance
    # exp(−d) = (1 / exp(r))^(2^k) with r = d / 2^k < 1/2.
    squarings = floor(distance).bit_length() + 1
    work = precision + 2 * squarings + 16
    low_power, high_power = _exp_small(distance / 2**squarings, work)
    low, high = (1 << 2 * work) // high_power, _up((1 << 2 * work), low_power)
    for _ in range(squarings):
        low, high = low * low >> work, _up(high * high, 1 << work)
    unit = 1 << work - precision
    return low // unit, min(_up(high, unit), 1 << precision)


def exponential(x: Fraction) -> Fraction | Real:
    """exp(x), rational only at 0; raises BittrueError where x is beyond reach."""
    if x == 0:
        return Fraction(1)
    if x < 0:
        return lambda precision: exp_negative(-x, precision)
    if x > LARGEST_EXPONENT:
        raise BittrueError(
            f"exp({floor(x)}) is beyond what any word holds; give the difference site a format in which the largest "
            "input minus any other doesn't wrap to a negative number."
        )

    def reciprocal(precision: int) -> Bounds:
        # exp(−x) > 2^(−2x): that many bits more keep `precision` bits behind the point of its reciprocal.
        work = precision + 4 * ceil(x) + 8
        low, high = exp_negative(x, work)
        return (1 << precision + work) // high, _up(1 << precision + work, low)

    return reciprocal


def offset_root(offset: int, offset_bits: int, square: Fraction, *, negative: bool) -> Real:
    """offset·2^(−offset_bits) ± √square, whose bounds are equal wherever it is a multiple of 2^(−precision)."""

    def bounds(precision: int) -> Bounds:
        work = max(precision, offset_bits)  # the offset is an integer at this precision
        scaled = square * 4**work
        whole = scaled.numerator // scaled.denominator
        root = isqrt(whole)  # ⌊√scaled⌋, since ⌊√z⌋ = ⌊√⌊z⌋⌋
        exact = root * root == scaled
        if negative:
            root = -root if exact else -root - 1  # ⌊−√scaled⌋
        below = (offset << work - offset_bits) + root
        low = below >> work - precision
        exact = exact and low << work - precision == below
        return low, low if exact else low + 1

    return bounds


def _exp_small(r: Fraction, work: int) -> Bounds:
    """Bounds of exp(r) for 0 < r < 1/2, by its power series, each term rounded down and up."""
    unit = 1 << work
    r_low, r_high = floor(r * unit), ceil(r * unit)
    low = high = term_low = term_high = unit
    order = 0
    while term_high > 1:
        order += 1
        term_low = term_low * r_low // (order << work)
        term_high = _up(term_high * r_high, order << work)
        low += term_low
        high += term_high
    # The last term is at most one unit, and each later one at most half of the one before: together one unit more.
    return low, high + 1


def _up(numerator: int, denominator: int) -> int:
    """⌈numerator / denominator⌉."""
    return -(-numerator // denominator)
