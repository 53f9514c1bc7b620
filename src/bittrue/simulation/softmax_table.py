"""Softmax with tables of exponentials and reciprocals: part after part in int64, or in Python integers."""

from fractions import Fraction

import numpy as np
import torch

from bittrue.fixed import Quantizer, integers
from bittrue.fixed.tensor import apply_overflow_, count_overflows
from bittrue.program import CodeType, SoftmaxTable, Step
from bittrue.simulation.carrier import carrier_for
from bittrue.simulation.functions import rounded_function
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, code_by_code, largest_code, limited_reach, prove_step
from bittrue.simulation.real_functions import EXP, function_code
from bittrue.simulation.rounding import divide_rounded, round_to_
from bittrue.simulation.softmax import absent_positions, row_maximum
from bittrue.simulation.values import Codes, Result
from bittrue.simulation.wide import WideKernel, WideResult, each, rounded_to, wide_kernel


@kernel.rule(SoftmaxTable)
def _(instruction: SoftmaxTable, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    source = types[0].binary_point
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

        exact = row_maximum(codes, absent) - codes
        if absent is not None:
            exact.masked_fill_(absent, 0)
        difference = limited("difference", round_to_(exact, source, instruction.difference), instruction.difference)
        distinct, place = torch.unique(-difference, return_inverse=True)
        table = rounded_function(distinct, difference_bits, instruction.exp, EXP, step.name, exp_code)
        exp = table.to(torch.int64)[place]
        if absent is not None:
            exp.masked_fill_(absent, 0)
        exp = limited("exp", exp, instruction.exp)
        carrier_for(int(exp.abs().max()) * width, step.name)
        total = round_to_(exp.sum(-1, keepdim=True), instruction.exp.format.fraction_bits, instruction.sum)
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


@wide_kernel.rule(SoftmaxTable)
def _(instruction: SoftmaxTable, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    source = types[0].binary_point
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
        differences = limited("difference", rounded_to(exact, source, instruction.difference), instruction.difference)
        rounded = each(differences, exp)
        rounded[absent] = 0
        exps = limited("exp", rounded, instruction.exp)
        sums = exps.sum(axis=-1, keepdims=True)
        totals = limited(
            "sum", rounded_to(sums, instruction.exp.format.fraction_bits, instruction.sum), instruction.sum
        )
        ones = np.full(totals.shape, 1 << max(numerator_bits, 0), object)
        inverses = integers.divide_rounded(ones, totals << max(-numerator_bits, 0), instruction.reciprocal.rounding)
        return WideResult(exps * limited("reciprocal", inverses, instruction.reciprocal), outside)

    return softmax


@prove_step.rule(SoftmaxTable)
def _(instruction: SoftmaxTable, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    # Sums are at least one unit, so that no reciprocal exceeds that unit's.
    smallest = Fraction(2) ** -instruction.sum.format.fraction_bits
    exp = limited_reach(largest_code((0, 1), instruction.exp), instruction.exp)
    reciprocal = limited_reach(largest_code((0, 1 / smallest), instruction.reciprocal), instruction.reciprocal)
    return code_by_code(step, bounds[0], exp * reciprocal)
