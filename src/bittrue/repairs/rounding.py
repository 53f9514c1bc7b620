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

from bittrue.repairs.hessian import Factor, Hessian, blocks


@dataclass(frozen=True, eq=False)
class Quadratic:
    """Σ over outputs of (w − target)ᵀ·H·(w − target), a group of outputs at a time.

    target: (groups, inputs, outputs), of the hessian's type.
    """

    hessian: Hessian
    target: torch.Tensor

    def loss(self, weights: torch.Tensor) -> torch.Tensor:
        """Of weights (groups, inputs, outputs): (groups, outputs)."""
        off = weights - self.target
        return (off * self.hessian.times(off)).sum(1)

    def rough_loss(self, weights: torch.Tensor) -> torch.Tensor:
        """The same as if no input had anything in common with another: at little cost, to compare steps by."""
        return ((weights - self.target).square_() * self.hessian.diagonal[:, :, None]).sum(1)


class Rounder:
    """Rounds weights under one Quadratic; what doesn't depend on the steps is computed once."""

    def __init__(self, quadratic: Quadratic, low: int, high: int) -> None:
        """low, high: the codes' limits."""
        self.quadratic = quadratic
        self._low, self._high = low, high
        # The inputs that matter most first: what they lose can still be made up for by many others.
        self._order = torch.sort(quadratic.hessian.diagonal, dim=1, descending=True, stable=True).indices
        self._factors: list[Factor] = []

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
        target = self.quadratic.target
        index = self._order[:, :, None].expand(target.shape)
        factor = self._factor()
        in_order = torch.gather(target, 1, index)
        ordered = factor.begun(in_order)
        codes = torch.empty_like(in_order)
        for block in blocks(target.shape[1]):
            wanted, upper = ordered.refitted(block), factor.upper(block)
            own = codes[:, block]
            errors = torch.empty_like(own)
            for i in range(own.shape[1]):
                own[:, i] = self._codes(wanted[:, i] / steps)
                error = (wanted[:, i] - own[:, i] * steps) / upper[:, i, i, None]
                errors[:, i] = error
                if i + 1 < own.shape[1]:
                    wanted[:, i + 1 :] -= upper[:, i, i + 1 :, None] * error[:, None, :]
            ordered.rounded(block, own * steps[:, None, :], errors)
        return torch.empty_like(codes).scatter_(1, index, codes)

    def descended(self, codes: torch.Tensor, steps: torch.Tensor, passes: int) -> torch.Tensor:
        """Codes from which no single one can be changed for the better, or as far as `passes` lead."""
        hessian = self.quadratic.hessian
        codes = codes.clone()
        slopes = hessian.slopes(self.quadratic.target - codes * steps[:, None, :])
        for _ in range(passes):
            changed = False
            for block in blocks(codes.shape[1]):
                slope, entries = slopes.of(block), hessian.block(block)
                own = codes[:, block]
                before = own.clone()
                for i in range(own.shape[1]):
                    new = self._codes(own[:, i] + slope[:, i] / (entries[:, i, i, None] * steps))
                    moved = (new - own[:, i]) * steps
                    if bool(moved.any()):
                        own[:, i] = new
                        slope -= entries[:, :, i, None] * moved[:, None, :]
                moved = own - before
                if bool(moved.any()):
                    changed = True
                    slopes.moved(block, moved * steps[:, None, :])
            if not changed:
                break
        return codes

    def fitted_steps(self, codes: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """The steps with which these codes lose least; those of all-zero codes stay."""
        image = self.quadratic.hessian.times(codes)
        power = (codes * image).sum(1)
        best = (image * self.quadratic.target).sum(1) / power
        return torch.where((power > 0) & (best > 0), best, steps)

    def _codes(self, numbers: torch.Tensor) -> torch.Tensor:
        return numbers.round().clamp_(self._low, self._high)

    def _factor(self) -> Factor:
        if not self._factors:
            self._factors.append(self.quadratic.hessian.factor(self._order))
        return self._factors[0]
