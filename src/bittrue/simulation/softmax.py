"""Softmax and its logarithm, each output correctly rounded."""

from fractions import Fraction

import mpmath
import numpy as np
import torch

from bittrue.fixed import Quantizer, round_to_code
from bittrue.program import CodeType, LogSoftmax, Softmax, Step
from bittrue.simulation import intervals
from bittrue.simulation.carrier import carrier_for, power_of_two
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, code_by_code, largest_code, prove_step
from bittrue.simulation.real_functions import SMALLEST_ERROR, error_of
from bittrue.simulation.rounding import round_resolved
from bittrue.simulation.values import Codes, Result
from bittrue.simulation.wide import WideKernel, WideResult, shaped, wide_kernel


@kernel.rule(Softmax)
def _(instruction: Softmax, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    quantizer, source = step.rounds_with, types[0].binary_point
    bits = quantizer.format.fraction_bits
    one = round_to_code(Fraction(1), bits, quantizer.rounding)
    carrier = carrier_for(one, step.name)
    absent = absent_positions(instruction.mask)

    def softmax(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        width = x.tensor.shape[-1]
        # Exact differences: of int64 codes they are taken in int64, before float64 may round them.
        exact = x.tensor if x.tensor.dtype == torch.int64 else x.tensor.to(torch.float64)
        differences = (exact - row_maximum(exact, absent)).to(torch.float64) * power_of_two(-source, step.name)
        if absent is not None:
            differences.masked_fill_(absent, -torch.inf)
        reals = torch.softmax(differences, -1) * power_of_two(bits, step.name)
        error = error_of(reals, quantizer, SMALLEST_ERROR)
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


def row_maximum(codes: torch.Tensor, absent: torch.Tensor | None) -> torch.Tensor:
    """The largest code of each row that takes part."""
    if absent is not None:
        least = torch.iinfo(codes.dtype).min if codes.dtype == torch.int64 else -torch.inf
        codes = codes.masked_fill(absent, least)
    return codes.amax(-1, keepdim=True)


@kernel.rule(LogSoftmax)
def _(instruction: LogSoftmax, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    quantizer, source = step.rounds_with, types[0].binary_point
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
        error = error_of(reals, quantizer, (width + 64) * 2.0**-50)
        rounded = round_resolved(reals, error, quantizer.rounding, resolve, step.name)
        low = int(rounded.min()) if rounded.numel() else 0
        carrier = carrier_for(-low, step.name)
        return Result(rounded.to(carrier.dtype).reshape(x.tensor.shape), low, 0, rounded=True)

    return log_softmax


def softmax_code(codes: list[int], index: int, fraction_bits: int, quantizer: Quantizer, what: str) -> int:
    """The rounded code of one output of a row; rational only where all codes are equal."""
    bits, rounding = quantizer.format.fraction_bits, quantizer.rounding
    if len(set(codes)) == 1:
        return round_to_code(Fraction(1, len(codes)), bits, rounding)

    def value() -> mpmath.mpi:
        others = [
            intervals.exp(intervals.exact(code - codes[index], fraction_bits)) for code in codes if code != codes[index]
        ]
        return 1 / sum(others, mpmath.iv.mpf(len(codes) - len(others)))

    return intervals.round_interval(value, bits, rounding, what)


def log_softmax_code(codes: list[int], index: int, fraction_bits: int, quantizer: Quantizer, what: str) -> int:
    """The rounded code of one output of a row; rational only over one code."""
    bits, rounding = quantizer.format.fraction_bits, quantizer.rounding
    if len(codes) == 1:
        return 0
    largest = max(codes)

    def value() -> mpmath.mpi:
        others = [intervals.exp(intervals.exact(code - largest, fraction_bits)) for code in codes if code != largest]
        total = sum(others, mpmath.iv.mpf(len(codes) - len(others)))
        return intervals.exact(codes[index] - largest, fraction_bits) - intervals.padded(mpmath.iv.log(total))

    return intervals.round_interval(value, bits, rounding, what)


@wide_kernel.rule(Softmax)
def _(instruction: Softmax, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    source, quantizer = types[0].binary_point, step.rounds_with

    def softmax(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        taken = np.ones(x.shape, np.bool_) if instruction.mask is None else np.broadcast_to(instruction.mask, x.shape)
        codes = np.zeros(x.shape, object)
        for row, part, result in zip(*(_rows(array) for array in (x, taken, codes)), strict=True):
            present = row[part].tolist()
            result[part] = [softmax_code(present, index, source, quantizer, step.name) for index in range(len(present))]
        return WideResult(codes)

    return softmax


@wide_kernel.rule(LogSoftmax)
def _(instruction: LogSoftmax, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    source, quantizer = types[0].binary_point, step.rounds_with

    def log_softmax(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        rows = x.reshape(-1, x.shape[-1]).tolist()
        codes = [
            log_softmax_code(row, index, source, quantizer, step.name) for row in rows for index in range(len(row))
        ]
        return WideResult(shaped(codes, x))

    return log_softmax


def _rows(x: np.ndarray) -> np.ndarray:
    """A view of the last axes, row by row."""
    return x.reshape(-1, x.shape[-1])


@prove_step.rule(Softmax)
def _(instruction: Softmax, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return code_by_code(step, bounds[0], largest_code((0, 1), step.rounds_with))


@prove_step.rule(LogSoftmax)
def _(instruction: LogSoftmax, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    # The logarithm of n is less than the number of its bits.
    lowest = 2 * bounds[0] * Fraction(2) ** -types[0].binary_point + types[0].shape[-1].bit_length()
    return code_by_code(step, 2 * bounds[0], largest_code((lowest,), step.rounds_with))
