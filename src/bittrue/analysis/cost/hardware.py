"""Estimates for families of devices: multipliers for products, memory blocks for arrays.

They follow from widths and counts alone, by the rules by which Yosys 0.23 maps both, so that an estimate and a
synthesis can be compared (`benchmarks/synthesis.py`). Another tool may do better (products by constants, two small ones
in one slice) or worse (a multiplier for products that Yosys makes of logic), so they compare plans, and say no more of
a device than its order of magnitude.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from bittrue.fixed import FixedFormat, word_length_between

BLOCK_SHAPES = ((36, 1 << 9), (18, 1 << 10), (9, 1 << 11), (4, 1 << 12), (2, 1 << 13), (1, 1 << 14))
"""Width and depth of a memory block of 18 Kbit, be it half of a RAMB36E2 or a DP16KD; 36 bits where one port reads and
the other writes. Sources: AMD UG573, UltraScale Architecture Memory Resources; Lattice FPGA-TN-02204, ECP5 and ECP5-5G
Memory Usage Guide."""


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

    @property
    def width(self) -> int:
        """On a signed port, where a word without a sign needs one bit more."""
        return self.bits + (not self.signed)


@dataclass(frozen=True)
class Logic:
    """What an array costs as logic and look-up tables, in the units in which a block costs `Family.block_cost`.

    constant: of a bit that is never written. words, bits: what a cell of a written array holds. cell: what one costs,
    whole or, where `scaled`, by the bits of it that are used.
    """

    constant: Fraction
    words: int
    bits: int
    cell: int
    scaled: bool

    def cost(self, words: int, width: int, *, written: bool) -> Fraction:
        if not written:
            return words * width * self.constant
        columns = Fraction(width, self.bits) if self.scaled else Fraction(-(-width // self.bits))
        rows = -(-words // self.words)
        # Yosys counts half a unit for each bit of the choice between the rows.
        return rows * columns * self.cell + Fraction(width * (rows - 1), 2)


@dataclass(frozen=True)
class Family:
    """multiplier, memory: as the vendor calls them. ports: the signed operands of a multiplier, the longer first.
    piece: the bits of which a longer operand is cut. least: products of fewer bits in all are logic. halves: blocks of
    18 Kbit in one memory. block_cost: of such a block against `logic`, and what it costs where two are one memory."""

    multiplier: str
    memory: str
    ports: tuple[int, int]
    piece: int
    least: int
    halves: int
    block_cost: int
    pair_cost: int
    logic: Logic

    def multipliers(self, first: Operand, second: Operand) -> int:
        """How many one product takes: each operand that is longer than its port is cut into pieces."""
        short, long = sorted((first.width, second.width))
        if short < 2 or short + long < self.least:
            return 0
        return self._pieces(long, self.ports[0]) * self._pieces(short, self.ports[1])

    def _pieces(self, width: int, port: int) -> int:
        return 1 + max(-(-(width - port) // self.piece), 0)

    @cache  # noqa: B019  # families are constants
    def memories(self, words: int, width: int, *, written: bool) -> float:
        """How many one array takes, a word a cycle: blocks of one shape side by side, where that is cheaper than logic
        for this or for a shorter word. Rows of blocks that are not written share blocks, whose words are as long as
        several of the array's.

        A longer word may be cheaper as logic than a shorter one, since it fills its blocks worse; it is counted like
        the shorter one, so that no longer word ever takes less. written: the array is not a constant.
        """
        return max(self._blocks(words, bits, written=written) for bits in range(1, width + 1)) / self.halves

    def _blocks(self, words: int, width: int, *, written: bool) -> int:
        rows = ((-(-words // depth), wide) for wide, depth in BLOCK_SHAPES)
        found = min(row * -(-width // wide) if written else -(-row * width // wide) for row, wide in rows)
        cost = found // 2 * self.pair_cost + found % 2 * self.block_cost
        return found if self.logic.cost(words, width, written=written) >= cost else 0


ULTRASCALE = Family(
    multiplier="DSP48E2",
    memory="RAMB36E2",
    ports=(27, 18),
    piece=17,
    least=9,
    halves=2,
    block_cost=129,
    pair_cost=257,
    logic=Logic(constant=Fraction(1, 64), words=64, bits=7, cell=16, scaled=True),
)
"""AMD's UltraScale+. Sources: UG579, UltraScale Architecture DSP Slice; Yosys' mul2dsp.v as synth_xilinx calls it
(pieces of 17 bits, and one that fills the port), and its lutrams_xcu.txt and brams_xc4v.txt."""

ECP5 = Family(
    multiplier="MULT18X18D",
    memory="DP16KD",
    ports=(19, 19),
    piece=18,
    least=0,
    halves=1,
    block_cost=128,
    pair_cost=256,
    logic=Logic(constant=Fraction(1, 16), words=16, bits=4, cell=4, scaled=False),
)
"""Lattice's ECP5. Sources: FPGA-TN-02205, ECP5 and ECP5-5G sysDSP Usage Guide (18 by 18 bits; a last bit that is left
over is logic); Yosys' mul2dsp.v as synth_ecp5 calls it, and its lutrams.txt and brams.txt."""
