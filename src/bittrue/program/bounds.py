"""What a value lies between, and what becomes of that in arithmetic, in clips and in quantizers.

Interval arithmetic over exact numbers: each operation's result holds every value that the operation can make of values
within its operands. An end that nothing bounds is None, and so is every end that would follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from bittrue.fixed import Overflow, Quantizer, decode, round_to_code

if TYPE_CHECKING:  # so that the definition, which reads these classes, stands on the standard library
    import numpy as np


@dataclass(frozen=True, slots=True)
class Bounds:
    """A value's least and largest, both included; None where nothing bounds it on that side."""

    low: Fraction | None = None
    high: Fraction | None = None

    @classmethod
    def exactly(cls, value: Fraction) -> Bounds:
        """Of one number."""
        return cls(value, value)

    @classmethod
    def of_codes(cls, low: int | None, high: int | None, fraction_bits: int) -> Bounds:
        """Of the values of codes from `low` to `high`."""
        return cls(*(None if code is None else decode(code, fraction_bits) for code in (low, high)))

    @classmethod
    def of_quantizer(cls, quantizer: Quantizer) -> Bounds:
        """Of what a quantizer lets through, whatever comes in."""
        if quantizer.overflow is Overflow.UNBOUNDED:
            return cls()
        return cls.of_codes(quantizer.min_code, quantizer.max_code, quantizer.format.fraction_bits)

    @property
    def ends(self) -> tuple[Fraction, Fraction] | None:
        """Both ends; None where one is unknown."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def magnitude(self) -> Fraction | None:
        """The largest absolute value; None where an end is unknown."""
        return None if self.ends is None else max(map(abs, self.ends))

    def __neg__(self) -> Bounds:
        return Bounds(None if self.high is None else -self.high, None if self.low is None else -self.low)

    def __add__(self, other: Bounds) -> Bounds:
        return _each_end((self, other), sum)

    def __mul__(self, other: Bounds) -> Bounds:
        """Of the product of two values, each anywhere within its bounds."""
        if self.ends is None or other.ends is None:
            return Bounds()
        corners = [a * b for a in self.ends for b in other.ends]
        return Bounds(min(corners), max(corners))

    def scaled(self, factor: Fraction | int) -> Bounds:
        """Of the value times a known number."""
        ends = (None if end is None else end * factor for end in (self.low, self.high))
        return Bounds(*ends) if factor >= 0 else Bounds(*reversed(list(ends)))

    def divided(self, smallest: Fraction) -> Bounds:
        """Of the value divided by numbers of either sign and an absolute value of at least `smallest`."""
        if self.magnitude is None:
            return Bounds()
        reach = self.magnitude / smallest
        return Bounds(-reach, reach)

    def clipped(self, low: Fraction | None, high: Fraction | None) -> Bounds:
        """Of min(max(value, low), high), where a limit of None limits nothing."""

        def clip(end: Fraction) -> Fraction:
            raised = end if low is None else max(end, low)
            return raised if high is None else min(raised, high)

        least = low if self.low is None else self.low
        return Bounds(
            None if least is None else clip(least),
            high if self.high is None else clip(self.high),
        )

    def quantized(self, quantizer: Quantizer) -> Bounds:
        """Of the value once a quantizer has rounded it and handled its overflow."""
        bits = quantizer.format.fraction_bits
        low, high = (
            None if end is None else round_to_code(end, bits, quantizer.rounding) for end in (self.low, self.high)
        )
        if quantizer.overflow is Overflow.UNBOUNDED:
            return Bounds.of_codes(low, high, bits)
        least, most = quantizer.min_code, quantizer.max_code
        fits = low is not None and high is not None and least <= low and high <= most
        if not fits and quantizer.overflow in (Overflow.WRAP, Overflow.SATURATE_ZERO):
            return Bounds.of_quantizer(quantizer)
        low = least if low is None else min(max(low, least), most)
        high = most if high is None else min(max(high, least), most)
        return Bounds.of_codes(low, high, bits)


def hull(bounds: Iterable[Bounds]) -> Bounds:
    """The narrowest bounds that hold all of `bounds`."""
    found = list(bounds)
    lows, highs = [each.low for each in found], [each.high for each in found]
    return Bounds(
        None if None in lows else min(low for low in lows if low is not None),
        None if None in highs else max(high for high in highs if high is not None),
    )


def total(bounds: Iterable[Bounds]) -> Bounds:
    """Of the sum of values."""
    return _each_end(list(bounds), sum)


def largest(bounds: Iterable[Bounds]) -> Bounds:
    """Of the largest of values."""
    return _each_end(list(bounds), max)


def smallest(bounds: Iterable[Bounds]) -> Bounds:
    """Of the smallest of values."""
    return _each_end(list(bounds), min)


def affine(
    x: Bounds, scale: np.ndarray, scale_fraction_bits: int, offset: np.ndarray, offset_fraction_bits: int
) -> Bounds:
    """Of scale·x + offset over all of their codes: arrays of one axis or more, which broadcast."""
    if x.ends is None:
        return Bounds()
    # Both ends as integers of one unit, so that the arithmetic on arrays is that of integers.
    point = max(end.denominator.bit_length() - 1 for end in x.ends)
    finest = max(point + scale_fraction_bits, offset_fraction_bits)
    scales = scale.astype(object) << finest - point - scale_fraction_bits
    offsets = offset.astype(object) << finest - offset_fraction_bits
    results = [scales * int(end * (1 << point)) + offsets for end in x.ends]
    return Bounds.of_codes(min(each.min() for each in results), max(each.max() for each in results), finest)


def weighted(
    x: Bounds, above: Sequence[int], below: Sequence[int], units: Sequence[Fraction], starts: Sequence[Fraction]
) -> Bounds:
    """Of sums of products, over all of their output channels, for inputs within `x`, some of which may be the 0 of a
    padding.

    above, below: for each channel the sum of its positive weights' codes, and of the absolute values of its negative
    ones'. units: what their last bits count. starts: the channel's bias.
    """
    if x.ends is None:
        return Bounds()
    low, high = min(x.ends[0], Fraction(0)), max(x.ends[1], Fraction(0))
    channels = list(zip(above, below, units, starts, strict=True))
    return Bounds(
        min((plus * low - minus * high) * unit + start for plus, minus, unit, start in channels),
        max((plus * high - minus * low) * unit + start for plus, minus, unit, start in channels),
    )


def _each_end(bounds: Sequence[Bounds], combine: Callable[[list[Fraction]], Fraction | int]) -> Bounds:
    """The lower ends combined, and the upper ends, where all are known."""
    ends = ([each.low for each in bounds], [each.high for each in bounds])
    return Bounds(*(_combined(end, combine) for end in ends))


def _combined(ends: list[Fraction | None], combine: Callable[[list[Fraction]], Fraction | int]) -> Fraction | None:
    known = [end for end in ends if end is not None]
    return Fraction(combine(known)) if len(known) == len(ends) else None
