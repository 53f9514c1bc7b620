"""How codes are stored outside of bittrue: the narrowest integer of a machine that holds all that a step can make."""

from dataclasses import dataclass

import numpy as np

from bittrue.errors import CarrierError
from bittrue.fixed import word_length_between
from bittrue.program import Step

LARGEST_NUMBER = (1 << 63) - 1
"""What an integer on a machine may reach on either side; −2⁶³ is left out, so that every number has a negative."""


_INT = 32
"""Bits of C's int, as everyone has it; what is narrower becomes one in every expression."""


@dataclass(frozen=True)
class Storage:
    """An integer of 8, 16, 32 or 64 bits."""

    bits: int
    signed: bool

    @property
    def c_type(self) -> str:
        """Its name in C's stdint.h."""
        return f"{'' if self.signed else 'u'}int{self.bits}_t"

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Little-endian, as files hold it."""
        return np.dtype(f"<{'i' if self.signed else 'u'}{self.bits // 8}")


def storage_between(low: int, high: int) -> Storage:
    """The narrowest storage of all integers from `low` to `high`, which must be within 64 bits.

    Of 32 and 64 bits the signed one where it holds them: C computes in those, and needs to convert no sign.
    """
    needed = word_length_between(low, high)
    bits = next(bits for bits in (8, 16, 32, 64) if needed <= bits)
    return Storage(bits, low < 0 or (bits >= _INT and high < 1 << (bits - 1)))


def storage_of(step: Step) -> Storage:
    """The storage of a step's codes.

    Raises: CarrierError where nothing bounds them, or 64 bits don't hold them.
    """
    low, high = step.type.low, step.type.high
    if low is None or high is None:
        raise CarrierError(
            f"site {step.site or step.name}: nothing bounds its codes, and an export needs words of a fixed length; "
            "give the input's site a format that saturates or wraps."
        )
    if low < -LARGEST_NUMBER or high > LARGEST_NUMBER:
        raise CarrierError(
            f"site {step.site or step.name}: its codes need more than 64 bits; give it, or the sites before it, fewer."
        )
    return storage_between(low, high)
