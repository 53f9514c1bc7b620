"""Layer normalization: each output correctly rounded, the doubtful ones decided by signs and squares."""

from fractions import Fraction
from functools import cache
from math import isqrt, prod

import numpy as np
import torch

from bittrue.errors import CarrierError
from bittrue.fixed import Quantizer, round_to_code
from bittrue.fixed.surd import round_surd
from bittrue.program import CodeType, Normalize, Step
from bittrue.simulation.carrier import carrier_for, nearest_float, power_of_two
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, held, prove_step, quantizer_reach
from bittrue.simulation.rounding import round_resolved
from bittrue.simulation.values import Codes, Result
from bittrue.simulation.wide import WideKernel, WideResult, shaped, wide_kernel


class RowNorm:
    """The exact normalization of one row of codes."""

    def __init__(self, instruction: Normalize, kind: CodeType, quantizer: Quantizer) -> None:
        self.count = prod(kind.shape[-instruction.axes :])
        self.unit = Fraction(2) ** -kind.binary_point
        self.epsilon = instruction.epsilon
        self.gamma, self.beta = [Fraction(1)] * self.count, [Fraction(0)] * self.count
        if instruction.gamma is not None:
            unit = Fraction(2) ** -instruction.gamma_fraction_bits
            self.gamma = [code * unit for code in instruction.gamma.tolist()]
        if instruction.beta is not None:
            unit = Fraction(2) ** -instruction.beta_fraction_bits
            self.beta = [code * unit for code in instruction.beta.tolist()]
        self._quantizer = quantizer

    def radicand(self, row: list[int]) -> Fraction:
        """The variance plus epsilon, from the codes' n-fold distances from their mean."""
        total = sum(row)
        squares = sum((self.count * code - total) ** 2 for code in row)
        return squares * self.unit**2 / self.count**3 + self.epsilon

    def code(self, row: list[int], index: int, radicand: Fraction) -> int:
        """The rounded code of one output."""
        distance = (self.count * row[index] - sum(row)) * self.unit / self.count
        bits, rounding = self._quantizer.format.fraction_bits, self._quantizer.rounding
        return round_surd(self.beta[index], self.gamma[index] * distance, radicand, bits, rounding)

    def codes(self, row: list[int]) -> list[int]:
        radicand = self.radicand(row)
        return [self.code(row, index, radicand) for index in range(self.count)]

    @property
    def reach(self) -> Fraction:
        """What no output can exceed: no number is further than √n standard deviations from the mean."""
        farthest = isqrt(self.count) + 1
        return max(abs(gamma) * farthest + abs(beta) for gamma, beta in zip(self.gamma, self.beta, strict=True))


@kernel.rule(Normalize)
def _(instruction: Normalize, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    quantizer = step.rounds_with
    norm = RowNorm(instruction, types[0], quantizer)
    count, epsilon = norm.count, nearest_float(norm.epsilon, step.name)
    unit = nearest_float(norm.unit, step.name)
    grid = power_of_two(quantizer.format.fraction_bits, step.name)
    gamma, beta = (
        torch.tensor([nearest_float(number, step.name) for number in numbers], dtype=torch.float64)
        for numbers in (norm.gamma, norm.beta)
    )

    def normalize(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        carrier_for(2 * x.bound * count, step.name)  # the distances are exact
        rows = x.tensor.reshape(-1, count).to(torch.int64)
        distances = (rows * count - rows.sum(-1, keepdim=True)).to(torch.float64) * (unit / count)
        radicands = (distances * distances).mean(-1, keepdim=True) + epsilon
        if not bool(torch.isfinite(radicands).all()):
            raise CarrierError(f"{step.name}: a variance is beyond float64's range; give its input fewer bits.")
        slopes = distances / radicands.sqrt() * gamma
        # A rounding for each term of the variance, and a few more.
        error = (slopes.abs() * (count + 64) + beta.abs()) * 2.0**-50 * grid
        exact_radicand = cache(lambda row: norm.radicand(rows[row].tolist()))

        def resolve(open_cases: torch.Tensor) -> list[int]:
            places = [divmod(index, count) for index in open_cases.tolist()]
            return [norm.code(rows[row].tolist(), index, exact_radicand(row)) for row, index in places]

        rounded = round_resolved((slopes + beta) * grid, error, quantizer.rounding, resolve, step.name)
        low, high = (int(end) for end in torch.aminmax(rounded)) if rounded.numel() else (0, 0)
        carrier = carrier_for(max(-low, high), step.name)
        return Result(rounded.to(carrier.dtype).reshape(x.tensor.shape), low, high, rounded=True)

    return normalize


@wide_kernel.rule(Normalize)
def _(instruction: Normalize, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    norm = RowNorm(instruction, types[0], step.rounds_with)

    def normalize(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        rows = x.reshape(-1, norm.count).tolist()
        return WideResult(shaped([code for row in rows for code in norm.codes(row)], x))

    return normalize


@prove_step.rule(Normalize)
def _(instruction: Normalize, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    norm = RowNorm(instruction, types[0], step.rounds_with)
    largest = round_to_code(norm.reach, step.rounds_with.format.fraction_bits, step.rounds_with.rounding)
    reach = max(2 * bounds[0] * norm.count, quantizer_reach(step, -largest, largest))
    return held(step, reach, "correctly rounded, row by row")
