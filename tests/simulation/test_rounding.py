"""Every rounding and overflow mode is named where codes are rounded: a mode that nobody has taught them is no other
mode in silence."""

from collections.abc import Callable
from enum import Enum
from fractions import Fraction
from typing import Any

import pytest
import torch

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, round_to_code
from bittrue.fixed.tensor import apply_overflow_
from bittrue.simulation.proof import limited_reach
from bittrue.simulation.requantization import limited
from bittrue.simulation.rounding import divide_rounded, doubtful, round_certain, round_resolved


class NewRounding(Enum):
    """A mode that bittrue doesn't have."""

    NEAREST_ODD = "AP_RND_ODD"


class NewOverflow(Enum):
    """A mode that bittrue doesn't have."""

    WRAP_SIGN_MAGNITUDE = "AP_WRAP_SM"


REALS = torch.tensor([-1.5, 0.25, 2.5], dtype=torch.float64)
NUMBERS = torch.arange(-12, 13)

ROUND: dict[str, Callable[[Any], object]] = {
    "quotients": lambda mode: divide_rounded(NUMBERS, torch.tensor(4), mode),
    "certain": lambda mode: round_certain(REALS.clone(), mode),
    "doubtful": lambda mode: doubtful(REALS, 0.0, mode),
    "resolved": lambda mode: round_resolved(REALS, 0.0, mode, lambda cases: [0] * len(cases), "this test"),
}
LIMIT: dict[str, Callable[[Any], object]] = {
    "reach": lambda mode: limited_reach(100, Quantizer(FixedFormat(True, 4, 0), overflow=mode)),
    "bounds": lambda mode: limited(-100, 100, Quantizer(FixedFormat(True, 4, 0), overflow=mode)),
    "codes": lambda mode: apply_overflow_(NUMBERS.clone(), Quantizer(FixedFormat(True, 4, 0), overflow=mode)),
}


@pytest.mark.parametrize("rounding", Rounding, ids=lambda mode: mode.name)
@pytest.mark.parametrize("denominator", [3, 4])
def test_quotients(rounding: Rounding, denominator: int) -> None:
    expected = [round_to_code(Fraction(number, denominator), 0, rounding) for number in NUMBERS.tolist()]
    assert divide_rounded(NUMBERS, torch.tensor(denominator), rounding).tolist() == expected


@pytest.mark.parametrize("rounds", ROUND.values(), ids=ROUND)
def test_an_unknown_rounding_mode_is_loud(rounds: Callable[[Any], object]) -> None:
    for mode in Rounding:
        rounds(mode)
    with pytest.raises(AssertionError, match="NEAREST_ODD"):
        rounds(NewRounding.NEAREST_ODD)


@pytest.mark.parametrize("limits", LIMIT.values(), ids=LIMIT)
def test_an_unknown_overflow_mode_is_loud(limits: Callable[[Any], object]) -> None:
    for mode in Overflow:
        limits(mode)
    with pytest.raises(AssertionError, match="WRAP_SIGN_MAGNITUDE"):
        limits(NewOverflow.WRAP_SIGN_MAGNITUDE)
