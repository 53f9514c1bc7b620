"""Numbers of an instruction that are multiples of a power of two, such as the bounds of a clip."""

from fractions import Fraction

from bittrue.errors import BittrueError
from bittrue.program import Step


def fraction_bits_of(number: Fraction) -> int:
    """F of a dyadic number: its denominator is 2^F, and has F + 1 bits."""
    return number.denominator.bit_length() - 1


def code_of(number: Fraction, fraction_bits: int, step: Step) -> int:
    """The code of a number at F; raises BittrueError, which names the step, where it has none."""
    scaled = number * Fraction(2) ** fraction_bits
    if scaled.denominator != 1:
        raise BittrueError(f"Step '{step.name}' uses {number}, which has no code; give its site a format.")
    return scaled.numerator
