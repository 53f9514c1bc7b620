"""Codes for a layer's weights under a quadratic error: rounded one input after the other, what each loses made up for
by those that follow, then one by one again until no single code can be better.

The error of weights W + D is tr(Dᵀ·H·D), H the second moments of the layer's inputs. Rounding input by input with the
rest re-fitted is Frantar et al., "GPTQ: accurate post-training quantization for generative pre-trained transformers",
ICLR 2023 (there with H's inverse Cholesky factor, as here); the passes over single codes afterwards are coordinate
descent (Nair and Suggala, "CDQuant", 2024).
"""

from copy import copy
from dataclasses import dataclass

import torch

_BLOCK = 64
"""Inputs that are rounded before the rest is re-fitted in one product."""


@dataclass(frozen=True, eq=False)
class Quadratic:
    """Σ over outputs of (w − target)ᵀ·H·(w − target), a group of outputs at a time.

    hessian: (groups, inputs, inputs), positive definite; target: (groups, inputs, outputs), both of one type.
    """

    hessian: torch.Tensor
    target: torch.Tensor

    def loss(self, weights: torch.Tensor) -> torch.Tensor:
        """Of weights (groups, inputs, outputs): (groups, outputs)."""
        off = weights - self.target
        return (off * (self.hessian @ off)).sum(1)

    def rough_loss(self, weights: torch.Tensor) -> torch.Tensor:
        """The same as if no input had anything in common with another: at little cost, to compare steps by."""
        return ((weights - self.target).square_() * torch.diagonal(self.hessian, dim1=1, dim2=2)[:, :, None]).sum(1)


class Rounder:
    """Rounds weights under one Quadratic; what doesn't depend on the steps is computed once."""

    def __init__(self, quadratic: Quadratic, low: int, high: int) -> None:
        """low, high: the codes' limits."""
        self.quadratic = quadratic
        self._low, self._high = low, high
        diagonal = torch.diagonal(quadratic.hessian, dim1=1, dim2=2)
        # The inputs that matter most first: what they lose can still be made up for by many others.
        self._order = torch.sort(diagonal, dim=1, descending=True, stable=True).indices
        self._upper: list[torch.Tensor] = []

    def within(self, low: int, high: int) -> "Rounder":
        """The same with other limits of the codes; what is computed once is shared."""
        other = copy(self)
        other._low, other._high = low, high
        return other

    def nearest(self, steps: torch.Tensor) -> torch.Tensor:
        """Each weight by itself; steps: (groups, outputs)."""
        return self._codes(self.quadratic.target / steps[:, None, :])

    def compensating(self, steps: torch.Tensor) -> torch.Tensor:
        """Input after input, each loss made up for by the inputs that follow."""
        groups, inputs, outputs = self.quadratic.target.shape
        index = self._order[:, :, None].expand(groups, inputs, outputs)
        rest = torch.gather(self.quadratic.target, 1, index)
        codes = torch.empty_like(rest)
        upper = self._factor()
        for start in range(0, inputs, _BLOCK):
            stop = min(start + _BLOCK, inputs)
            errors = torch.empty_like(rest[:, start:stop])
            for i in range(start, stop):
                codes[:, i] = self._codes(rest[:, i] / steps)
                error = (rest[:, i] - codes[:, i] * steps) / upper[:, i, i, None]
                errors[:, i - start] = error
                if i + 1 < stop:
                    rest[:, i + 1 : stop] -= upper[:, i, i + 1 : stop, None] * error[:, None, :]
            if stop < inputs:
                rest[:, stop:] -= upper[:, start:stop, stop:].mT @ errors
        return torch.empty_like(codes).scatter_(1, index, codes)

    def descended(self, codes: torch.Tensor, steps: torch.Tensor, passes: int) -> torch.Tensor:
        """Codes from which no single one can be changed for the better, or as far as `passes` lead."""
        hessian = self.quadratic.hessian
        codes = codes.clone()
        slope = hessian @ (self.quadratic.target - codes * steps[:, None, :])
        for _ in range(passes):
            changed = False
            for i in range(codes.shape[1]):
                wanted = codes[:, i] + slope[:, i] / (hessian[:, i, i, None] * steps)
                new = self._codes(wanted)
                moved = new - codes[:, i]
                if bool(moved.any()):
                    changed = True
                    codes[:, i] = new
                    slope -= hessian[:, :, i, None] * (moved * steps)[:, None, :]
            if not changed:
                break
        return codes

    def fitted_steps(self, codes: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """The steps with which these codes lose least; those of all-zero codes stay."""
        image = self.quadratic.hessian @ codes
        power = (codes * image).sum(1)
        best = (image * self.quadratic.target).sum(1) / power
        return torch.where((power > 0) & (best > 0), best, steps)

    def _codes(self, numbers: torch.Tensor) -> torch.Tensor:
        return numbers.round().clamp_(self._low, self._high)

    def _factor(self) -> torch.Tensor:
        """The upper Cholesky factor of the inverse of H, its inputs in order."""
        if not self._upper:
            hessian = self.quadratic.hessian
            rows = torch.gather(hessian, 1, self._order[:, :, None].expand(hessian.shape))
            ordered = torch.gather(rows, 2, self._order[:, None, :].expand(hessian.shape))
            # H = R·Rᵀ with R upper, from the Cholesky factor of H with its inputs the other way round; then R⁻¹ is it.
            reversed_factor = torch.linalg.cholesky(ordered.flip(1, 2)).flip(1, 2)
            unit = torch.eye(reversed_factor.shape[1], dtype=hessian.dtype).expand_as(reversed_factor)
            self._upper.append(torch.linalg.solve_triangular(reversed_factor, unit, upper=True))
        return self._upper[0]
