"""Kernels of real functions: batch normalization, sigmoid, tanh, softmax, each result correctly rounded.

float64 gives the result to within a stated error; wherever another code lies within that error of it, an exact decision
is made: by signs and squares for batch normalization, by interval arithmetic of growing precision for the rest, whose
results are irrational but for the points listed. The error of float64's exp and tanh is taken as 2^-36 of the result,
tens of thousands of times what the mathematical libraries state.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache, lru_cache, partial

import numpy as np
import torch

from bittrue.errors import CarrierError
from bittrue.fixed import Quantizer, Rounding, round_to_code
from bittrue.fixed.surd import round_surd
from bittrue.fixed.tensor import apply_overflow_, count_overflows, round_shift_
from bittrue.program import (
    CodeType,
    Function,
    LogSoftmax,
    Lookup,
    Softmax,
    SoftmaxTable,
    Step,
)
from bittrue.program.functions import BatchNorm, reach
from bittrue.rules import RuleTable
from bittrue.simulation.carrier import Carrier, bound_bits, carrier_for, nearest_float, power_of_two
from bittrue.simulation.elementwise import affine_rounded
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, limited_reach, prove_step, quantizer_reach
from bittrue.simulation.real_functions import (
    EXP,
    RealFunction,
    function_code,
    log_softmax_code,
    real_function,
    softmax_code,
)
from bittrue.simulation.rounding import divide_rounded, doubtful, round_resolved
from bittrue.simulation.values import Codes, Result

_ERROR = 2.0**-36
_MOST_TABLE = 1 << 24
_SMALLEST_ERROR = 2.0**-60
_MOST_DECIDED = 1 << 17

function_kernel: RuleTable[Callable[..., Kernel]] = RuleTable("function kernel")
"""Rules `(function, step, input fraction bits) -> Kernel` for Lookup."""


@kernel.rule(Lookup)
def _(instruction: Lookup, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    return function_kernel[type(instruction.function)](instruction.function, step, types[0].fraction_bits)


# Functions of one code


@function_kernel.rule(*real_function)
def _(function: Function, step: Step, fraction_bits: int) -> Kernel:
    """Evaluated once for each code that occurs."""
    assert step.quantizer is not None
    quantizer, real = step.quantizer, real_function[type(function)](function)
    decide = lru_cache(_MOST_DECIDED)(lambda code: function_code(code, fraction_bits, quantizer, real, step.name))

    def look_up(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        codes, place = torch.unique(x.tensor, return_inverse=True)
        table = _rounded_function(codes, fraction_bits, quantizer, real, step.name, decide)
        low, high = (int(end) for end in torch.aminmax(table)) if table.numel() else (0, 0)
        carrier = carrier_for(max(-low, high), step.name)
        return Result(table.to(carrier.dtype)[place], low, high, rounded=True)

    return look_up


def _rounded_function(
    codes: torch.Tensor,
    fraction_bits: int,
    quantizer: Quantizer,
    function: RealFunction,
    what: str,
    decide: Callable[[int], int],
) -> torch.Tensor:
    """The rounded codes, in float64, of a function of codes; `decide` gives one exactly."""
    if codes.numel() and max(-int(codes.min()), int(codes.max())) >> Carrier.FLOAT64.bits:
        raise CarrierError(f"{what}: a code of its input is more than float64 holds.")
    values = codes.to(torch.float64) * power_of_two(-fraction_bits, what)
    step = power_of_two(quantizer.format.fraction_bits, what)
    reals = function.approximate(values) * step
    error = _error_of(reals, quantizer, function.absolute_error)
    return round_resolved(
        reals, error, quantizer.rounding, lambda cases: [decide(int(codes[i])) for i in cases.tolist()], what
    )


def _error_of(reals: torch.Tensor, quantizer: Quantizer, absolute: float) -> torch.Tensor:
    """How far they may be off, with an absolute part for results that float64 can't tell from an end of the function's
    range."""
    return reals.abs() * _ERROR + absolute * 2.0**quantizer.format.fraction_bits


# Batch normalization


@function_kernel.rule(BatchNorm)
def _(function: BatchNorm, step: Step, fraction_bits: int) -> Kernel:
    assert step.quantizer is not None
    return _BatchNormKernel(function, step.quantizer, fraction_bits, step.name)


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
        limit = int((self._scale.abs() * float(x.bound) + self._offset.abs()).max()) + 2
        carrier = carrier_for(limit, self._what)
        if self._covers(x.low, x.high):
            rounded = affine_rounded(x, len(self._exact), self._scale, self._offset, self._quantizer.rounding, carrier)
        else:
            rounded = self._checked(x).to(carrier.dtype)
        return Result(rounded, -limit, limit, rounded=True)

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


# Softmax


@kernel.rule(Softmax)
def _(instruction: Softmax, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    assert step.quantizer is not None
    quantizer, source = step.quantizer, types[0].fraction_bits
    assert source is not None
    bits = quantizer.format.fraction_bits
    one = round_to_code(Fraction(1), bits, quantizer.rounding)
    carrier = carrier_for(one, step.name)
    absent = absent_positions(instruction.mask)

    def softmax(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        width = x.tensor.shape[-1]
        # Exact differences: of int64 codes they are taken in int64, before float64 may round them.
        exact = x.tensor if x.tensor.dtype == torch.int64 else x.tensor.to(torch.float64)
        differences = (exact - _row_maximum(exact, absent)).to(torch.float64) * power_of_two(-source, step.name)
        if absent is not None:
            differences.masked_fill_(absent, -torch.inf)
        reals = torch.softmax(differences, -1) * power_of_two(bits, step.name)
        error = _error_of(reals, quantizer, _SMALLEST_ERROR)
        if absent is not None:
            error.masked_fill_(absent, -1)  # what is masked is 0, and never in doubt
        rows = x.tensor.reshape(-1, width)
        taken = None if absent is None else ~absent.reshape(-1, width)

        def resolve(open_cases: torch.Tensor) -> list[int]:
            return [decide(*divmod(place, width)) for place in open_cases.tolist()]

        def decide(row: int, index: int) -> int:
            codes = rows[row]
            if taken is not None:
                part = taken[row % len(taken)]
                codes, index = codes[part], int(part[:index].sum())
            return softmax_code([int(code) for code in codes.tolist()], index, source, quantizer, step.name)

        rounded = round_resolved(reals, error, quantizer.rounding, resolve, step.name)
        return Result(rounded.to(carrier.dtype).reshape(x.tensor.shape), 0, one, rounded=True)

    return softmax


def absent_positions(mask: np.ndarray | None) -> torch.Tensor | None:
    """Where a mask lets nothing take part."""
    return None if mask is None else torch.from_numpy(~mask)


def _row_maximum(codes: torch.Tensor, absent: torch.Tensor | None) -> torch.Tensor:
    """The largest code of each row that takes part."""
    if absent is not None:
        least = torch.iinfo(codes.dtype).min if codes.dtype == torch.int64 else -torch.inf
        codes = codes.masked_fill(absent, least)
    return codes.amax(-1, keepdim=True)


@kernel.rule(LogSoftmax)
def _(instruction: LogSoftmax, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    assert step.quantizer is not None
    quantizer, source = step.quantizer, types[0].fraction_bits
    assert source is not None
    grid = power_of_two(quantizer.format.fraction_bits, step.name)

    def log_softmax(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        rows = x.tensor.reshape(-1, x.tensor.shape[-1])
        exact = rows if rows.dtype == torch.int64 else rows.to(torch.float64)
        differences = (exact - exact.amax(-1, keepdim=True)).to(torch.float64) * power_of_two(-source, step.name)
        reals = torch.log_softmax(differences, -1) * grid
        width = rows.shape[-1]

        def resolve(open_cases: torch.Tensor) -> list[int]:
            places = [divmod(index, width) for index in open_cases.tolist()]
            return [decide([int(code) for code in rows[row].tolist()], index) for row, index in places]

        def decide(codes: list[int], index: int) -> int:
            return log_softmax_code(codes, index, source, quantizer, step.name)

        # The logarithm of a sum near 1 is known no better than the sum.
        error = _error_of(reals, quantizer, (width + 64) * 2.0**-50)
        rounded = round_resolved(reals, error, quantizer.rounding, resolve, step.name)
        low = int(rounded.min()) if rounded.numel() else 0
        carrier = carrier_for(-low, step.name)
        return Result(rounded.to(carrier.dtype).reshape(x.tensor.shape), low, 0, rounded=True)

    return log_softmax


@kernel.rule(SoftmaxTable)
def _(instruction: SoftmaxTable, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    source = types[0].fraction_bits
    assert source is not None
    total_bits, reciprocal = instruction.sum.format.fraction_bits, instruction.reciprocal
    numerator_bits = total_bits + reciprocal.format.fraction_bits
    absent = absent_positions(instruction.mask)
    difference_bits = instruction.difference.format.fraction_bits

    def exp_code(difference: int) -> int:
        return function_code(difference, difference_bits, instruction.exp, EXP, step.name)

    def softmax(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        codes = x.tensor.to(torch.int64)
        width = codes.shape[-1]
        carrier_for(2 * x.bound << 1, step.name)
        outside: dict[str, int] = {}

        def limited(role: str, rounded: torch.Tensor, quantizer: Quantizer) -> torch.Tensor:
            outside[role] = count_overflows(rounded, quantizer)
            return apply_overflow_(rounded, quantizer)

        exact = _row_maximum(codes, absent) - codes
        if absent is not None:
            exact.masked_fill_(absent, 0)
        difference = limited("difference", _rounded(exact, source, instruction.difference), instruction.difference)
        distinct, place = torch.unique(-difference, return_inverse=True)
        table = _rounded_function(distinct, difference_bits, instruction.exp, EXP, step.name, exp_code)
        exp = table.to(torch.int64)[place]
        if absent is not None:
            exp.masked_fill_(absent, 0)
        exp = limited("exp", exp, instruction.exp)
        carrier_for(int(exp.abs().max()) * width, step.name)
        total = _rounded(exp.sum(-1, keepdim=True), instruction.exp.format.fraction_bits, instruction.sum)
        total = limited("sum", total, instruction.sum)
        carrier_for(2 * (1 << max(numerator_bits, 0)), step.name)
        carrier_for(2 * int(total.max()) << max(-numerator_bits, 0), step.name)
        inverse = divide_rounded(
            torch.tensor(1 << max(numerator_bits, 0)), total << max(-numerator_bits, 0), reciprocal.rounding
        )
        inverse = limited("reciprocal", inverse, reciprocal)
        largest = int(exp.abs().max()) * int(inverse.abs().max())
        carrier = carrier_for(largest, step.name)
        return Result((exp * inverse).to(carrier.dtype), -largest, largest, inner_overflows=outside)

    return softmax


def _rounded(codes: torch.Tensor, fraction_bits: int, quantizer: Quantizer) -> torch.Tensor:
    return round_shift_(codes, fraction_bits - quantizer.format.fraction_bits, quantizer.rounding)


def _proof(step: Step, largest_input: int, largest_result: int) -> LayerProof:
    """Of a step that is computed code by code, from its input's codes and the exact result's, rounded if it is no
    dyadic number."""
    reach = max(largest_input, quantizer_reach(step, -largest_result, largest_result))
    margin = carrier_for(reach, step.name, widest=Carrier.PYTHON).bits - bound_bits(reach)
    return LayerProof(step.name, "correctly rounded, code by code", bound_bits(reach), margin)


def _largest_code(ends: Iterable[Fraction | int], quantizer: Quantizer) -> int:
    bits, rounding = quantizer.format.fraction_bits, quantizer.rounding
    return max(abs(round_to_code(Fraction(end), bits, rounding)) for end in ends)


@prove_step.rule(Lookup)
def _(instruction: Lookup, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    assert step.quantizer is not None
    function = instruction.function
    assert types[0].fraction_bits is not None
    if not isinstance(function, BatchNorm):
        unit = Fraction(2) ** -types[0].fraction_bits
        reached = reach[type(function)](function, -bounds[0] * unit, bounds[0] * unit, unit)
        return _proof(step, bounds[0], _largest_code((Fraction(end) for end in reached), step.quantizer))
    norms = exact_norms(function, types[0].fraction_bits)
    ends = [
        (abs(beta), abs(gamma) * (bounds[0] + abs(mean)), radicand, step.quantizer.format.fraction_bits)
        for beta, gamma, mean, radicand in norms
    ]
    # Any rounding lies within one of the floor.
    return _proof(step, bounds[0], 1 + max(round_surd(*end, Rounding.FLOOR) for end in ends))


@prove_step.rule(Softmax)
def _(instruction: Softmax, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    assert step.quantizer is not None
    return _proof(step, bounds[0], _largest_code((0, 1), step.quantizer))


@prove_step.rule(LogSoftmax)
def _(instruction: LogSoftmax, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    assert step.quantizer is not None
    assert types[0].fraction_bits is not None
    # The logarithm of n is less than the number of its bits.
    lowest = 2 * bounds[0] * Fraction(2) ** -types[0].fraction_bits + types[0].shape[-1].bit_length()
    return _proof(step, 2 * bounds[0], _largest_code((lowest,), step.quantizer))


@prove_step.rule(SoftmaxTable)
def _(instruction: SoftmaxTable, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    # Sums are at least one unit, so that no reciprocal exceeds that unit's.
    smallest = Fraction(2) ** -instruction.sum.format.fraction_bits
    exp = limited_reach(_largest_code((0, 1), instruction.exp), instruction.exp)
    reciprocal = limited_reach(_largest_code((0, 1 / smallest), instruction.reciprocal), instruction.reciprocal)
    return _proof(step, bounds[0], exp * reciprocal)
