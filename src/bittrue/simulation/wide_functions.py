"""Functions of codes that no torch carrier holds, or with such results: each code by itself, correctly rounded."""

from collections.abc import Callable

import numpy as np

from bittrue.fixed import Quantizer, integers
from bittrue.program import CodeType, Function, LogSoftmax, Lookup, Normalize, Softmax, SoftmaxTable, Step
from bittrue.program.functions import BatchNorm
from bittrue.rules import RuleTable
from bittrue.simulation.functions import exact_norms, norm_code
from bittrue.simulation.layer_normalization import RowNorm
from bittrue.simulation.real_functions import EXP, function_code, log_softmax_code, real_function, softmax_code
from bittrue.simulation.wide import WideKernel, WideResult, wide_kernel

wide_function: RuleTable[Callable[..., WideKernel]] = RuleTable("wide function")
"""Rules `(function, step, input fraction bits) -> WideKernel` for Lookup."""


@wide_kernel.rule(Lookup)
def _(instruction: Lookup, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    return wide_function[type(instruction.function)](instruction.function, step, types[0].fraction_bits)


@wide_function.rule(*real_function)
def _(function: Function, step: Step, fraction_bits: int) -> WideKernel:
    quantizer, real = _quantizer(step), real_function[type(function)](function)
    return lambda inputs: WideResult(
        _each(inputs[0], lambda code: function_code(code, fraction_bits, quantizer, real, step.name))
    )


@wide_function.rule(BatchNorm)
def _(function: BatchNorm, step: Step, fraction_bits: int) -> WideKernel:
    quantizer = _quantizer(step)
    norms = exact_norms(function, fraction_bits)

    def normalize(inputs: tuple[np.ndarray, ...]) -> WideResult:
        codes = inputs[0].ravel().tolist()
        rounded = [norm_code(code, norms[index % len(norms)], quantizer) for index, code in enumerate(codes)]
        return WideResult(_shaped(rounded, inputs[0]))

    return normalize


@wide_kernel.rule(Softmax)
def _(instruction: Softmax, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    source, quantizer = types[0].fraction_bits, _quantizer(step)
    assert source is not None

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
    source, quantizer = types[0].fraction_bits, _quantizer(step)
    assert source is not None

    def log_softmax(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        rows = x.reshape(-1, x.shape[-1]).tolist()
        codes = [
            log_softmax_code(row, index, source, quantizer, step.name) for row in rows for index in range(len(row))
        ]
        return WideResult(_shaped(codes, x))

    return log_softmax


@wide_kernel.rule(Normalize)
def _(instruction: Normalize, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    assert types[0].fraction_bits is not None
    norm = RowNorm(instruction, types[0], _quantizer(step))

    def normalize(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        rows = x.reshape(-1, norm.count).tolist()
        return WideResult(_shaped([code for row in rows for code in norm.codes(row)], x))

    return normalize


@wide_kernel.rule(SoftmaxTable)
def _(instruction: SoftmaxTable, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    source = types[0].fraction_bits
    assert source is not None
    difference_bits = instruction.difference.format.fraction_bits
    numerator_bits = instruction.sum.format.fraction_bits + instruction.reciprocal.format.fraction_bits

    def exp(difference: int) -> int:
        return function_code(-difference, difference_bits, instruction.exp, EXP, step.name)

    def softmax(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        outside: dict[str, int] = {}

        def limited(role: str, rounded: np.ndarray, quantizer: Quantizer) -> np.ndarray:
            outside[role] = integers.count_overflows(rounded, quantizer)
            return integers.apply_overflow(rounded, quantizer)

        absent = (
            np.zeros(x.shape, np.bool_) if instruction.mask is None else np.broadcast_to(~instruction.mask, x.shape)
        )
        # The least code of all is never more than the largest of those that take part.
        exact = np.where(absent, x.min(), x).max(axis=-1, keepdims=True) - x
        exact[absent] = 0
        differences = limited("difference", _rounded(exact, source, instruction.difference), instruction.difference)
        rounded = _each(differences, exp)
        rounded[absent] = 0
        exps = limited("exp", rounded, instruction.exp)
        sums = exps.sum(axis=-1, keepdims=True)
        totals = limited("sum", _rounded(sums, instruction.exp.format.fraction_bits, instruction.sum), instruction.sum)
        ones = np.full(totals.shape, 1 << max(numerator_bits, 0), object)
        inverses = integers.divide_rounded(ones, totals << max(-numerator_bits, 0), instruction.reciprocal.rounding)
        return WideResult(exps * limited("reciprocal", inverses, instruction.reciprocal), outside)

    return softmax


def _rows(x: np.ndarray) -> np.ndarray:
    """A view of the last axes, row by row."""
    return x.reshape(-1, x.shape[-1])


def _quantizer(step: Step) -> Quantizer:
    assert step.quantizer is not None
    return step.quantizer


def _each(x: np.ndarray, evaluate: Callable[[int], int]) -> np.ndarray:
    """A function of each code, evaluated once for each that occurs."""
    codes = x.ravel().tolist()
    known = {code: evaluate(code) for code in set(codes)}
    return _shaped([known[code] for code in codes], x)


def _rounded(codes: np.ndarray, fraction_bits: int, quantizer: Quantizer) -> np.ndarray:
    return integers.round_shift(codes, fraction_bits - quantizer.format.fraction_bits, quantizer.rounding)


def _shaped(codes: list[int], like: np.ndarray) -> np.ndarray:
    return np.array(codes, object).reshape(like.shape)
