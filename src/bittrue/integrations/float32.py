"""Which quantizers a float32 layer can be: those whose every value float32 holds."""

from bittrue.errors import FormatError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, describe, parse_overflow, parse_rounding

SIGNIFICAND_BITS = 24
MOST_FRACTION_BITS = 100
"""Binary points this far from the units leave float32 (exponents −126 to 127) room for every step in between."""


def float32_quantizer(
    word_length: int, fraction_bits: int, signed: bool, rounding: Rounding | str, overflow: Overflow | str
) -> Quantizer:
    """The quantizer with these arguments; modes may be named as bittrue or AMD names them.

    Raises: FormatError for a format that doesn't exist, or with values that float32 doesn't hold.
    """
    quantizer = Quantizer(
        FixedFormat(signed, word_length, fraction_bits),
        parse_rounding(rounding) if isinstance(rounding, str) else rounding,
        parse_overflow(overflow) if isinstance(overflow, str) else overflow,
    )
    check_float32(quantizer)
    return quantizer


def check_float32(quantizer: Quantizer) -> None:
    """Refuse a quantizer whose values don't all fit float32.

    An UNBOUNDED one of any word length fits: what it gives is the float32 that it is given, or one with fewer bits.
    """
    if abs(quantizer.format.fraction_bits) > MOST_FRACTION_BITS:
        raise FormatError(
            f"{describe(quantizer)} has a binary point out of float32's reach: a layer in float32 takes from "
            f"{-MOST_FRACTION_BITS} to {MOST_FRACTION_BITS} fraction bits."
        )
    if quantizer.overflow is not Overflow.UNBOUNDED and quantizer.format.max_code >> SIGNIFICAND_BITS:
        longest = SIGNIFICAND_BITS + quantizer.format.signed
        raise FormatError(
            f"{describe(quantizer)} has values that float32 doesn't hold: a layer in float32 takes words of at most "
            f"{longest} bits {'with' if quantizer.format.signed else 'without'} a sign, or UNBOUNDED overflow."
        )
