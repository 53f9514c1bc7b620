"""First and second moments of a layer's inputs and of what its outputs should be.

Inputs are codes and targets are rounded to integers so short that all sums are integers which float64 holds: they are
the same in whatever order and however many images at a time they are added.
Only codes beyond 20 bits are too long for that.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from bittrue.repairs.hessian import Hessian, Matrix, OfRows

_EXACT = {torch.float32: 24, torch.float64: 53}
_ROWS_AT_ONCE = 4096
_TARGET_BITS = 24
"""A float32's: finer than that the targets are not known."""
_COLUMNS = 512
"""Inputs whose products with those before them are summed at a time; the sums of the others are the same."""
_LARGEST_IN_FLOAT64 = 4096


@dataclass(frozen=True, eq=False)
class Seen(ABC):
    """What was seen of a layer's inputs and wanted outputs, in values, a group of channels at a time.

    rows: how many output positions. input_mean: (groups, inputs). target_mean: (groups, outputs), both float64; 0
    about zero, for sums without a bias.
    """

    rows: int
    input_mean: torch.Tensor
    target_mean: torch.Tensor

    @property
    def groups(self) -> int:
        return self.input_mean.shape[0]

    @property
    def inputs(self) -> int:
        return self.input_mean.shape[1]

    @property
    @abstractmethod
    def kind(self) -> torch.dtype:
        """The type to compute weights in."""

    @property
    @abstractmethod
    def power(self) -> torch.Tensor:
        """The mean of the inputs' variances, (groups,)."""

    @abstractmethod
    def about_zero(self) -> "Seen":
        """The same as second moments, with nothing subtracted."""

    @abstractmethod
    def hessian(self, damping: torch.Tensor) -> Hessian:
        """Of the inputs, `damping`, (groups,), added to each one's variance."""

    @abstractmethod
    def fitted(self, trained: torch.Tensor, damping: torch.Tensor) -> torch.Tensor:
        """The weights with the least squared error to the targets, `damping` drawing them to the trained ones."""


@dataclass(frozen=True, eq=False)
class Moments(Seen):
    """Means and covariances in float64.

    covariance: (groups, inputs, inputs); cross: of inputs and targets, (groups, inputs, outputs). variance: of the
    targets, (groups, outputs).
    """

    covariance: torch.Tensor
    cross: torch.Tensor
    variance: torch.Tensor

    @property
    def kind(self) -> torch.dtype:
        return torch.float64 if self.inputs <= _LARGEST_IN_FLOAT64 else torch.float32

    @property
    def power(self) -> torch.Tensor:
        return torch.diagonal(self.covariance, dim1=1, dim2=2).mean(1)

    def hessian(self, damping: torch.Tensor) -> Matrix:
        entries = self.covariance.clone()
        torch.diagonal(entries, dim1=1, dim2=2).add_(damping[:, None])
        return Matrix(entries.to(self.kind))

    def fitted(self, trained: torch.Tensor, damping: torch.Tensor) -> torch.Tensor:
        cross = self.cross.to(self.kind) + damping.to(self.kind)[:, None, None] * trained
        return torch.cholesky_solve(cross, torch.linalg.cholesky(self.hessian(damping).entries)).contiguous()

    def about_zero(self) -> "Moments":
        x, y = self.input_mean, self.target_mean
        return Moments(
            self.rows,
            torch.zeros_like(x),
            torch.zeros_like(y),
            self.covariance + x[:, :, None] * x[:, None, :],
            self.cross + x[:, :, None] * y[:, None, :],
            self.variance + y**2,
        )


@dataclass(frozen=True, eq=False)
class FewRows(Seen):
    """Fewer rows than inputs, all of them: x, (groups, rows, inputs), and y, (groups, rows, outputs), about their
    means, in float32."""

    x: torch.Tensor
    y: torch.Tensor

    @property
    def kind(self) -> torch.dtype:
        return torch.float32

    @property
    def power(self) -> torch.Tensor:
        return self.x.to(torch.float64).square().mean((1, 2))

    def about_zero(self) -> "FewRows":
        x, y = self.input_mean, self.target_mean
        return FewRows(
            self.rows,
            torch.zeros_like(x),
            torch.zeros_like(y),
            (self.x + x[:, None]).to(self.kind),
            (self.y + y[:, None]).to(self.kind),
        )

    def hessian(self, damping: torch.Tensor) -> OfRows:
        return OfRows(self.x / math.sqrt(self.rows), damping.to(self.kind))

    def fitted(self, trained: torch.Tensor, damping: torch.Tensor) -> torch.Tensor:
        x = self.x.to(torch.float64)
        gram = x @ x.mT
        torch.diagonal(gram, dim1=1, dim2=2).add_(self.rows * damping[:, None])
        missing = (self.y - self.x @ trained).to(torch.float64)
        found = self.x.mT @ torch.cholesky_solve(missing, torch.linalg.cholesky(gram)).to(self.kind)
        return found.add_(trained).contiguous()


def are_few(rows: int, inputs: int) -> bool:
    """Whether so many rows are quicker computed with than the second moments of the inputs."""
    return 2 * rows <= inputs


def few_rows(pieces: Iterable[tuple[torch.Tensor, torch.Tensor]], input_fraction_bits: int) -> FewRows:
    """Of the pairs that `moments` takes, too."""
    inputs, targets = (torch.cat(part, dim=1).to(torch.float64) for part in zip(*pieces, strict=True))
    inputs *= 2.0**-input_fraction_bits
    x_mean, y_mean = inputs.mean(1), targets.mean(1)
    x, y = inputs.sub_(x_mean[:, None]), targets.sub_(y_mean[:, None])
    return FewRows(x.shape[1], x_mean, y_mean, x.to(torch.float32), y.to(torch.float32))


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
    inputs = codes.shape[2]
    total = torch.zeros((codes.shape[0], inputs, inputs), dtype=torch.float64)
    columns = [slice(start, min(start + _COLUMNS, inputs)) for start in range(0, inputs, _COLUMNS)]
    for start in range(0, codes.shape[1], rows):
        piece = codes[:, start : start + rows].to(kind)
        for own in columns:
            total[:, : own.stop, own] += piece[:, :, : own.stop].mT @ piece[:, :, own]
    for own in columns:
        total[:, own, : own.start] = total[:, : own.start, own].mT
    return total
