"""What a quantizer does to the numbers it takes in: how many leave its limits, become 0, or change at all."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, assert_never

import numpy as np

from bittrue.analysis.tracing.trace_result import Event
from bittrue.fixed import Overflow, Quantizer, Rounding, decode, overflow_code
from bittrue.fixed.integers import apply_overflow

KEPT_SHARE = 0.9
"""The share of numbers that is to stay above 0 where all would be too much to ask, as of a layer's weights."""

_FATE = {
    Overflow.SATURATE: "saturated",
    Overflow.SATURATE_ZERO: "saturated",
    Overflow.SATURATE_SYMMETRIC: "saturated",
    Overflow.WRAP: "wrapped",
    Overflow.UNBOUNDED: "would have overflowed",
}


@dataclass(frozen=True, eq=False)
class Exact:
    """Numbers before a quantizer: codes with `fraction_bits`, or float64 numbers (None).

    approximate: whether they are rounded themselves, having no finite code.
    """

    numbers: np.ndarray
    fraction_bits: int | None
    approximate: bool = False

    @property
    def values(self) -> np.ndarray:
        """As float64."""
        if self.fraction_bits is None:
            return self.numbers
        if self.numbers.dtype == object:
            found: np.ndarray = (self.numbers * (Fraction(2) ** -self.fraction_bits)).astype(np.float64)
            return found
        reals: np.ndarray = np.ldexp(self.numbers.astype(np.float64), -self.fraction_bits)
        return reals

    def text(self, place: tuple[int, ...]) -> str:
        number = self.numbers[place]
        value = Fraction(float(number)) if self.fraction_bits is None else decode(int(number), self.fraction_bits)
        return f"≈{float(value):.6g}" if self.approximate else str(value)


