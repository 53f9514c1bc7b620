"""Arithmetic between values: sums, quotients, extrema."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch

from bittrue.errors import BittrueError
from bittrue.fixed import integers
from bittrue.operators.broadcasting import spread
from bittrue.program import Add, CodeType, Divide, Extremum, Instruction, Step
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove_step
from bittrue.simulation.rounding import divide_rounded
from bittrue.simulation.values import Codes, Result, alignment, shifted
from bittrue.simulation.wide import WideKernel, WideResult, wide_kernel


@kernel.rule(Add)
def _(instruction: Add, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    shifts = alignment(step, types)

    def add(inputs: tuple[Codes, ...]) -> Result:
        operands = list(zip(inputs, shifts, strict=True))
        # Every partial sum stays within the sum of the absolute bounds.
        carrier = carrier_for(sum(x.bound << shift for x, shift in operands), step.name)
        first, *others = spread([shifted(x, shift, carrier) for x, shift in operands])
        total = first + others[0] if others else first
        for other in others[1:]:
            total = total.add_(other) if total.shape[1:] == step.type.shape else total + other
        low = sum(x.low << shift for x, shift in operands)
        return Result(total, low, sum(x.high << shift for x, shift in operands))

    return add


@kernel.rule(Extremum)
def _(instruction: Extremum, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    shifts = alignment(step, types)
    choose, choose_end = (torch.maximum, max) if instruction.largest else (torch.minimum, min)

    def extremum(inputs: tuple[Codes, ...]) -> Result:
        operands = list(zip(inputs, shifts, strict=True))
        carrier = carrier_for(max(x.bound << shift for x, shift in operands), step.name)
        found = reduce(choose, spread([shifted(x, shift, carrier) for x, shift in operands]))
        low = choose_end(x.low << shift for x, shift in operands)
        return Result(found, low, choose_end(x.high << shift for x, shift in operands), tight=True)

    return extremum


@wide_kernel.rule(Add)
def _(instruction: Add, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    shifts = alignment(step, types)
    return lambda inputs: WideResult(reduce(np.add, _aligned(inputs, shifts)))


@wide_kernel.rule(Extremum)
def _(instruction: Extremum, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    shifts, choose = alignment(step, types), np.maximum if instruction.largest else np.minimum
    return lambda inputs: WideResult(reduce(choose, _aligned(inputs, shifts)))


def _aligned(inputs: Sequence[np.ndarray], shifts: Sequence[int]) -> list[np.ndarray]:
    """Codes at the exact result's fraction bits, in shapes that broadcast in NumPy's way."""
    return spread([x << shift for x, shift in zip(inputs, shifts, strict=True)])


@prove_step.rule(Add)
def _(instruction: Add, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, sum(bound << shift for bound, shift in zip(bounds, alignment(step, types), strict=True)))


@prove_step.rule(Extremum)
def _(instruction: Instruction, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, max(bound << shift for bound, shift in zip(bounds, alignment(step, types), strict=True)))


@kernel.rule(Divide)
def _(instruction: Divide, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    shift = quotient_shift(instruction, step, types)
    rounding = step.rounds_with.rounding
    constant = None if instruction.divisor is None else torch.from_numpy(instruction.divisor.astype("int64"))

    def divide(inputs: tuple[Codes, ...]) -> Result:
        x = inputs[0]
        if constant is None:
            divisor, largest = inputs[1].tensor.to(torch.int64), inputs[1].bound
            refuse_zero(bool((divisor == 0).any()), step.name)
        else:
            divisor, largest = constant.unsqueeze(0), int(constant.abs().max())
        # Twice the numerator or the denominator decides the rounding, on int64.
        carrier_for(2 * (x.bound << max(shift, 0)), step.name)
        carrier_for(2 * (largest << max(-shift, 0)), step.name)
        numerator, denominator = spread([x.tensor.to(torch.int64) << max(shift, 0), divisor << max(-shift, 0)])
        rounded = divide_rounded(torch.where(denominator < 0, -numerator, numerator), denominator.abs(), rounding)
        # No divisor is smaller than one unit of its own.
        limit = (x.bound << max(shift, 0)) // (1 << max(-shift, 0)) + 1
        return Result(rounded.to(carrier_for(limit, step.name).dtype), -limit, limit, rounded=True)

    return divide


def quotient_shift(instruction: Divide, step: Step, types: tuple[CodeType, ...]) -> int:
    """How far numerators are shifted left (or divisors, where it is negative), for the quotient of codes to have the
    step's fraction bits."""
    divisor_bits = types[1].binary_point if instruction.divisor is None else instruction.divisor_fraction_bits
    return step.type.binary_point - types[0].binary_point + divisor_bits


def refuse_zero(found: bool, name: str) -> None:
    if found:
        raise BittrueError(
            f"{name} divides by a code of 0: give the site of its divisor more fraction bits, or train a network whose "
            "divisor stays away from 0."
        )


@wide_kernel.rule(Divide)
def _(instruction: Divide, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    shift = quotient_shift(instruction, step, types)
    rounding = step.rounds_with.rounding
    constant = None if instruction.divisor is None else instruction.divisor.astype(object)[np.newaxis]

    def divide(inputs: tuple[np.ndarray, ...]) -> WideResult:
        x, d = spread([inputs[0], inputs[1] if constant is None else constant])
        refuse_zero(bool((d == 0).any()), step.name)
        numerator, denominator = x << max(shift, 0), d << max(-shift, 0)
        signed = np.where(denominator < 0, -numerator, numerator)
        return WideResult(integers.divide_rounded(signed, abs(denominator), rounding))

    return divide


@prove_step.rule(Divide)
def _(instruction: Divide, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    shift = quotient_shift(instruction, step, types)
    constant = instruction.divisor
    ends = (1, bounds[1]) if constant is None else (int(abs(constant).min()), int(abs(constant).max()))
    numerator, smallest, largest = bounds[0] << max(shift, 0), *(end << max(-shift, 0) for end in ends)
    reach = max(*bounds, numerator // smallest + 1)
    # Twice the numerator or the denominator decides the rounding, on int64.
    decided = 2 * max(numerator, largest)
    return carried(step, reach if Carrier.INT64.holds(decided) else max(reach, decided))
