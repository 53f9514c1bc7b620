"""Division by a constant as a product and a shift, proven for every numerator that can come.

Granlund and Montgomery, "Division by Invariant Integers using Multiplication", PLDI 1994: with m = ⌈2^s / d⌉ and
e = m·d − 2^s, ⌊n·m / 2^s⌋ = ⌊n/d⌋ + ⌊(r + e·n/2^s) / d⌋ where r = n mod d, so it is the quotient as long as
e·n < 2^s for the largest n whose remainder is d − 1; a smaller remainder leaves more room.
"""

from dataclasses import dataclass

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding


@dataclass(frozen=True)
class Reciprocal:
    """⌊n / divisor⌋ = n · multiplier >> shift, for every n from 0 to `largest`."""

    divisor: int
    largest: int
    multiplier: int
    shift: int

    @property
    def proven(self) -> bool:
        """Whether the equation holds for every n that is promised."""
        error = self.multiplier * self.divisor - (1 << self.shift)
        worst = (self.largest + 1) // self.divisor * self.divisor - 1
        return error >= 0 and (worst < 0 or error * worst < 1 << self.shift) and _rest_holds(self, error)


def _rest_holds(reciprocal: Reciprocal, error: int) -> bool:
    """The last numerators, whose remainders are less than the divisor's greatest."""
    n = reciprocal.largest
    room = reciprocal.divisor - n % reciprocal.divisor
    return error * n < room << reciprocal.shift


def reciprocal_of(divisor: int, largest: int) -> Reciprocal:
    """The shortest product that divides every number from 0 to `largest` by a divisor above 0.

    One exists: with 2^s above largest · divisor the error e, which is below the divisor, is small enough.
    """
    for shift in range((largest * divisor).bit_length() + 1):
        found = Reciprocal(divisor, largest, -(-(1 << shift) // divisor), shift)
        if found.proven:
            return found
    raise AssertionError(f"no product divides numbers up to {largest} by {divisor}")


def divide_parameters(source: FixedFormat, divisor: int, quantizer: Quantizer, out_width: int) -> dict[str, str]:
    """The parameters of `bittrue_divide`, as Verilog writes them, for every word of `source`.

    out_width: the quantizer's word length, or what holds every code where it is UNBOUNDED.
    """
    missing = quantizer.format.fraction_bits - source.fraction_bits
    magnitude = max(-source.min_code, source.max_code) << max(missing, 0)
    found = reciprocal_of(divisor << max(-missing, 0), magnitude)
    width = found.multiplier.bit_length()
    return {
        "IN_WIDTH": str(source.word_length),
        "IN_SIGNED": f"1'b{int(source.signed)}",
        "IN_FRACTION": str(source.fraction_bits),
        "DIVISOR": str(divisor),
        "MULTIPLIER_WIDTH": str(width),
        "MULTIPLIER": f"{width}'h{found.multiplier:x}",
        "SHIFT": str(found.shift),
        "OUT_WIDTH": str(out_width),
        "OUT_SIGNED": f"1'b{int(quantizer.format.signed)}",
        "OUT_FRACTION": str(quantizer.format.fraction_bits),
        "ROUNDING": str(tuple(Rounding).index(quantizer.rounding)),
        "OVERFLOW": str(tuple(Overflow).index(quantizer.overflow)),
    }
