"""Layer normalization with a table of reciprocal roots: part after part in int64, or in Python integers."""

from fractions import Fraction
from functools import lru_cache
from math import prod

import numpy as np
import torch

from bittrue.fixed import Quantizer, Rounding, integers
from bittrue.fixed.surd import round_surd
from bittrue.fixed.tensor import apply_overflow_, count_overflows
from bittrue.program import CodeType, NormalizeTable, Step
from bittrue.simulation.carrier import carrier_for, nearest_float, power_of_two
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, held, limited_reach, prove_step, quantizer_reach
from bittrue.simulation.rounding import divide_rounded, round_resolved, round_to_
from bittrue.simulation.values import Codes, Result
from bittrue.simulation.wide import WideKernel, WideResult, wide_kernel

_ERROR = 2.0**-48
"""How far float64's reciprocal root may be off, relative to it: a few roundings, several times over."""
_MOST_DECIDED = 1 << 17


class _Parts:
    """What all ways to compute the instruction share.

    count: how many codes a row has. aligned: the fraction bits at which the mean is taken from x. product_bits: of the
    differences times the table's entry. shifts: how far the last product times gamma, and beta, are shifted left to
    reach the exact result's fraction bits.
    """

    def __init__(self, instruction: NormalizeTable, step: Step, kind: CodeType) -> None:
        self.epsilon, self.rounding = instruction.epsilon, instruction.reciprocal_root.rounding
        self.source = kind.binary_point
        self.count = prod(kind.shape[-instruction.axes :])
        self.mean_bits, self.difference_bits, self.variance_bits, self.root_bits = (
            part.format.fraction_bits
            for part in (instruction.mean, instruction.difference, instruction.variance, instruction.reciprocal_root)
        )
        self.aligned = max(self.source, self.mean_bits)
        self.product_bits = self.difference_bits + self.root_bits
        last = self.product_bits if instruction.normalized is None else instruction.normalized.format.fraction_bits
        finest = step.exact.binary_point
        self.gamma = np.ones(1, np.int64) if instruction.gamma is None else instruction.gamma
        self.beta = np.zeros(1, np.int64) if instruction.beta is None else instruction.beta
        self.shifts = (
            finest - last - instruction.gamma_fraction_bits,
            0 if instruction.beta is None else finest - instruction.beta_fraction_bits,
        )
        self.root = lru_cache(_MOST_DECIDED)(self._root)

    def _root(self, variance: int) -> int:
        """The table's entry for a variance's code, before its overflow mode, decided exactly."""
        radicand = variance * Fraction(2) ** -self.variance_bits + self.epsilon
        return round_surd(Fraction(0), Fraction(1), radicand, self.root_bits, self.rounding)


