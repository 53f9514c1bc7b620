"""Correct rounding of quotients and of real numbers known to within an error bound."""

from collections.abc import Callable, Sequence
from typing import assert_never

import torch

from bittrue.errors import CarrierError
from bittrue.fixed import Quantizer, Rounding
from bittrue.fixed.tensor import round_shift_

Resolve = Callable[[torch.Tensor], Sequence[int]]
"""Takes the flat indices of doubtful elements and returns their exact codes."""


def divide_rounded(numerator: torch.Tensor, denominator: torch.Tensor, rounding: Rounding) -> torch.Tensor:
    """numerator / denominator, rounded to integers; int64, denominators positive, both below 2^61 (the caller's
    proof)."""
    below = torch.div(numerator, denominator, rounding_mode="floor")
    rest = numerator - below * denominator
    match rounding:
        case Rounding.FLOOR:
            return below
        case Rounding.TRUNCATE:
            return below + ((rest > 0) & (numerator < 0))
        case Rounding.NEAREST_UP:
            return below + (2 * rest >= denominator)
        case Rounding.NEAREST_DOWN:
            return below + (2 * rest > denominator)
        case Rounding.NEAREST_EVEN:
            up_at_tie = below % 2 != 0
        case Rounding.NEAREST_AWAY:
            up_at_tie = numerator > 0
        case Rounding.NEAREST_TO_ZERO:
            up_at_tie = numerator < 0
        case _:
            assert_never(rounding)
    twice = 2 * rest
    return below + ((twice > denominator) | ((twice == denominator) & up_at_tie))


def round_to_(codes: torch.Tensor, fraction_bits: int, quantizer: Quantizer) -> torch.Tensor:
    """Codes of `fraction_bits` rounded in place to those of a quantizer, not yet limited."""
    return round_shift_(codes, fraction_bits - quantizer.format.fraction_bits, quantizer.rounding)


def round_certain(reals: torch.Tensor, rounding: Rounding) -> torch.Tensor:
    """Real numbers rounded in place where none is a tie (or, for FLOOR and TRUNCATE, where each is on its right
    side)."""
    match rounding:
        case Rounding.FLOOR:
            return reals.floor_()
        case Rounding.TRUNCATE:
            return reals.trunc_()
        case (
            Rounding.NEAREST_EVEN
            | Rounding.NEAREST_UP
            | Rounding.NEAREST_DOWN
            | Rounding.NEAREST_AWAY
            | Rounding.NEAREST_TO_ZERO
        ):
            return reals.round_()
        case _:
            assert_never(rounding)


def doubtful(reals: torch.Tensor, error: torch.Tensor | float, rounding: Rounding) -> torch.Tensor:
    """Where a real number within `error` of the given one might round differently."""
    match rounding:
        case Rounding.FLOOR | Rounding.TRUNCATE:
            border = reals.round()
        case (
            Rounding.NEAREST_EVEN
            | Rounding.NEAREST_UP
            | Rounding.NEAREST_DOWN
            | Rounding.NEAREST_AWAY
            | Rounding.NEAREST_TO_ZERO
        ):
            border = reals.floor().add_(0.5)
        case _:
            assert_never(rounding)
    return (reals - border).abs_() <= error


def round_resolved(
    reals: torch.Tensor, error: torch.Tensor | float, rounding: Rounding, resolve: Resolve, what: str
) -> torch.Tensor:
    """Correctly rounded codes of real numbers that are known to within `error`; `resolve` decides the doubtful ones
    exactly."""
    if not bool(torch.isfinite(reals).all()):
        raise CarrierError(f"{what}: a result is beyond float64's range; give the site fewer fraction bits.")
    open_cases = doubtful(reals, error, rounding).reshape(-1).nonzero().squeeze(-1)
    rounded = round_certain(reals.clone(memory_format=torch.contiguous_format), rounding)
    if open_cases.numel():
        codes = resolve(open_cases)
        if any(abs(code) > 1 << 53 for code in codes):
            raise CarrierError(f"{what}: a code needs more than 53 bits; give the site fewer fraction bits.")
        rounded.view(-1)[open_cases] = torch.tensor(codes, dtype=torch.float64)
    return rounded
