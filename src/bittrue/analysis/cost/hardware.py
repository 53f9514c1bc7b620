"""Estimates for AMD's UltraScale+ devices: DSP slices for products, block RAMs for arrays.

They follow from widths and counts alone. A tool may do better (products by constants, small ones in logic, a buffer
that is never whole) or worse (control, wider words on the way), so they compare plans, and say no more of a device than
its order of magnitude.
"""

from dataclasses import dataclass
from functools import cache

from bittrue.fixed import FixedFormat, word_length_between

DSP_PORTS = (27, 18)
"""The signed operands of a DSP48E2's multiplier. Source: AMD UG579, UltraScale Architecture DSP Slice."""

PAIRED_WORD = 8
"""Two products that share an operand fit one DSP48E2 where both words have at most so many bits: the two others are put
into the 27 bits of one port, 18 bits apart. Source: AMD WP486, Deep Learning with INT8 Optimization on Xilinx
Devices."""

BRAM_SHAPES = ((72, 512), (36, 1 << 10), (18, 1 << 11), (9, 1 << 12), (4, 1 << 13), (2, 1 << 14), (1, 1 << 15))
"""Width and depth that a RAMB36E2 can have, 72 bits in simple dual port mode. Source: AMD UG573, UltraScale
Architecture Memory Resources."""

DISTRIBUTED_WORDS = 64
"""An array of so many words lies in look-up tables, each of which holds 64 × 1. Source: AMD UG574, UltraScale
Architecture Configurable Logic Block."""


@dataclass(frozen=True)
class Operand:
    """A word that is multiplied."""

    bits: int
    signed: bool

    @classmethod
    def of_codes(cls, low: int, high: int) -> "Operand":
        """The shortest word that holds all codes from `low` to `high`."""
        return cls(word_length_between(low, high), low < 0)

    @classmethod
    def of_format(cls, format: FixedFormat) -> "Operand":
        return cls(format.word_length, format.signed)


def dsps(first: Operand, second: Operand) -> int:
    """DSP48E2 for one product: longer words are cut into pieces, each of whose products takes one.

    A word without a sign needs one bit more on a signed port, and so does every piece below the uppermost one.
    """
    widths = [word.bits + (not word.signed) for word in (first, second)]
    long, short = DSP_PORTS
    return min(
        _pieces(widths[0], long) * _pieces(widths[1], short),
        _pieces(widths[1], long) * _pieces(widths[0], short),
    )


def _pieces(width: int, port: int) -> int:
    return max(-(-(width - 1) // (port - 1)), 1)


def brams(words: int, word_length: int) -> int:
    """RAMB36E2 for one array, a word a cycle: the fewest columns of blocks, of whatever shapes, side by side."""
    if words <= DISTRIBUTED_WORDS:
        return 0
    return _columns(words, word_length)


@cache
def _columns(words: int, width: int) -> int:
    if width <= 0:
        return 0
    return min(-(-words // depth) + _columns(words, width - wide) for wide, depth in BRAM_SHAPES)
