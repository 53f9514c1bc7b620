"""Sets of parameters of `bittrue_divide`, and what the definition makes of their inputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from random import Random

from bittrue.exports.verilog.division import divide_parameters
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.fixed.reference import decode, quantize
from exports.verilog.simulated import Instance


@dataclass(frozen=True)
class Divider:
    """From codes of one format, divided by an integer, to a quantizer's."""

    source: FixedFormat
    divisor: int
    quantizer: Quantizer

    @property
    def parameters(self) -> dict[str, str]:
        to = self.quantizer.format
        return divide_parameters(self.source, self.divisor, self.quantizer, to.word_length)

    @property
    def instance(self) -> Instance:
        widths = self.source.word_length, self.quantizer.format.word_length
        return Instance("bittrue_divide", self.parameters, *widths)

    def expected(self) -> list[int]:
        """The code of each word, as words of the quantizer's length."""
        return [self.code(word) for word in range(1 << self.source.word_length)]

    def code(self, word: int) -> int:
        length = self.source.word_length
        code = word - (1 << length) if self.source.signed and word >> length - 1 else word
        quotient = decode(code, self.source.fraction_bits) / Fraction(self.divisor)
        return quantize(quotient, self.quantizer) & (1 << self.quantizer.format.word_length) - 1


def drawn(count: int, seed: int, longest: int = 8, largest: int = 100) -> list[Divider]:
    """Sums of up to `longest` bits, divisors up to `largest`, and every mode in its turn."""
    random = Random(seed)
    modes = list(product(Rounding, Overflow))
    random.shuffle(modes)
    found = []
    for place in range(count):
        rounding, overflow = modes[place % len(modes)]
        out_fraction = random.randint(-longest, 2 * longest)
        source = FixedFormat(random.random() < 0.5, random.randint(1, longest), out_fraction + random.randint(-8, 6))
        to = FixedFormat(random.random() < 0.5, random.randint(1, longest), out_fraction)
        divisor = random.choice((random.randint(1, 9), random.randint(1, largest)))
        found.append(Divider(source, divisor, Quantizer(to, rounding, overflow)))
    return found


def every(longest: int = 8) -> Iterator[Divider]:
    """Sums of up to `longest` bits by every divisor up to 64, every rounding, the binary point up to two places further
    left and three further right; the limits are `bittrue_requantize`'s."""
    for length, signed, divisor, rounding in product(range(1, longest + 1), (False, True), range(1, 65), Rounding):
        for dropped in range(-2, 4):
            quantizer = Quantizer(FixedFormat(signed, longest, 0), rounding, Overflow.SATURATE)
            yield Divider(FixedFormat(signed, length, dropped), divisor, quantizer)
