"""The quantizer at the end of a step: on real numbers at the door, and on what a kernel returns."""

from typing import assert_never

import torch

from bittrue.errors import CarrierError, FormatError
from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.fixed.tensor import apply_overflow_, count_overflows, quantize, round_shift_
from bittrue.program import CodeType, Step
from bittrue.simulation import wide
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.values import Codes, Result, Value

_MOST_SCALED = 60
"""Numbers and scales below 2^60 leave float32 room to hold their product."""


def quantize_reals(x: torch.Tensor, step: Step, what: str) -> tuple[Value, int]:
    """float32 numbers, the input's or those that FLOAT computes, by the step's quantizer, if it has one."""
    if step.quantizer is None:
        return Codes(x, None, 0, 0), 0
    try:
        return _quantize_on_torch(x, step.type, step.quantizer, what)
    except FormatError as error:
        raise FormatError(f"{what}: {error}") from None
    except CarrierError:
        return wide.quantize_wide(x.numpy(), step.type, step.quantizer, what)


def _quantize_on_torch(x: torch.Tensor, kind: CodeType, quantizer: Quantizer, what: str) -> tuple[Codes, int]:
    codes, low, high = _rounded_reals(x, quantizer)
    outside = 0
    if low < quantizer.min_code or high > quantizer.max_code:
        outside = count_overflows(codes, quantizer)
        codes = quantize(x, quantizer)
        low, high = _extremes(codes)
    carrier = carrier_for(max(abs(low), abs(high)), what)
    return Codes(codes.to(carrier.dtype), kind.fraction_bits, low, high), outside


def _rounded_reals(x: torch.Tensor, quantizer: Quantizer) -> tuple[torch.Tensor, int, int]:
    """float32 numbers as rounded codes, not yet limited, with the least and the largest of them."""
    bits = quantizer.format.fraction_bits
    if quantizer.rounding is Rounding.NEAREST_EVEN and abs(bits) <= _MOST_SCALED:
        least, most = (float(end) for end in torch.aminmax(x)) if x.numel() else (0.0, 0.0)
        if max(-least, most) < 2.0**_MOST_SCALED:  # false for NaN, which aminmax passes on
            # Scaling by a power of two is exact here, or leaves a number far below one half, which rounds to 0 all the
            # same.
            return torch.mul(x, 2.0**bits).round_(), round(least * 2.0**bits), round(most * 2.0**bits)
    codes = quantize(x, Quantizer(quantizer.format, quantizer.rounding, Overflow.UNBOUNDED))
    return codes, *_extremes(codes)


def finish(result: Result, step: Step, *, may_overwrite: bool) -> tuple[Value, int]:
    """The step's quantizer on a kernel's result; codes that the bounds show to be in place are left alone."""
    if not wide.fits_torch(result, step):
        return wide.finish_result(result, step)
    quantizer = step.quantizer
    tensor, low, high = result.tensor, result.low, result.high
    if quantizer is None:
        if not result.tight and (step.type.low is None or step.type.high is None):
            # Of sums over sums the bounds would be the batches' own; the reported proof is for all data alike.
            low, high = _extremes(tensor)
        return _on_carrier(tensor, step, low, high), 0
    shift = 0 if result.rounded else step.exact.binary_point - quantizer.format.fraction_bits
    if shift < 0:
        low, high = low << -shift, high << -shift
        carrier = carrier_for(max(abs(low), abs(high)), step.name)
        if carrier.dtype != tensor.dtype and carrier.bits > Carrier.of(tensor).bits:
            tensor, may_overwrite = tensor.to(carrier.dtype), True
    if shift:
        tensor = round_shift_(tensor if may_overwrite else tensor.clone(), shift, quantizer.rounding)
        may_overwrite = True
        if shift > 0:
            low, high = low >> shift, -(-high >> shift)
    unlimited = quantizer.overflow is Overflow.UNBOUNDED
    if (result.tight or not unlimited) and quantizer.min_code <= low and high <= quantizer.max_code:
        return _on_carrier(tensor, step, low, high), 0
    least, most = _extremes(tensor)
    outside = 0
    if least < quantizer.min_code or most > quantizer.max_code:
        outside = count_overflows(tensor, quantizer)
        if not unlimited:
            if quantizer.overflow is Overflow.WRAP:
                # In an unsigned word a small negative code wraps to a large one.
                carrier = carrier_for(quantizer.max_code, step.name)
                if carrier.bits > Carrier.of(tensor).bits:
                    tensor, may_overwrite = tensor.to(carrier.dtype), True
            tensor = apply_overflow_(tensor if may_overwrite else tensor.clone(), quantizer)
        least, most = limited(least, most, quantizer)
    if unlimited and result.tight:
        least, most = low, high  # as where none overflows, so that the peak is the same in batches of any size
    return _on_carrier(tensor, step, least, most), outside


def limited(least: int, most: int, quantizer: Quantizer) -> tuple[int, int]:
    """Bounds of codes from `least` to `most` after the overflow mode, some of them having overflowed."""
    inside = (
        min(max(least, quantizer.min_code), quantizer.max_code),
        min(max(most, quantizer.min_code), quantizer.max_code),
    )
    match quantizer.overflow:
        case Overflow.UNBOUNDED:
            return least, most
        case Overflow.SATURATE | Overflow.SATURATE_SYMMETRIC:
            return inside
        case Overflow.SATURATE_ZERO:
            return min(inside[0], 0), max(inside[1], 0)
        case Overflow.WRAP:
            return quantizer.min_code, quantizer.max_code
        case _:
            assert_never(quantizer.overflow)


def _on_carrier(tensor: torch.Tensor, step: Step, low: int, high: int) -> Codes:
    """The codes on the narrowest carrier that their bounds allow."""
    carrier = carrier_for(max(abs(low), abs(high)), step.name)
    return Codes(tensor.to(carrier.dtype), step.type.fraction_bits, low, high)


def _extremes(codes: torch.Tensor) -> tuple[int, int]:
    if not codes.numel():
        return 0, 0
    low, high = torch.aminmax(codes)
    return int(low), int(high)
