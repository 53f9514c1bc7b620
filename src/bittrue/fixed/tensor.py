"""Rounding and overflow on torch tensors: the bits of `bittrue.fixed.reference`, fast.

Codes are integers and travel in a *carrier*, a tensor of float32, float64 or int64 that holds each exactly (rule B14).
What is said here of float carriers needs |code| ≤ 2^24 (float32) or 2^53 (float64) for every code that comes in; the
caller proves it. Functions whose name ends in an underscore work in place and return their argument. A zero in a float
carrier may be negative, which no comparison and no conversion to integers sees.
"""

import math
from typing import assert_never

import torch
from torch import Tensor

from bittrue.errors import CarrierError, FormatError
from bittrue.fixed.format import Overflow, Quantizer, Rounding

_CARRIER_LIMITS: dict[torch.dtype, tuple[int, int]] = {
    torch.float32: (-(2**24), 2**24),
    torch.float64: (-(2**53), 2**53),
    torch.int64: (-(2**63), 2**63 - 1),
}
_LARGEST_EXPONENT = {torch.float32: 127, torch.float64: 1023}
_FLOAT64_LIMIT = 2**53


def round_shift_(codes: Tensor, shift: int, rounding: Rounding) -> Tensor:
    """codes · 2^(−shift), rounded to integers, in place on any carrier.

    A negative shift multiplies; in a float carrier the result, too, must be within the carrier's limits. Raises
    CarrierError where an int64 result would not fit.
    """
    limits = _carrier_limits(codes)
    if shift == 0:
        return codes
    if codes.dtype == torch.int64:
        return _shift_left_(codes, -shift) if shift < 0 else _round_shift_integers_(codes, shift, rounding)
    if shift < 0:
        # Only zeros may be shifted this far; the clamp keeps them from becoming 0 · ∞.
        return _multiply_by_power_(codes, min(-shift, _LARGEST_EXPONENT[codes.dtype]))
    bits = limits[1].bit_length() - 1
    if shift <= bits and rounding in (Rounding.NEAREST_UP, Rounding.NEAREST_DOWN):
        # Of these codes ⌊x + ½⌋ is exact. Where the carrier rounds the sum, code + 2^(shift−1) lies between 2^bits and
        # its double and goes to an even neighbour. That is wrong only from one below a multiple of 2^shift; and the
        # first such number beyond 2^bits would come from a code beyond 2^bits. Past `bits` shifts it is not exact.
        codes.mul_(2.0**-shift)
        return codes.add_(0.5).floor_() if rounding is Rounding.NEAREST_UP else codes.sub_(0.5).ceil_()
    # Two bits past the carrier's last, every value is less than one half away from zero and rounds as it would farther
    # on; without the clamp 2^(−shift) could vanish.
    return scale_and_round_(codes, -min(shift, bits + 2), rounding)


def apply_overflow_(codes: Tensor, quantizer: Quantizer) -> Tensor:
    """The quantizer's overflow mode on rounded codes, in place on any carrier.

    Raises CarrierError where a code would wrap to one that the carrier doesn't hold.
    """
    lowest, highest = _carrier_limits(codes)
    match quantizer.overflow:
        case Overflow.UNBOUNDED:
            pass
        case Overflow.SATURATE | Overflow.SATURATE_SYMMETRIC:
            if quantizer.min_code > lowest or quantizer.max_code < highest:
                codes.clamp_(max(quantizer.min_code, lowest), min(quantizer.max_code, highest))
        case Overflow.SATURATE_ZERO:
            for outside in _outside(codes, quantizer):
                codes.masked_fill_(outside, 0)
        case Overflow.WRAP:
            if _outside(codes, quantizer):
                if quantizer.max_code > highest:
                    raise CarrierError(
                        f"A negative code wraps beyond what {codes.dtype} holds in an unsigned word of "
                        f"{quantizer.format.word_length} bits; use a signed or a shorter word."
                    )
                _wrap_(codes, quantizer)
        case _:
            assert_never(quantizer.overflow)
    return codes


def count_overflows(codes: Tensor, quantizer: Quantizer) -> int:
    """How many rounded codes, before the overflow mode, lie outside the quantizer's limits.

    One pass where none does. Exact for any integers in a float64 carrier, beyond 2^53 as well.
    """
    return sum(int(torch.count_nonzero(outside)) for outside in _outside(codes, quantizer))