class QuantizerCounts:
    """The counts of one quantizer (one a channel for some weights) over all that was added."""

    def __init__(self, quantizers: Sequence[Quantizer], parameter: tuple[int, ...] | None = None) -> None:
        """quantizers: one, or one a channel. parameter: the shape of one, whose rows are then added; None for data."""
        self._parameter = parameter
        self.quantizer = quantizers[0]
        self.overflow = _FATE[self.quantizer.overflow]
        self.values = self.altered = self.overflowed = self.zeroed = self.nonzero = 0
        self.by_channel: np.ndarray | None = None
        self.first_overflow: Event | None = None
        self.first_zero: Event | None = None
        self.low = self.high = 0.0
        self._quantizers = quantizers
        self._signal: list[float] = []  # an entry an image, so that no sum depends on the batches
        self._noise: list[float] = []
        self._needs: Counter[int] = Counter()

    def add(self, exact: Exact, rounded: np.ndarray, first: int, product: int | None = None) -> int:
        """Count numbers (images, …, channels) and their rounded codes, not yet limited; returns how many were altered.

        first: the number of the image that the first axis begins with; of parameters, that of the row. product: see
        Event.
        """
        if not rounded.size:
            return 0
        outside, after = self._limited(rounded)
        nonzero = exact.numbers != 0
        zeroed = nonzero & (rounded == 0)
        altered = _differs(exact, rounded, self._fraction_bits)
        if self.quantizer.overflow is not Overflow.UNBOUNDED:
            altered |= outside
        if outside.any() and self.first_overflow is None:
            self.first_overflow = self._event(exact, after, outside, first, product)
        if zeroed.any() and self.first_zero is None:
            self.first_zero = self._event(exact, after, zeroed, first, product)
        values = exact.values
        low, high = float(values.min()), float(values.max())
        self.low, self.high = (min(low, self.low), max(high, self.high)) if self.values else (low, high)
        self.values += rounded.size
        self.overflowed += int(np.count_nonzero(outside))
        self.zeroed += int(np.count_nonzero(zeroed))
        self.nonzero += int(np.count_nonzero(nonzero))
        self._add_channels(outside, zeroed)
        difference = _reals(after, self._fraction_bits) - values
        self._signal += np.square(values).reshape(len(values), -1).sum(1).tolist()
        self._noise += np.square(difference).reshape(len(values), -1).sum(1).tolist()
        self._add_needs(values[nonzero])
        changed = int(np.count_nonzero(altered))
        self.altered += changed
        return changed

    @property
    def _fraction_bits(self) -> np.ndarray | int:
        bits = [quantizer.format.fraction_bits for quantizer in self._quantizers]
        return bits[0] if len(bits) == 1 else np.array(bits)

    @property
    def noise(self) -> float:
        """The squared changes over the squared numbers."""
        signal = math.fsum(self._signal)
        return math.fsum(self._noise) / signal if signal > 0 else 0.0

    @property
    def keeps(self) -> tuple[int | None, int | None]:
        """The fewest fraction bits that keep KEPT_SHARE of the numbers, and all of them, from becoming 0."""
        needs = sorted(self._needs.items())
        if not needs:
            return None, None
        total, so_far = sum(self._needs.values()), 0
        for bits, number in needs:
            so_far += number
            if so_far >= KEPT_SHARE * total:
                return bits, needs[-1][0]
        raise AssertionError("the last one reaches every share")

    def channel_counts(self, row: int) -> tuple[int, ...]:
        """Of row 0, overflowed, or 1, zeroed; empty where none are."""
        if self.by_channel is None or not self.by_channel[row].any():
            return ()
        return tuple(self.by_channel[row].tolist())

    def _limited(self, rounded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if len(self._quantizers) == 1:
            outside = (rounded < self.quantizer.min_code) | (rounded > self.quantizer.max_code)
            if not outside.any():
                return outside, rounded
            wide = rounded.astype(object) if self.quantizer.format.word_length > 60 else rounded
            return outside, apply_overflow(wide, self.quantizer)
        lows, highs = (np.array([getattr(q, end) for q in self._quantizers]) for end in ("min_code", "max_code"))
        outside = (rounded < lows) | (rounded > highs)
        after = rounded
        if outside.any():
            after = rounded.astype(object)
            for place in zip(*np.nonzero(outside), strict=True):
                after[place] = overflow_code(int(after[place]), self._quantizers[place[-1]])
        return outside, after

    def _add_channels(self, outside: np.ndarray, zeroed: np.ndarray) -> None:
        if not outside.shape:
            return
        found = np.stack([mask.reshape(-1, mask.shape[-1]).sum(0) for mask in (outside, zeroed)])
        self.by_channel = found if self.by_channel is None else self.by_channel + found

    def _add_needs(self, values: np.ndarray) -> None:
        """The fraction bits from which on each number is not rounded to 0."""
        needs = needed_bits(values, self.quantizer.rounding)
        if needs.size:
            least = int(needs.min())
            for offset, number in enumerate(np.bincount(needs - least).tolist()):
                if number:
                    self._needs[least + offset] += number

    def _event(self, exact: Exact, after: np.ndarray, mask: np.ndarray, first: int, product: int | None) -> Event:
        place = tuple(int(i) for i in np.unravel_index(int(mask.argmax()), mask.shape))
        bits = self._quantizers[place[-1] if len(self._quantizers) > 1 else 0].format.fraction_bits
        became = str(decode(int(after[place]), bits))
        if self._parameter is not None:
            flat = (first + place[0]) * mask.shape[-1] + place[-1]
            index = tuple(int(i) for i in np.unravel_index(flat, self._parameter))
            return Event(None, index, exact.text(place), became)
        return Event(first + place[0], place[1:], exact.text(place), became, product)


def needed_bits(values: np.ndarray, rounding: Rounding) -> np.ndarray:
    """For each number, none of them 0, how many fraction bits keep it from becoming 0: int64, negative ones too.

    A tie counts as lost in every mode to the nearest, even in one that takes it away from 0, and a negative number as
    lost to FLOOR where TRUNCATE loses it.
    """
    significands, exponents = np.frexp(values)
    match rounding:
        case Rounding.FLOOR | Rounding.TRUNCATE:
            needs = 1 - exponents
        case (
            Rounding.NEAREST_EVEN
            | Rounding.NEAREST_UP
            | Rounding.NEAREST_DOWN
            | Rounding.NEAREST_AWAY
            | Rounding.NEAREST_TO_ZERO
        ):
            halves = np.abs(significands) == 0.5  # which may go to 0, and all smaller ones do
            needs = halves - exponents
        case _:
            assert_never(rounding)
    return np.asarray(needs, np.int64)


def _differs(exact: Exact, rounded: np.ndarray, fraction_bits: np.ndarray | int) -> np.ndarray:
    """Where rounding changed a number."""
    if exact.approximate:
        return np.ones(rounded.shape, np.bool_)
    found: Any
    if exact.fraction_bits is None or isinstance(fraction_bits, np.ndarray):
        found = _reals(rounded, fraction_bits) != exact.values
    elif exact.fraction_bits <= fraction_bits:
        found = np.zeros(rounded.shape, np.bool_)
    else:
        shift = exact.fraction_bits - fraction_bits
        codes = rounded if rounded.dtype == object or shift <= 62 else rounded.astype(object)
        if codes.dtype != object:
            codes = codes.astype(np.int64)
        found = (codes << shift) != exact.numbers
    return np.asarray(found, np.bool_)


def _reals(codes: np.ndarray, fraction_bits: np.ndarray | int) -> np.ndarray:
    reals: np.ndarray = np.ldexp(codes.astype(np.float64), -np.asarray(fraction_bits))
    return reals
