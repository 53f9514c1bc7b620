"""Batch normalization in its raw form: each result correctly rounded, the doubtful ones decided by signs and
squares."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial

import numpy as np
import torch

from bittrue.fixed import Quantizer, Rounding
from bittrue.fixed.surd import round_surd
from bittrue.program import Step
from bittrue.program.functions import BatchNorm
from bittrue.simulation.affine import affine_rounded
from bittrue.simulation.carrier import carrier_for, nearest_float
from bittrue.simulation.functions import function_kernel, function_reach, wide_function
from bittrue.simulation.kernel import Kernel
from bittrue.simulation.rounding import doubtful, round_resolved
from bittrue.simulation.values import Codes, Result
from bittrue.simulation.wide import WideKernel, WideResult, shaped

_MOST_TABLE = 1 << 24


@function_kernel.rule(BatchNorm)
def _(function: BatchNorm, step: Step, fraction_bits: int) -> Kernel:
    return _BatchNormKernel(function, step.rounds_with, fraction_bits, step.name)


@dataclass(frozen=True)
class CertainNorm:
    """scale·code + offset, one each for a channel, which rounded is the exact result's code; limit: no such code is
    larger."""

    scale: list[float]
    offset: list[float]
    limit: int


def certain_norm(
    function: BatchNorm, quantizer: Quantizer, fraction_bits: int, ends: tuple[int, int], what: str
) -> CertainNorm | None:
    """The constants in float64 that are proven to round correctly for all codes between the ends; None where none are,
    or where there are too many codes to go through."""
    return _BatchNormKernel(function, quantizer, fraction_bits, what).certain(*ends)


class _BatchNormKernel:
    """γ(x − μ)/√(σ²+ε) + β by a multiplication and an addition in float64, per channel.

    For each range of codes that occurs it is proven once, code by code and channel by channel, that the float64 result
    rounds as the exact one does. Where that fails, or the range is too large to go through, each element is checked.
    """

    def __init__(self, function: BatchNorm, quantizer: Quantizer, fraction_bits: int, what: str) -> None:
        self._quantizer, self._fraction_bits, self._what = quantizer, fraction_bits, what
        self._exact = exact_norms(function, fraction_bits)
        step = nearest_float(Fraction(2) ** quantizer.format.fraction_bits, what)
        betas, gammas, means, variances = (
            torch.tensor([nearest_float(number, what) for number in numbers], dtype=torch.float64)
            for numbers in zip(*self._exact, strict=True)
        )
        self._scale = gammas / variances.sqrt() * step
        self._offset = betas * step - self._scale * means
        self._constant_error = ((betas * step).abs() + (self._scale * means).abs()) * 2.0**-47
        self._decide = cache(partial(_decide, self._exact, quantizer))
        self._proven: tuple[int, int] | None = None
        self._refuted: tuple[int, int] | None = None

    def __call__(self, inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        limit = self._limit(x.bound)
        carrier = carrier_for(limit, self._what)
        if self._covers(x.low, x.high):
            rounded = affine_rounded(x, len(self._exact), self._scale, self._offset, self._quantizer.rounding, carrier)
        else:
            rounded = self._checked(x).to(carrier.dtype)
        return Result(rounded, -limit, limit, rounded=True)

    def certain(self, low: int, high: int) -> CertainNorm | None:
        if not self._covers(low, high):
            return None
        return CertainNorm(self._scale.tolist(), self._offset.tolist(), self._limit(max(-low, high)))

    def _limit(self, bound: int) -> int:
        """What no rounded code can exceed."""
        return int((self._scale.abs() * float(bound) + self._offset.abs()).max()) + 2

    def _error(self, largest: float) -> torch.Tensor:
        return self._scale.abs() * largest * 2.0**-47 + self._constant_error

    def _covers(self, low: int, high: int) -> bool:
        """Whether the float64 result rounds correctly for all codes from low to high; proves it where that isn't
        known."""
        # The next powers of two, so that a slightly larger batch finds its proof made.
        low = -(1 << (-low - 1).bit_length()) if low < 0 else 0
        high = (1 << high.bit_length()) - 1 if high > 0 else 0
        if self._proven is not None and self._proven[0] <= low and high <= self._proven[1]:
            return True
        if self._refuted is not None and low <= self._refuted[0] and self._refuted[1] <= high:
            return False
        if (high - low + 1) * len(self._exact) > _MOST_TABLE:
            return False
        codes = torch.arange(low, high + 1, dtype=torch.float64)
        error = self._error(float(max(-low, high)))
        for scale, offset, bound in zip(self._scale, self._offset, error, strict=True):
            if bool(doubtful(codes * scale + offset, float(bound), self._quantizer.rounding).any()):
                self._refuted = (low, high)
                return False
        self._proven = (low, high)
        return True

    def _checked(self, x: Codes) -> torch.Tensor:
        """Each element checked by itself; the doubtful ones decided exactly."""
        codes = x.tensor.to(torch.float64)
        channels = len(self._exact)
        flat = x.tensor.reshape(-1)

        def resolve(open_cases: torch.Tensor) -> list[int]:
            return [self._decide(index % channels, int(flat[index])) for index in open_cases.tolist()]

        reals = codes * self._scale + self._offset
        return round_resolved(reals, self._error(float(x.bound)), self._quantizer.rounding, resolve, self._what)


ExactNorm = tuple[Fraction, Fraction, Fraction, Fraction]
"""(β, γ', μ', v) of one channel, with which a code c becomes γ'·(c − μ')/√v + β."""


def exact_norms(function: BatchNorm, fraction_bits: int) -> list[ExactNorm]:
    """Each channel's numbers for input codes with `fraction_bits`."""
    unit = Fraction(2) ** -fraction_bits
    channels = len(function.mean)
    means = [code * Fraction(2) ** -function.mean_fraction_bits for code in function.mean.tolist()]
    gammas, betas = [Fraction(1)] * channels, [Fraction(0)] * channels
    if function.gamma is not None:
        gammas = [code * Fraction(2) ** -function.gamma_fraction_bits for code in function.gamma.tolist()]
    if function.beta is not None:
        betas = [code * Fraction(2) ** -function.beta_fraction_bits for code in function.beta.tolist()]
    variances = [code * Fraction(2) ** -function.variance_fraction_bits for code in function.variance.tolist()]
    return [
        (beta, gamma * unit, mean / unit, variance + function.epsilon)
        for beta, gamma, mean, variance in zip(betas, gammas, means, variances, strict=True)
    ]