def quantize(values: Tensor, quantizer: Quantizer) -> Tensor:
    """The codes, in float64, of real values in float32 or float64: every float is an exact number.

    An UNBOUNDED code may exceed 2^53 and is exact all the same, since it is then a value times a power of two. Raises
    FormatError for NaN and infinity (and for other types), CarrierError for a code that float64 doesn't hold.
    """
    if values.dtype not in (torch.float32, torch.float64):
        raise FormatError(f"A tensor of {values.dtype} can't be quantized; convert it to float32 or float64 first.")
    low, high = extremes(values)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise FormatError("NaN and infinity have no fixed-point code; find and remove them where the values come from.")
    fraction_bits = quantizer.format.fraction_bits
    codes = values.detach().to(torch.float64, copy=True)
    code_exponent = math.frexp(max(-low, high))[1] + fraction_bits
    # FLOOR is the one mode that sees the difference between zero and a product that underflows to it.
    can_underflow = fraction_bits < 0 and quantizer.rounding is Rounding.FLOOR
    if code_exponent > 53 or abs(fraction_bits) > 1000 or can_underflow:
        return _quantize_far(codes, quantizer)
    return apply_overflow_(scale_and_round_(codes, fraction_bits, quantizer.rounding), quantizer)


def decode(codes: Tensor, fraction_bits: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """The values codes · 2^(−fraction_bits) in a new tensor of float64, or of float32 rounded to nearest even.

    Raises CarrierError where float64 doesn't hold a code or its value.
    """
    if codes.dtype == dtype == torch.float32 and abs(fraction_bits) <= 100:
        return codes * 2.0**-fraction_bits
    if codes.dtype == torch.int64:
        low, high = extremes(codes)
        if max(-low, high) > _FLOAT64_LIMIT:
            raise CarrierError("A code of more than 53 bits has no exact float64 value; decode it as an integer.")
    values = _multiply_by_power_(codes.to(torch.float64, copy=True), -fraction_bits)
    # Within 960 bits no code of 53 bits can leave float64's normal range.
    if abs(fraction_bits) > 960 and not torch.equal(_multiply_by_power_(values.clone(), fraction_bits), codes.double()):
        raise CarrierError(f"A value with {fraction_bits} fraction bits is out of float64's range; use fewer of them.")
    return values.to(dtype)


def _carrier_limits(codes: Tensor) -> tuple[int, int]:
    """The lowest and the highest integer up to which the carrier holds every one."""
    try:
        return _CARRIER_LIMITS[codes.dtype]
    except KeyError:
        raise CarrierError(f"Codes don't travel in {codes.dtype}; use float32, float64 or int64.") from None


def extremes(numbers: Tensor) -> tuple[float, float]:
    """The least and the greatest number (Python integers for int64); both 0 for none, NaN where there is one."""
    if numbers.numel() == 0:
        return 0, 0
    low, high = torch.aminmax(numbers.detach())
    return low.item(), high.item()


def _outside(codes: Tensor, quantizer: Quantizer) -> list[Tensor]:
    """Masks of the codes below and of those above the limits, each only where there are some."""
    low, high = extremes(codes)
    number = int if codes.dtype == torch.int64 else float
    masks = []
    # A float may not hold the limits themselves, but it holds a power of two: the word's lowest code, and one more than
    # its highest. A code below symmetric limits is the word's lowest code or lies below it.
    if low < quantizer.min_code:
        lowest = number(quantizer.format.min_code)
        masks.append(codes < lowest if quantizer.min_code == quantizer.format.min_code else codes <= lowest)
    if high > quantizer.max_code:
        masks.append(codes >= number(quantizer.max_code + 1))
    return masks


def _multiply_by_power_(values: Tensor, exponent: int) -> Tensor:
    """values · 2^exponent in steps that float64 holds; exact unless the product overflows or is subnormal."""
    while exponent:
        step = max(-1000, min(1000, exponent))
        values.mul_(2.0**step)
        exponent -= step
    return values


def scale_and_round_(values: Tensor, exponent: int, rounding: Rounding) -> Tensor:
    """values · 2^exponent rounded to integers, in as few passes as are exact for every real value in a float tensor.

    ⌊x + ½⌋ is not: the sum is rounded itself where x has all the bits that a float has, as for the number just below
    one half. Doubling is exact, and the integers next to 2x decide every tie: ⌈⌊2x⌋/2⌉ is x rounded with ties up.
    """
    match rounding:
        case Rounding.NEAREST_EVEN:
            return _multiply_by_power_(values, exponent).round_()
        case Rounding.NEAREST_UP:
            return _multiply_by_power_(values, exponent + 1).floor_().mul_(0.5).ceil_()
        case Rounding.NEAREST_DOWN:
            return _multiply_by_power_(values, exponent + 1).ceil_().mul_(0.5).floor_()
        case Rounding.NEAREST_AWAY:
            doubled = _multiply_by_power_(values, exponent + 1).trunc_()
            return doubled.sub_(torch.mul(doubled, 0.5).trunc_())
        case Rounding.NEAREST_TO_ZERO:
            # The fraction is exact, and rounding it to even sends exactly one half to zero.
            whole = _multiply_by_power_(values, exponent).trunc()
            return values.sub_(whole).round_().add_(whole)
        case Rounding.FLOOR:
            return _multiply_by_power_(values, exponent).floor_()
        case Rounding.TRUNCATE:
            return _multiply_by_power_(values, exponent).trunc_()


def _round_shift_integers_(codes: Tensor, shift: int, rounding: Rounding) -> Tensor:
    """int64 codes · 2^(−shift) for shift > 0, from the bits that are shifted out; exact for every int64."""
    if rounding is Rounding.FLOOR:
        return codes.bitwise_right_shift_(min(shift, 63))
    if shift > 64:
        return codes.zero_()
    half = codes.bitwise_right_shift(shift - 1).bitwise_and_(1).bool()
    rest = codes.bitwise_and((1 << (shift - 1)) - 1).bool()
    negative = codes < 0
    codes.bitwise_right_shift_(min(shift, 63))
    match rounding:
        case Rounding.NEAREST_EVEN:
            upwards = half & (rest | codes.bitwise_and(1).bool())
        case Rounding.NEAREST_UP:
            upwards = half
        case Rounding.NEAREST_DOWN:
            upwards = half & rest
        case Rounding.NEAREST_AWAY:
            upwards = half & (rest | ~negative)
        case Rounding.NEAREST_TO_ZERO:
            upwards = half & (rest | negative)
        case Rounding.TRUNCATE:
            upwards = negative & (half | rest)
        case _:
            assert_never(rounding)
    return codes.add_(upwards)


def _shift_left_(codes: Tensor, shift: int) -> Tensor:
    """int64 codes · 2^shift for shift > 0, checked before it runs."""
    lowest, highest = _CARRIER_LIMITS[torch.int64]
    low, high = (int(extreme) for extreme in extremes(codes))
    if low == high == 0:
        return codes
    if low << shift < lowest or high << shift > highest:
        raise CarrierError(f"Codes from {low} to {high} don't fit 64 bits when shifted left by {shift}.")
    return codes.bitwise_left_shift_(shift)


def _wrap_(codes: Tensor, quantizer: Quantizer) -> Tensor:
    """The low W bits of codes, for limits that the carrier holds."""
    word_length, signed = quantizer.format.word_length, quantizer.format.signed
    if codes.dtype == torch.int64:
        codes.bitwise_and_((1 << word_length) - 1)
        sign = 1 << (word_length - 1)
        return codes.bitwise_xor_(sign).sub_(sign) if signed else codes
    # The multiple of 2^W taken away is exact, and so is the difference: an integer within the limits.
    rounding = Rounding.NEAREST_UP if signed else Rounding.FLOOR
    turns = scale_and_round_(codes.clone(), -word_length, rounding)
    return codes.sub_(_multiply_by_power_(turns, word_length))


def _quantize_far(values: Tensor, quantizer: Quantizer) -> Tensor:
    """`quantize` where codes may exceed 2^53, or scaling may overflow or underflow; float64 values."""
    scaled = _multiply_by_power_(values.clone(), quantizer.format.fraction_bits)
    codes = scale_and_round_(scaled.clone(), 0, quantizer.rounding)
    # From 2^52 on every float64 is an integer, and doubling it to round could overflow.
    codes = torch.where(scaled.abs() >= 2.0**52, scaled, codes)
    if quantizer.rounding is Rounding.FLOOR:
        codes.masked_fill_((values < 0) & (scaled == 0), -1)
    infinite = codes.isinf()
    if quantizer.overflow is Overflow.UNBOUNDED or quantizer.max_code > _FLOAT64_LIMIT:
        bounded = quantizer.overflow is not Overflow.UNBOUNDED
        if infinite.any() or (bounded and _outside(codes, quantizer)):
            raise CarrierError(
                f"A code in a word of {quantizer.format.word_length} bits with {quantizer.format.fraction_bits} "
                "fraction bits is beyond what float64 holds exactly; use fewer fraction bits or a shorter word."
            )
        return codes
    if quantizer.overflow is Overflow.WRAP:
        # Codes of 2^1024 and more are multiples of 2^971, their floats having 53 bits: the low bits are zeros.
        codes.masked_fill_(infinite, 0)
    return apply_overflow_(codes, quantizer)
