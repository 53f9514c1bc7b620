"""The second moments by which errors of weights are judged: as a matrix, or, where fewer rows than inputs were seen, as
these rows.

A dense layer of 9,216 inputs and some hundred images has a matrix of that rank, plus the damping. Whatever is solved
with it is solved in as many dimensions as there are rows (Woodbury's identity), and nothing has inputs × inputs
entries.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import torch

BLOCK = 64
"""Inputs that are rounded before all others are looked at in one product."""


class Slopes(Protocol):
    """Half of what the error falls by, to first order, where the weights grow, kept up while they move."""

    def of(self, block: slice) -> torch.Tensor:
        """(groups, inputs of the block, outputs), which the caller may change."""

    def moved(self, block: slice, by: torch.Tensor) -> None:
        """The weights of these inputs have grown by so much."""


class Compensation(Protocol):
    """Targets of which block after block is rounded, those that follow re-fitted to what was lost."""

    def refitted(self, block: slice) -> torch.Tensor:
        """What the next block's inputs are to come near to, (groups, inputs of the block, outputs); may be changed."""

    def rounded(self, block: slice, values: torch.Tensor, errors: torch.Tensor) -> None:
        """The block has these values; errors: each input's, divided by its diagonal entry of `Factor.upper`."""


class Factor(Protocol):
    """What a compensation needs of the moments alone, computed once; inputs in the order in which they are rounded."""

    def upper(self, block: slice) -> torch.Tensor:
        """A block of the upper factor U of the inverse UᵀU, that on its diagonal, (groups, inputs, inputs)."""

    def begun(self, target: torch.Tensor) -> Compensation:
        """target: (groups, inputs, outputs), its inputs in order."""


class Hessian(ABC):
    """Positive definite, (groups, inputs, inputs)."""

    @property
    @abstractmethod
    def diagonal(self) -> torch.Tensor:
        """(groups, inputs)."""

    @abstractmethod
    def work(self, outputs: int) -> int:
        """Multiplications of one pass over the codes of so many outputs a group."""

    @abstractmethod
    def times(self, weights: torch.Tensor) -> torch.Tensor:
        """The product with (groups, inputs, outputs)."""

    @abstractmethod
    def block(self, block: slice) -> torch.Tensor:
        """The entries of these inputs with one another."""

    @abstractmethod
    def slopes(self, off: torch.Tensor) -> Slopes:
        """For weights that are `off` below their target, (groups, inputs, outputs)."""

    @abstractmethod
    def factor(self, order: torch.Tensor) -> Factor:
        """order: of the inputs, (groups, inputs)."""


@dataclass(frozen=True, eq=False)
class Matrix(Hessian):
    """All entries."""

    entries: torch.Tensor

    @property
    def diagonal(self) -> torch.Tensor:
        return torch.diagonal(self.entries, dim1=1, dim2=2)

    def work(self, outputs: int) -> int:
        return self.entries.numel() * outputs

    def times(self, weights: torch.Tensor) -> torch.Tensor:
        return self.entries @ weights

    def block(self, block: slice) -> torch.Tensor:
        return self.entries[:, block, block]

    def slopes(self, off: torch.Tensor) -> Slopes:
        return _MatrixSlopes(self.entries, self.entries @ off)

    def factor(self, order: torch.Tensor) -> Factor:
        rows = torch.gather(self.entries, 1, order[:, :, None].expand(self.entries.shape))
        ordered = torch.gather(rows, 2, order[:, None, :].expand(self.entries.shape))
        # H = R·Rᵀ with R upper, from the Cholesky factor of H with its inputs the other way round; then R⁻¹ is it.
        reversed_factor = torch.linalg.cholesky(ordered.flip(1, 2)).flip(1, 2)
        unit = torch.eye(reversed_factor.shape[1], dtype=reversed_factor.dtype).expand_as(reversed_factor)
        return _MatrixFactor(torch.linalg.solve_triangular(reversed_factor, unit, upper=True))


@dataclass(frozen=True, eq=False)
class _MatrixSlopes:
    entries: torch.Tensor
    now: torch.Tensor

    def of(self, block: slice) -> torch.Tensor:
        return self.now[:, block].clone()

    def moved(self, block: slice, by: torch.Tensor) -> None:
        self.now.sub_(self.entries[:, block].mT @ by)  # symmetric, and rows lie together


@dataclass(frozen=True, eq=False)
class _MatrixFactor:
    entries: torch.Tensor

    def upper(self, block: slice) -> torch.Tensor:
        return self.entries[:, block, block]

    def begun(self, target: torch.Tensor) -> Compensation:
        return _MatrixCompensation(self.entries, target.clone())


