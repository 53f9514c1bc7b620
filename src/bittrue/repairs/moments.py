"""First and second moments of a layer's inputs and of what its outputs should be.

Inputs are codes and targets are rounded to integers so short that all sums are integers which float64 holds: they are
the same in whatever order and however many images at a time they are added.
Only codes beyond 20 bits are too long for that.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

_EXACT = {torch.float32: 24, torch.float64: 53}
_ROWS_AT_ONCE = 4096
_TARGET_BITS = 24
"""A float32's: finer than that the targets are not known."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Means and covariances in values, a group of channels at a time, in float64.

    rows: how many output positions were seen. input_mean: (groups, inputs). target_mean: (groups, outputs).
    covariance: (groups, inputs, inputs); cross: of inputs and targets, (groups, inputs, outputs). variance: of the
    targets, (groups, outputs). Where `centred` is False the means are 0: moments about 0, for sums without a bias.
    """

    rows: int
    input_mean: torch.Tensor
    target_mean: torch.Tensor
    covariance: torch.Tensor
    cross: torch.Tensor
    variance: torch.Tensor

    def about_zero(self) -> "Moments":
        """The same as second moments, with nothing subtracted."""
        x, y = self.input_mean, self.target_mean
        return Moments(
            self.rows,
            torch.zeros_like(x),
            torch.zeros_like(y),
            self.covariance + x[:, :, None] * x[:, None, :],
            self.cross + x[:, :, None] * y[:, None, :],
            self.variance + y**2,
        )


def target_bits(rows: int, input_bound: int, target_bound: float) -> int:
    """Fraction bits of targets up to `target_bound` with which sums over `rows` products are exact in float64."""
    room = _EXACT[torch.float64] - math.ceil(math.log2(max(rows, 1))) - max(input_bound, 1).bit_length()
    squares = (_EXACT[torch.float64] - math.ceil(math.log2(max(rows, 1)))) // 2
    length = max(min(room, squares, _TARGET_BITS), 1)
    return length - math.frexp(max(target_bound, 2.0**-100))[1]


def moments(
    pieces: Iterable[tuple[torch.Tensor, torch.Tensor]],
    rows: int,
    input_bound: int,
    input_fraction_bits: int,
    target_bound: float,
) -> Moments:
    """Of pairs (codes of the inputs, targets), (groups, rows, inputs) and (groups, rows, outputs).

    input_bound: the largest absolute code; target_bound: the largest absolute target; rows: how many come.
    """
    bits = target_bits(rows, input_bound, target_bound)
    kind = _kind(input_bound)
    seen = 0
    sums: list[torch.Tensor] | None = None
    for codes, targets in pieces:
        x, y = codes.to(torch.float64), (targets.to(torch.float64) * 2.0**bits).round()
        new = [x.sum(1), y.sum(1), _gram(codes, input_bound, kind), x.mT @ y, (y * y).sum(1)]
        sums = new if sums is None else [old.add_(more) for old, more in zip(sums, new, strict=True)]
        seen += codes.shape[1]
    if sums is None:
        raise ValueError("moments of nothing")
    x_unit, y_unit = 2.0**-input_fraction_bits, 2.0**-bits
    x_mean, y_mean = sums[0] / seen, sums[1] / seen
    covariance = (sums[2] / seen).sub_(x_mean[:, :, None] * x_mean[:, None, :]).mul_(x_unit**2)
    cross = (sums[3] / seen - x_mean[:, :, None] * y_mean[:, None, :]) * (x_unit * y_unit)
    variance = (sums[4] / seen - y_mean**2) * y_unit**2
    return Moments(seen, x_mean * x_unit, y_mean * y_unit, covariance, cross, variance.clamp_(min=0))


def _kind(bound: int) -> torch.dtype:
    """The type in which a worthwhile number of products of codes is summed exactly."""
    return torch.float32 if (bound**2) * _ROWS_AT_ONCE <= 1 << _EXACT[torch.float32] else torch.float64


def _gram(codes: torch.Tensor, bound: int, kind: torch.dtype) -> torch.Tensor:
    """Σ xᵀx over the rows, exactly where the codes have up to 20 bits."""
    rows = max((1 << _EXACT[kind]) // max(bound, 1) ** 2, _ROWS_AT_ONCE)
    total = torch.zeros((codes.shape[0], codes.shape[2], codes.shape[2]), dtype=torch.float64)
    for start in range(0, codes.shape[1], rows):
        piece = codes[:, start : start + rows].to(kind)
        total += piece.mT @ piece
    return total
