"""Sets of parameters of `bittrue_requantize`, and what the definition makes of their inputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.fixed.reference import requantize
from exports.verilog.simulated import Instance

ROUNDINGS, OVERFLOWS = tuple(Rounding), tuple(Overflow)


@dataclass(frozen=True)
class Requantizer:
    """From codes of one format to a quantizer's."""

    source: FixedFormat
    quantizer: Quantizer

    @property
    def parameters(self) -> dict[str, str]:
        to = self.quantizer.format
        return {
            "IN_WIDTH": str(self.source.word_length),
            "IN_SIGNED": f"1'b{int(self.source.signed)}",
            "IN_FRACTION": str(self.source.fraction_bits),
            "OUT_WIDTH": str(to.word_length),
            "OUT_SIGNED": f"1'b{int(to.signed)}",
            "OUT_FRACTION": str(to.fraction_bits),
            "ROUNDING": str(ROUNDINGS.index(self.quantizer.rounding)),
            "OVERFLOW": str(OVERFLOWS.index(self.quantizer.overflow)),
        }

    @property
    def instance(self) -> Instance:
        widths = self.source.word_length, self.quantizer.format.word_length
        return Instance("bittrue_requantize", self.parameters, *widths)

    def expected(self) -> list[int]:
        """The code of each word, as words of the quantizer's length."""
        length = self.source.word_length
        mask = (1 << self.quantizer.format.word_length) - 1
        return [
            _code(word - (1 << length) if self.source.signed and word >> length - 1 else word, self) & mask
            for word in range(1 << length)
        ]


@cache
def _requantized(code: int, dropped: int, quantizer: Quantizer) -> int:
    return requantize(code, dropped + quantizer.format.fraction_bits, quantizer)


def _code(code: int, requantizer: Requantizer) -> int:
    quantizer = requantizer.quantizer
    return _requantized(code, requantizer.source.fraction_bits - quantizer.format.fraction_bits, quantizer)


def drawn(count: int, seed: int, longest: int = 8) -> list[Requantizer]:
    """Formats of up to `longest` bits, with binary points far outside of the words, and every mode in its turn."""
    random = Random(seed)
    modes = list(product(ROUNDINGS, OVERFLOWS))
    random.shuffle(modes)
    found = []
    for place in range(count):
        rounding, overflow = modes[place % len(modes)]
        in_width, out_width = random.randint(1, longest), random.randint(1, longest)
        out_fraction = random.randint(-longest, 2 * longest)
        dropped = random.randint(-out_width - 3, in_width + 4)
        source = FixedFormat(random.random() < 0.5, in_width, out_fraction + dropped)
        to = FixedFormat(random.random() < 0.5, out_width, out_fraction)
        found.append(Requantizer(source, Quantizer(to, rounding, overflow)))
    return found


def every(longest: int = 8) -> Iterator[Requantizer]:
    """Every pair of formats of up to `longest` bits, every mode, and every distance between the binary points beyond
    which nothing changes."""
    widths = range(1, longest + 1)
    for in_width, out_width, rounding, overflow in product(widths, widths, ROUNDINGS, OVERFLOWS):
        for in_signed, out_signed in product((False, True), repeat=2):
            quantizer = Quantizer(FixedFormat(out_signed, out_width, 0), rounding, overflow)
            for dropped in range(-out_width - 3, in_width + 5):
                yield Requantizer(FixedFormat(in_signed, in_width, dropped), quantizer)