@dataclass(frozen=True, eq=False)
class _MatrixCompensation:
    upper: torch.Tensor
    rest: torch.Tensor

    def refitted(self, block: slice) -> torch.Tensor:
        return self.rest[:, block]

    def rounded(self, block: slice, values: torch.Tensor, errors: torch.Tensor) -> None:
        if block.stop < self.rest.shape[1]:
            self.rest[:, block.stop :] -= self.upper[:, block, block.stop :].mT @ errors


@dataclass(frozen=True, eq=False)
class OfRows(Hessian):
    """XᵀX + damping. rows: X, (groups, rows, inputs), divided by the root of how many there are; damping: (groups,)."""

    rows: torch.Tensor
    damping: torch.Tensor

    @property
    def diagonal(self) -> torch.Tensor:
        return self.rows.square().sum(1).add_(self.damping[:, None])

    def work(self, outputs: int) -> int:
        return 2 * self.rows.numel() * outputs

    def times(self, weights: torch.Tensor) -> torch.Tensor:
        return (self.rows.mT @ (self.rows @ weights)).add_(self.damping[:, None, None] * weights)

    def block(self, block: slice) -> torch.Tensor:
        inputs = self.rows[:, :, block]
        entries = inputs.mT @ inputs
        torch.diagonal(entries, dim1=1, dim2=2).add_(self.damping[:, None])
        return entries

    def slopes(self, off: torch.Tensor) -> Slopes:
        return _RowSlopes(self, off.clone(), self.rows @ off)

    def factor(self, order: torch.Tensor) -> Factor:
        rows = torch.gather(self.rows, 2, order[:, None, :].expand(self.rows.shape))
        # Of the inputs from a block on the inverse is (1 − Xᵀ·(XXᵀ + damping)⁻¹·X) / damping.
        wide = rows.to(torch.float64)
        gram = wide @ wide.mT
        torch.diagonal(gram, dim1=1, dim2=2).add_(self.damping.to(torch.float64)[:, None])
        fits, uppers = [], []
        for start in range(0, rows.shape[2], BLOCK):
            inputs = wide[:, :, start : start + BLOCK]
            fit = torch.cholesky_solve(inputs, torch.linalg.cholesky(gram)).mT
            inverse = torch.eye(inputs.shape[2], dtype=torch.float64) - fit @ inputs
            uppers.append(torch.linalg.cholesky(inverse / self.damping[:, None, None], upper=True).to(rows.dtype))
            fits.append(fit.to(rows.dtype))
            gram.sub_(inputs @ inputs.mT)
        return _RowFactor(rows, torch.cat(fits, dim=1), uppers)


@dataclass(frozen=True, eq=False)
class _RowSlopes:
    hessian: OfRows
    off: torch.Tensor
    sums: torch.Tensor

    def of(self, block: slice) -> torch.Tensor:
        inputs = self.hessian.rows[:, :, block]
        found: torch.Tensor = inputs.mT @ self.sums
        return found.add_(self.hessian.damping[:, None, None] * self.off[:, block])

    def moved(self, block: slice, by: torch.Tensor) -> None:
        self.off[:, block].sub_(by)
        self.sums.sub_(self.hessian.rows[:, :, block] @ by)


@dataclass(frozen=True, eq=False)
class _RowFactor:
    """rows: in order. fits: (groups, inputs, rows), what a block's inputs make up for of an error of the sums.
    uppers: block by block."""

    rows: torch.Tensor
    fits: torch.Tensor
    uppers: list[torch.Tensor]

    def upper(self, block: slice) -> torch.Tensor:
        place: int = block.start // BLOCK
        return self.uppers[place]

    def begun(self, target: torch.Tensor) -> Compensation:
        groups, _, outputs = target.shape
        return _RowCompensation(self, target, torch.zeros((groups, self.rows.shape[1], outputs), dtype=target.dtype))


@dataclass(frozen=True, eq=False)
class _RowCompensation:
    """lost: what the sums of all rows lack by now, (groups, rows, outputs)."""

    factor: _RowFactor
    target: torch.Tensor
    lost: torch.Tensor

    def refitted(self, block: slice) -> torch.Tensor:
        found: torch.Tensor = self.factor.fits[:, block] @ self.lost
        return found.add_(self.target[:, block])

    def rounded(self, block: slice, values: torch.Tensor, errors: torch.Tensor) -> None:
        self.lost.add_(self.factor.rows[:, :, block] @ (self.target[:, block] - values))


def blocks(inputs: int) -> list[slice]:
    """The inputs, BLOCK by BLOCK."""
    return [slice(start, min(start + BLOCK, inputs)) for start in range(0, inputs, BLOCK)]
