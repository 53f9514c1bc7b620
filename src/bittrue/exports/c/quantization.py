"""What becomes of an exact result in C: rounded to its site's format, then the overflow mode (B3, B4).

Nothing is written that the bounds prove to be idle: no rounding of what has no bits to lose, no limit that no code can
reach.
"""

from fractions import Fraction

from bittrue.exports.c.draft import Draft, Number
from bittrue.exports.c.integers import literal, width_of
from bittrue.exports.storage import LARGEST_NUMBER
from bittrue.fixed import Overflow, Quantizer, Rounding, round_to_code


def requantized(draft: Draft, number: Number, quantizer: Quantizer | None) -> Number:
    """`number` in the quantizer's format; itself without a quantizer.

    Raises: CarrierError where 64 bits don't hold it.
    """
    if quantizer is None:
        return number
    shift = number.fraction_bits - quantizer.format.fraction_bits
    if shift <= 0:
        return _widened(draft, number, -shift, quantizer)
    return limited(draft, _rounded(draft, number, shift, quantizer), quantizer)


def divided(draft: Draft, dividend: Number, divisor: Number, quantizer: Quantizer) -> Number:
    """dividend / divisor rounded to the quantizer's format and limited; the divisor is above 0.

    The quotient of the codes has F = F_dividend − F_divisor; what is missing to the quantizer's F is put on top or
    below. Raises: CarrierError where 64 bits don't hold that.
    """
    missing = quantizer.format.fraction_bits - (dividend.fraction_bits - divisor.fraction_bits)
    if missing > 0:
        dividend = draft.shifted(dividend, dividend.fraction_bits + missing)
    elif missing < 0:
        divisor = draft.shifted(divisor, divisor.fraction_bits - missing)
    bits = quantizer.format.fraction_bits
    ends = [
        round_to_code(Fraction(above, below), 0, quantizer.rounding)
        for above in (dividend.low, dividend.high)
        for below in (max(divisor.low, 1), divisor.high)
    ]
    width = max(dividend.width, divisor.width)
    text = draft.call("divide", width, dividend.cast(width), divisor.cast(width), rounding=quantizer.rounding)
    quotient = draft.variable(_in(text, width, min(ends), max(ends)), bits, min(ends), max(ends))
    return limited(draft, quotient, quantizer)


def limited(draft: Draft, number: Number, quantizer: Quantizer) -> Number:
    """The quantizer's overflow mode on a rounded code."""
    least, most = quantizer.min_code, quantizer.max_code
    if quantizer.overflow is Overflow.UNBOUNDED or (least <= number.low and number.high <= most):
        return number
    width = max(number.width, width_of(least, most))
    draft.type_for(least, most)
    x = number.cast(width)
    low, high = max(least, min(number.low, most)), min(most, max(number.high, least))
    match quantizer.overflow:
        case Overflow.SATURATE | Overflow.SATURATE_SYMMETRIC:
            text = draft.call("saturate", width, x, literal(least), literal(most))
        case Overflow.SATURATE_ZERO:
            text = draft.call("saturate_zero", width, x, literal(least), literal(most))
            low, high = min(low, 0), max(high, 0)
        case Overflow.WRAP:
            text = _wrap(draft, x, width, quantizer.format.word_length, quantizer)
            low, high = least, most
    return draft.variable(_in(text, width, low, high), number.fraction_bits, low, high)


def _rounded(draft: Draft, number: Number, shift: int, quantizer: Quantizer) -> Number:
    bits = quantizer.format.fraction_bits
    low, high = (round_to_code(Fraction(end, 1 << shift), 0, quantizer.rounding) for end in (number.low, number.high))
    if low == high:
        return Number(literal(low), bits, low, high)
    width = 32 if number.width == 32 and shift < 32 else 64
    if quantizer.rounding is Rounding.FLOOR:
        text = draft.call("floor_shift", width, number.cast(width), str(shift))
    else:
        text = draft.call("shift", width, number.cast(width), str(shift), rounding=quantizer.rounding)
    return draft.variable(_in(text, width, low, high), bits, low, high)


def _widened(draft: Draft, number: Number, shift: int, quantizer: Quantizer) -> Number:
    """More fraction bits: exact, so that only the overflow mode is left."""
    bits = quantizer.format.fraction_bits
    least, most = quantizer.min_code, quantizer.max_code
    if quantizer.overflow is Overflow.UNBOUNDED or max(-number.low, number.high) << shift <= LARGEST_NUMBER:
        return limited(draft, draft.shifted(number, bits), quantizer)
    # The product has too many bits: the mode decides on the code before it.
    kind = draft.type_for(least, most)
    length = quantizer.format.word_length - shift
    if quantizer.overflow is Overflow.WRAP:
        if length <= 0:
            return draft.zero(bits)
        text = _wrap(draft, number.cast(64), 64, length, quantizer)
        return draft.variable(f"({kind}){text} * {literal(1 << shift)}", bits, least, most)
    lowest, highest = -(-least >> shift), most >> shift  # the codes whose product stays inside
    below, above = (0, 0) if quantizer.overflow is Overflow.SATURATE_ZERO else (least, most)
    product = f"{number.to(kind)} * {literal(1 << shift)}" if shift < 63 else "0"
    x = number.cast(number.width)
    chosen = f"{x} < {literal(lowest)} ? {literal(below)} : {x} > {literal(highest)} ? {literal(above)} : {product}"
    return draft.variable(chosen, bits, least, most)


def _wrap(draft: Draft, x: str, width: int, length: int, quantizer: Quantizer) -> str:
    kept = "signed" if quantizer.format.signed else "unsigned"
    return draft.call(f"wrap_{kept}", width, x, str(length))


def _in(text: str, width: int, low: int, high: int) -> str:
    """`text`, of `width` bits, in the type of a variable between `low` and `high`."""
    return f"(int32_t){text}" if width == 64 and width_of(low, high) == 32 else text