@kernel.rule(NormalizeTable)
def _(instruction: NormalizeTable, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    parts, name = _Parts(instruction, step, types[0]), step.name
    count, (product_shift, beta_shift) = parts.count, parts.shifts
    grid, unit = power_of_two(parts.root_bits, name), power_of_two(-parts.variance_bits, name)
    epsilon = nearest_float(parts.epsilon, name)
    gamma, beta = (torch.from_numpy(codes.astype(np.int64)) for codes in (parts.gamma, parts.beta))
    largest_gamma, largest_beta = _largest(gamma), _largest(beta)

    def divided(total: torch.Tensor, bound: int, shift: int, rounding: Rounding) -> torch.Tensor:
        """total · 2^shift / count, rounded."""
        carrier_for(2 * max(bound, 1) << max(shift, 0), name)
        carrier_for(2 * count << max(-shift, 0), name)
        return divide_rounded(total << max(shift, 0), torch.tensor(count << max(-shift, 0)), rounding)

    def roots(variance: torch.Tensor) -> torch.Tensor:
        """The table's entries, each evaluated once."""
        codes, place = torch.unique(variance, return_inverse=True)
        reals = (codes.to(torch.float64) * unit + epsilon).rsqrt() * grid

        def resolve(cases: torch.Tensor) -> list[int]:
            return [parts.root(int(codes[case])) for case in cases.tolist()]

        return round_resolved(reals, reals * _ERROR, parts.rounding, resolve, name).to(torch.int64)[place]

    def normalize(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        rows = x.tensor.reshape(-1, count).to(torch.int64)
        outside: dict[str, int] = {}

        def limited(role: str, rounded: torch.Tensor, quantizer: Quantizer) -> torch.Tensor:
            outside[role] = count_overflows(rounded, quantizer)
            return apply_overflow_(rounded, quantizer)

        bound = x.bound * count
        mean = divided(rows.sum(-1, keepdim=True), bound, parts.mean_bits - parts.source, instruction.mean.rounding)
        mean = limited("mean", mean, instruction.mean)
        left, right = parts.aligned - parts.source, parts.aligned - parts.mean_bits
        carrier_for((max(x.bound, 1) << left) + (max(_largest(mean), 1) << right), name)
        difference = round_to_((rows << left) - (mean << right), parts.aligned, instruction.difference)
        difference = limited("difference", difference, instruction.difference)
        farthest = _largest(difference)
        bound = farthest * farthest * count
        carrier_for(bound, name)
        squares = (difference * difference).sum(-1, keepdim=True)
        shift = parts.variance_bits - 2 * parts.difference_bits
        variance = limited(
            "variance", divided(squares, bound, shift, instruction.variance.rounding), instruction.variance
        )
        root = limited("reciprocal_root", roots(variance), instruction.reciprocal_root)
        carrier_for(farthest * _largest(root), name)
        product = difference * root
        if instruction.normalized is not None:
            rounded = round_to_(product, parts.product_bits, instruction.normalized)
            product = limited("normalized", rounded, instruction.normalized)
        largest = _largest(product) * largest_gamma
        carrier_for(max(largest, 1) << product_shift, name)
        largest = (largest << product_shift) + (largest_beta << beta_shift)
        carrier = carrier_for(largest, name)
        result = (product * gamma << product_shift) + (beta << beta_shift)
        return Result(result.to(carrier.dtype).reshape(x.tensor.shape), -largest, largest, inner_overflows=outside)

    return normalize


def _largest(codes: torch.Tensor) -> int:
    return max(abs(int(end)) for end in torch.aminmax(codes)) if codes.numel() else 0


@wide_kernel.rule(NormalizeTable)
def _(instruction: NormalizeTable, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    parts = _Parts(instruction, step, types[0])
    gamma, beta = (
        codes.astype(object) << shift for codes, shift in zip((parts.gamma, parts.beta), parts.shifts, strict=True)
    )

    def normalize(inputs: tuple[np.ndarray, ...]) -> WideResult:
        rows = inputs[0].reshape(-1, parts.count)
        outside: dict[str, int] = {}

        def stored(role: str, codes: np.ndarray, fraction_bits: int, divisor: int, quantizer: Quantizer) -> np.ndarray:
            shift = quantizer.format.fraction_bits - fraction_bits
            divided = integers.divide_rounded(codes << max(shift, 0), divisor << max(-shift, 0), quantizer.rounding)
            return limited(role, divided, quantizer)

        def limited(role: str, rounded: np.ndarray, quantizer: Quantizer) -> np.ndarray:
            outside[role] = integers.count_overflows(rounded, quantizer)
            return integers.apply_overflow(rounded, quantizer)

        total = rows.sum(axis=-1, keepdims=True)
        mean = stored("mean", total, parts.source, parts.count, instruction.mean)
        exact = (rows << parts.aligned - parts.source) - (mean << parts.aligned - parts.mean_bits)
        difference = stored("difference", exact, parts.aligned, 1, instruction.difference)
        squares = (difference * difference).sum(axis=-1, keepdims=True)
        variance = stored("variance", squares, 2 * parts.difference_bits, parts.count, instruction.variance)
        table = np.array([parts.root(code) for code in variance.ravel().tolist()], object).reshape(variance.shape)
        product = difference * limited("reciprocal_root", table, instruction.reciprocal_root)
        if instruction.normalized is not None:
            product = stored("normalized", product, parts.product_bits, 1, instruction.normalized)
        return WideResult((product * gamma + beta).reshape(inputs[0].shape), outside)

    return normalize


@prove_step.rule(NormalizeTable)
def _(instruction: NormalizeTable, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    """From the largest number of each part to that of the next; the variance is never below 0."""
    parts = _Parts(instruction, step, types[0])

    def stored(largest: int, fraction_bits: int, quantizer: Quantizer) -> int:
        """The largest code of a part, any rounding of which lies within one of what is rounded."""
        shift = quantizer.format.fraction_bits - fraction_bits
        return limited_reach((largest << max(shift, 0) >> max(-shift, 0)) + 1, quantizer)

    mean = stored(bounds[0], parts.source, instruction.mean)
    exact = (bounds[0] << parts.aligned - parts.source) + (mean << parts.aligned - parts.mean_bits)
    difference = stored(exact, parts.aligned, instruction.difference)
    squares = parts.count * difference**2
    shift = max(parts.variance_bits - 2 * parts.difference_bits, 0)
    root = limited_reach(parts.root(0) + 1, instruction.reciprocal_root)
    product = difference * root
    last = product
    if instruction.normalized is not None:
        last = stored(product, parts.product_bits, instruction.normalized)
    gamma, beta = (max(abs(code) for code in codes.tolist()) for codes in (parts.gamma, parts.beta))
    largest = (last * gamma << parts.shifts[0]) + (beta << parts.shifts[1])
    reach = max(bounds[0] * parts.count, exact, squares << shift, product, quantizer_reach(step, -largest, largest))
    return held(step, reach, "table form, row by row")
