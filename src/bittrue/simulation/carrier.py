"""The carriers of codes, and the proof that one holds every number of a computation exactly (B14).

A float carrier holds integers: float32 all up to 2^24, float64 all up to 2^53. A sum of products whose absolute values
add up to less than that limit is exact in every order, fused multiply-add or not, because every partial sum is an
integer within it.
"""

from enum import Enum
from fractions import Fraction
from math import log2

import torch

from bittrue.errors import CarrierError
from bittrue.fixed.format import LARGEST_WORD_LENGTH

_FARTHEST_POWER = 900
_FARTHEST_FACTOR = 200


class Carrier(Enum):
    """Where codes travel. The value is (name, bits): integers of absolute value < 2^bits are held exactly.

    PYTHON, NumPy arrays of Python integers, is the last resort: slow, and limited only so that numbers that grow
    without end are found out.
    """

    FLOAT32 = ("float32", 24)
    FLOAT64 = ("float64", 53)
    INT64 = ("int64", 62)
    PYTHON = ("Python integers", LARGEST_WORD_LENGTH)

    @property
    def label(self) -> str:
        return self.value[0]

    @property
    def bits(self) -> int:
        return self.value[1]

    @property
    def dtype(self) -> torch.dtype:
        return _DTYPES[self]

    @classmethod
    def of(cls, tensor: torch.Tensor) -> "Carrier":
        """The one that a tensor of codes is."""
        return next(carrier for carrier, dtype in _DTYPES.items() if dtype == tensor.dtype)

    def factor(self, shift: int) -> int:
        """2^shift for a shift to the left. Farther than the carrier is wide only zeros are shifted, and stay zeros."""
        return 1 << min(shift, self.bits)

    def holds(self, bound: float) -> bool:
        """Whether integers of absolute value ≤ bound are held exactly; the limit is strict (bound < 2^bits), as the
        rule has it."""
        return bool(bound < 1 << self.bits)


_DTYPES = {
    Carrier.FLOAT32: torch.float32,
    Carrier.FLOAT64: torch.float64,
    Carrier.INT64: torch.int64,
}

CARRIERS = frozenset(_DTYPES.values())
"""torch's types of the carriers."""


def carrier_for(bound: int, what: str, *, widest: Carrier = Carrier.INT64) -> Carrier:
    """The narrowest carrier for integers of absolute value ≤ bound; raises CarrierError that names `what`.

    Unless `widest` says otherwise it is one of torch's carriers, and the error tells the simulator to go on in Python
    integers.
    """
    for carrier in Carrier:
        if carrier.bits <= widest.bits and carrier.holds(bound):
            return carrier
    raise CarrierError(
        f"{what}: its numbers can need {bound.bit_length() + 1} bits, more than the {widest.bits + 1} "
        "of the widest carrier, so no exact result can be promised; give it, or a site before it, fewer bits."
    )


def power_of_two(exponent: int, what: str) -> float:
    """2^exponent as a factor in float64, with which no code leaves its normal range; CarrierError beyond that."""
    if abs(exponent) > _FARTHEST_POWER:
        raise CarrierError(
            f"{what}: its binary point is {abs(exponent)} bits away, more than float64 can move it; give it, or a site "
            "before it, a format with fewer."
        )
    return 2.0**exponent


def nearest_float(number: Fraction, what: str) -> float:
    """A number rounded to float64, so that the product of a few stays in its normal range; CarrierError where it might
    not."""
    magnitude = abs(number.numerator).bit_length() - number.denominator.bit_length()
    if number and abs(magnitude) > _FARTHEST_FACTOR:
        raise CarrierError(f"{what}: a number near 2^{magnitude} is beyond what is computed in float64.")
    return float(number)


def bound_bits(bound: int) -> float:
    """log2 of a bound, as reports print it; 0 for a bound of 0 or 1."""
    if bound <= 1:
        return 0.0
    excess = max(bound.bit_length() - 60, 0)
    return log2(bound >> excess) + excess
