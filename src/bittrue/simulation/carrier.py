"""The carriers of codes, and the proof that one holds every number of a computation exactly (B14).

A float carrier holds integers: float32 all up to 2^24, float64 all up to 2^53. A sum of products whose absolute values
add up to less than that limit is exact in every order, fused multiply-add or not, because every partial sum is an
integer within it.
"""

from enum import Enum
from math import log2

import torch

from bittrue.errors import CarrierError
from bittrue.fixed.format import LARGEST_WORD_LENGTH


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


_DTYPES = {
    Carrier.FLOAT32: torch.float32,
    Carrier.FLOAT64: torch.float64,
    Carrier.INT64: torch.int64,
}


def carrier_for(bound: int, what: str, *, widest: Carrier = Carrier.INT64) -> Carrier:
    """The narrowest carrier for integers of absolute value ≤ bound; raises CarrierError that names `what`.

    The limit is strict (bound < 2^bits), as the rule has it. Unless `widest` says otherwise it is one of torch's
    carriers, and the error tells the simulator to go on in Python integers.
    """
    for carrier in Carrier:
        if bound < 1 << carrier.bits and carrier.bits <= widest.bits:
            return carrier
    raise CarrierError(
        f"{what}: its numbers can need {bound.bit_length() + 1} bits, more than the {widest.bits + 1} "
        "of the widest carrier, so no exact result can be promised; give it, or a site before it, fewer bits."
    )


def bound_bits(bound: int) -> float:
    """log2 of a bound, as reports print it; 0 for a bound of 0 or 1."""
    if bound <= 1:
        return 0.0
    excess = max(bound.bit_length() - 60, 0)
    return log2(bound >> excess) + excess