def _decide(norms: list[ExactNorm], quantizer: Quantizer, channel: int, code: int) -> int:
    return norm_code(code, norms[channel], quantizer)


def norm_code(code: int, norm: ExactNorm, quantizer: Quantizer) -> int:
    """The rounded code of one channel's batch normalization, decided exactly."""
    beta, gamma, mean, radicand = norm
    return round_surd(beta, gamma * (code - mean), radicand, quantizer.format.fraction_bits, quantizer.rounding)


@wide_function.rule(BatchNorm)
def _(function: BatchNorm, step: Step, fraction_bits: int) -> WideKernel:
    quantizer = step.rounds_with
    norms = exact_norms(function, fraction_bits)

    def normalize(inputs: tuple[np.ndarray, ...]) -> WideResult:
        codes = inputs[0].ravel().tolist()
        rounded = [norm_code(code, norms[index % len(norms)], quantizer) for index, code in enumerate(codes)]
        return WideResult(shaped(rounded, inputs[0]))

    return normalize


@function_reach.rule(BatchNorm)
def _(function: BatchNorm, step: Step, fraction_bits: int, bound: int) -> int:
    ends = [
        (abs(beta), abs(gamma) * (bound + abs(mean)), radicand, step.rounds_with.format.fraction_bits)
        for beta, gamma, mean, radicand in exact_norms(function, fraction_bits)
    ]
    # Any rounding lies within one of the floor.
    return 1 + max(round_surd(*end, Rounding.FLOOR) for end in ends)
