"""What becomes of an exact result: rounded to its site's format, then the overflow mode (B3, B4)."""

from bittrue.exports.verilog.draft import Draft, Parameter
from bittrue.exports.verilog.flow import Flow, signed_width
from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.program import Bounds, CodeType

ROUNDINGS = {mode: place for place, mode in enumerate(Rounding)}
OVERFLOWS = {mode: place for place, mode in enumerate(Overflow)}
"""The numbers that the modules know the modes by."""


def quantized_bounds(bounds: Bounds, quantizer: Quantizer) -> tuple[int, int]:
    """What the codes lie between once numbers within known bounds are quantized."""
    bounds = bounds.quantized(quantizer)
    kind = CodeType.within((), quantizer.format.fraction_bits, bounds)
    assert kind.low is not None  # as both ends are known
    assert kind.high is not None
    return kind.low, kind.high


def word_of(quantizer: Quantizer, low: int, high: int) -> tuple[int, bool]:
    """The bits of a quantizer's codes, which lie between `low` and `high`, and whether they are in two's complement."""
    if quantizer.overflow is Overflow.UNBOUNDED:
        return signed_width(low, high), True
    return quantizer.format.word_length, quantizer.format.signed


def requantized(draft: Draft, x: Flow, quantizer: Quantizer | None) -> Flow:
    """`x` in the quantizer's format; itself without one, and where nothing is rounded and nothing can overflow."""
    if quantizer is None:
        return x
    low, high = quantized_bounds(Bounds.of_codes(x.low, x.high, x.fraction_bits), quantizer)
    bits = quantizer.format.fraction_bits
    if (bits, low, high) == (x.fraction_bits, x.low, x.high):
        return x
    width, signed = word_of(quantizer, low, high)
    held = draft.flow("held", x.fraction_bits, x.low, x.high)
    draft.stage("register", {"WIDTH": x.width}, x, held)
    code = draft.fresh("code")
    draft.line(f"logic [{width - 1}:0] {code};")
    parameters: dict[str, Parameter] = {
        "IN_WIDTH": x.width,
        "IN_SIGNED": 1,
        "IN_FRACTION": x.fraction_bits,
        "OUT_WIDTH": width,
        "OUT_SIGNED": int(signed),
        "OUT_FRACTION": bits,
        "ROUNDING": ROUNDINGS[quantizer.rounding],
        "OVERFLOW": OVERFLOWS[quantizer.overflow],
    }
    draft.instance("requantize", parameters, {"value": held.data, "code": code})
    text = f"$signed({code})" if signed else f"$signed({{1'b0, {code}}})"
    return draft.renamed(held, "rounded", text, bits, low, high)
