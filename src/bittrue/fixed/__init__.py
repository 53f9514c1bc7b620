"""What a fixed-point number is: formats, notation, and the definition in Python integers.

The same bits on torch are in `bittrue.fixed.tensor`, which is imported by name so that this package stays light.
"""

from bittrue.fixed.format import (
    FixedFormat,
    Overflow,
    Quantizer,
    Rounding,
    parse_overflow,
    parse_rounding,
    word_length_between,
)
from bittrue.fixed.notation import (
    describe,
    parse_quantizer,
    quantizer_from_json,
    quantizer_to_json,
    to_ap_fixed,
    to_fxpmath,
    to_matlab,
    to_q,
)
from bittrue.fixed.reference import decode, overflow_code, overflows, quantize, requantize, round_to_code

__all__ = [
    "FixedFormat",
    "Overflow",
    "Quantizer",
    "Rounding",
    "decode",
    "describe",
    "overflow_code",
    "overflows",
    "parse_overflow",
    "parse_quantizer",
    "parse_rounding",
    "quantize",
    "quantizer_from_json",
    "quantizer_to_json",
    "requantize",
    "round_to_code",
    "to_ap_fixed",
    "to_fxpmath",
    "to_matlab",
    "to_q",
    "word_length_between",
]
