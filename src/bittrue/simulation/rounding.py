"""Correct rounding of quotients and of real numbers known to within an error bound."""

from collections.abc import Callable, Sequence

import torch

from bittrue.errors import CarrierError
from bittrue.fixed import Rounding

_TO_GRID = (Rounding.FLOOR, Rounding.TRUNCATE)

Resolve = Callable[[torch.Tensor], Sequence[int]]
"""Takes the flat indices of doubtful elements and returns their exact codes."""


def divide_rounded(numerator: torch.Tensor, denominator: torch.Tensor, rounding: Rounding) -> torch.Tensor:
    """numerator / denominator, rounded to integers; int64, denominators positive, both below 2^61 (the caller's
    proof)."""
    below = torch.div(numerator, denominator, rounding_mode="floor")
    rest = numerator - below * denominator
    if rounding is Rounding.FLOOR:
        return below
    if rounding is Rounding.TRUNCATE:
        return below + ((rest > 0) & (numerator < 0))
    twice = 2 * rest
    up = twice > denominator
    tie = twice == denominator
    if rounding is Rounding.NEAREST_UP:
        up |= tie
    elif rounding is Rounding.NEAREST_EVEN:
        up |= tie & (below % 2 != 0)
    elif rounding is Rounding.NEAREST_AWAY:
        up |= tie & (numerator > 0)
    elif rounding is Rounding.NEAREST_TO_ZERO:
        up |= tie & (numerator < 0)
    return below + up


def round_certain(reals: torch.Tensor, rounding: Rounding) -> torch.Tensor:
    """Real numbers rounded in place where none is a tie (or, for FLOOR and TRUNCATE, where each is on its right
    side)."""
    if rounding is Rounding.FLOOR:
        return reals.floor_()
    return reals.trunc_() if rounding is Rounding.TRUNCATE else reals.round_()


def doubtful(reals: torch.Tensor, error: torch.Tensor | float, rounding: Rounding) -> torch.Tensor:
    """Where a real number within `error` of the given one might round differently."""
    border = reals.round() if rounding in _TO_GRID else reals.floor().add_(0.5)
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
