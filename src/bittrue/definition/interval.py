"""Real numbers between two integers over a common power of two: arithmetic whose every operation is directed outward.

With it the enclosures of exp, log, erf and roots are put together; none of a library's elementary functions is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isqrt

from bittrue.definition.enclosure import Bounds, Real, exp_negative

_GUARD = 16
"""Bits more than a bound's own with which an enclosure is computed."""


@dataclass(frozen=True)
class Interval:
    """low·2^(−bits) ≤ y ≤ high·2^(−bits)."""

    low: int
    high: int
    bits: int

    @classmethod
    def around(cls, number: Fraction | int, bits: int) -> "Interval":
        scaled = number * Fraction(2) ** bits
        return cls(floor(scaled), ceil(scaled), bits)

    def _operand(self, other: "Interval | Fraction | int") -> "Interval":
        return other if isinstance(other, Interval) else Interval.around(other, self.bits)

    def __neg__(self) -> "Interval":
        return Interval(-self.high, -self.low, self.bits)

    def __add__(self, other: "Interval | Fraction | int") -> "Interval":
        second = self._operand(other)
        return Interval(self.low + second.low, self.high + second.high, self.bits)

    def __sub__(self, other: "Interval | Fraction | int") -> "Interval":
        return self + -self._operand(other)

    def __rsub__(self, other: Fraction | int) -> "Interval":
        return -self + other

    def __mul__(self, other: "Interval | Fraction | int") -> "Interval":
        second = self._operand(other)
        products = [a * b for a in (self.low, self.high) for b in (second.low, second.high)]
        return Interval(min(products) >> self.bits, -(-max(products) >> self.bits), self.bits)

    def __truediv__(self, other: "Interval | int") -> "Interval":
        """A quotient by a positive number."""
        if isinstance(other, int):
            return Interval(self.low // other, -(-self.high // other), self.bits)
        low = (self.low << self.bits) // (other.high if self.low >= 0 else other.low)
        high = -((-self.high << self.bits) // (other.low if self.high >= 0 else other.high))
        return Interval(low, high, self.bits)

    def root(self) -> "Interval":
        """√y of a number that is not negative."""
        return Interval(isqrt(self.low << self.bits), isqrt(self.high << self.bits) + 1, self.bits)

    @property
    def ends(self) -> tuple[Fraction, Fraction]:
        unit = Fraction(2) ** -self.bits
        return self.low * unit, self.high * unit


def irrational(enclose: Callable[[int], Interval], size: Fraction = Fraction(0)) -> Real:
    """An irrational number as its bounds, from enclosures at ever more bits.

    size: a number whose magnitude multiplies the enclosure's errors. An irrational number lies strictly inside any
    bounds that hold it.
    """
    spare = _GUARD + ceil(abs(size)).bit_length()

    def bounds(precision: int) -> Bounds:
        y = enclose(precision + spare)
        return y.low >> spare, -(-y.high >> spare)

    return bounds


def exp(x: Fraction, bits: int) -> Interval:
    """exp(x) for x ≤ 0."""
    return Interval(1 << bits, 1 << bits, bits) if x == 0 else Interval(*exp_negative(-x, bits), bits)


def exp_of(x: Interval) -> Interval:
    """exp of a number that is not positive."""
    low, high = x.ends
    return Interval(exp(low, x.bits).low, exp(min(high, Fraction(0)), x.bits).high, x.bits)


def log(x: Fraction, bits: int) -> Interval:
    """log x for x > 0: k·log 2 + log m with x = 2^k·m and 1 ≤ m < 2."""
    k = x.numerator.bit_length() - x.denominator.bit_length()
    k -= x < Fraction(2) ** k
    m = x / Fraction(2) ** k
    of_two = _log_between_one_and_two(Fraction(2), bits + abs(k).bit_length()) if k else Interval(0, 0, bits)
    spare = of_two.bits - bits
    shifted = of_two * k
    return Interval(shifted.low >> spare, -(-shifted.high >> spare), bits) + _log_between_one_and_two(m, bits)


def log_of(x: Interval) -> Interval:
    """log of a positive number."""
    low, high = x.ends
    return Interval(log(low, x.bits).low, log(high, x.bits).high, x.bits)


def _log_between_one_and_two(m: Fraction, bits: int) -> Interval:
    """log m = 2·artanh z with z = (m − 1)/(m + 1) ≤ 1/3, by its power series."""
    z = Interval.around((m - 1) / (m + 1), bits)
    square, power, total, order = z * z, z, z, 1
    while power.high > 1:
        power = power * square
        order += 2
        total = total + power / order
    # The terms left out are together less than the last power, which is at most a unit.
    return Interval(2 * total.low, 2 * total.high + 2, bits)


def erf_of_root(square: Fraction, bits: int) -> Interval:
    """erf √s for s ≥ 0: √(4s/π)·exp(−s)·Σ (2s)^k / (1·3·…·(2k+1))."""
    if square >= bits:
        return Interval((1 << bits) - 1, 1 << bits, bits)  # 1 − erf √s < exp(−s) < 2^(−bits)
    # The sum is below 2·exp(s) < 2^(1.5·s + 1): so many bits more are needed before the product.
    work = bits + 2 * ceil(square) + _GUARD
    ratio = Interval.around(2 * square, work)
    low = high = total_low = total_high = 1 << work
    order = 1
    while high > 1 or 4 * square > order + 2:
        order += 2
        low, high = low * ratio.low // (order << work), -(-high * ratio.high // (order << work))
        total_low, total_high = total_low + low, total_high + high
    # Each term left out is at most half of the one before, and so they are together less than a unit.
    total = Interval(total_low, total_high + 1, work)
    root = (Interval.around(4 * square, work) / pi(work)).root()
    value = root * exp(-square, work) * total
    spare = work - bits
    return Interval(max(value.low >> spare, 0), min(-(-value.high >> spare), 1 << bits), bits)


def pi(bits: int) -> Interval:
    """16·arctan(1/5) − 4·arctan(1/239) (Machin)."""
    return _arctan_of_inverse(5, bits) * 16 - _arctan_of_inverse(239, bits) * 4


def _arctan_of_inverse(n: int, bits: int) -> Interval:
    """arctan(1/n), by its alternating power series: the terms left out are less than the first of them."""
    power = total = Interval.around(Fraction(1, n), bits)
    order, sign = 1, 1
    while power.high > 1:
        power = power / (n * n)
        order, sign = order + 2, -sign
        total = total + power / order * sign
    return Interval(total.low - 1, total.high + 1, bits)
