"""Integers cut into digits of at most eight bits, so that integer units multiply them.

A digit is held with its zero point added, in eight bits without a sign: unsigned digits have the zero point 0 and lie
in [0, 2^bits), signed ones have half of that range as zero point and are balanced around 0. A number is Σ digit_i ·
2^(bits·i), so a product of two numbers is the sum of the products of their digits, each shifted to its place.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

LARGEST_DIGIT = 8
_MOST_DIGITS = 4
_PIECE = 1 << 16
"""Weights cut at once: what is made of them on the way stays in the processor's cache."""


@dataclass(frozen=True)
class Digits:
    """A cut: `count` digits of `bits` bits each, the lowest first."""

    count: int
    bits: int
    signed: bool

    @property
    def zero_point(self) -> int:
        return 1 << self.bits - 1 if self.signed else 0

    @property
    def offset(self) -> int:
        """What is added to a number so that the bits of the sum are its digits with their zero points."""
        return sum(self.zero_point << self.bits * place for place in range(self.count))

    @property
    def places(self) -> tuple[int, ...]:
        """The exponent of each digit's power of two."""
        return tuple(self.bits * place for place in range(self.count))

    @property
    def range(self) -> tuple[int, int]:
        """The least and the largest number that the cut holds."""
        return -self.offset, (1 << self.bits * self.count) - 1 - self.offset

    def ends(self, low: int, high: int) -> list[tuple[int, int]]:
        """For each digit the least and the largest that numbers from low to high can have."""
        whole = -self.zero_point, (1 << self.bits) - 1 - self.zero_point
        top = self.places[-1]
        # The digits below the top are a number of their own, which can take all its values.
        first, last = (number + self.offset >> top for number in (low, high))
        return [*[whole] * (self.count - 1), (first - self.zero_point, last - self.zero_point)]

    def cut(self, codes: torch.Tensor) -> list[torch.Tensor]:
        """Each digit plus its zero point, in uint8, of numbers within the range on any carrier."""
        if self.count == 1:
            return [(codes + self.offset if self.offset else codes).to(torch.uint8)]
        whole = torch.int32 if self.bits * self.count < 32 else torch.int64
        moved = codes.to(whole) + self.offset
        mask = (1 << self.bits) - 1
        # A conversion to eight bits keeps the low ones.
        digits = [moved >> place if place else moved for place in self.places]
        return [(digit if self.bits == LARGEST_DIGIT else digit & mask).to(torch.uint8) for digit in digits]


def digits_for(low: int, high: int, bits: int, *, signed: bool) -> Digits | None:
    """The fewest digits of so many bits that hold all numbers from low to high; None where it takes more than four."""
    for count in range(1, _MOST_DIGITS + 1):
        cut = Digits(count, bits, signed)
        if cut.range[0] <= low and high <= cut.range[1]:
            return cut
    return None


def cut_weights(codes: np.ndarray, cut: Digits) -> Iterator[np.ndarray]:
    """Each signed digit of the weights, in int8 of their shape."""
    flat = np.ascontiguousarray(codes).reshape(-1)
    whole = np.dtype(np.int32 if cut.bits * cut.count < 31 else np.int64)
    for place in cut.places:
        digit = np.empty(flat.shape, np.int8)
        for start in range(0, flat.size, _PIECE):
            piece = flat[start : start + _PIECE].astype(whole) + cut.offset
            digit[start : start + _PIECE] = (piece >> place & (1 << cut.bits) - 1) - cut.zero_point
        yield digit.reshape(codes.shape)
