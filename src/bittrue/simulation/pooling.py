"""Windows: extrema, sums and averages."""

from functools import reduce
from math import prod

import numpy as np
import torch

from bittrue.fixed import Rounding, integers
from bittrue.operators.windows import window_counts, window_extremum, window_sum
from bittrue.program import CodeType, Step, WindowExtremum, WindowSum
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove_step
from bittrue.simulation.rounding import divide_rounded
from bittrue.simulation.values import Codes, Result
from bittrue.simulation.wide import WideKernel, WideResult, wide_kernel
from bittrue.simulation.wide_windows import taps


@kernel.rule(WindowExtremum)
def _(instruction: WindowExtremum, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    geometry = (instruction.window, instruction.strides, instruction.padding, instruction.dilation)

    def extremum(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        y = window_extremum(x.tensor, *geometry, minimum=instruction.minimum)
        return Result(y.reshape(y.shape[0], *step.type.shape), x.low, x.high, tight=True)

    return extremum


@kernel.rule(WindowSum)
def _(instruction: WindowSum, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    geometry = (instruction.window, instruction.strides, instruction.padding, instruction.dilation)
    positions = prod(instruction.window)
    divisor = torch.from_numpy(instruction.divisor).unsqueeze(-1)
    largest = int(instruction.divisor.max())
    # A mean lies between its numbers (and 0, where padding counts); a sum is so many times as large at most.
    times = int((-(-window_counts(types[0].shape[:-1], *geometry) // instruction.divisor)).max())
    quantizer = step.quantizer
    # What is passed on exactly is dyadic and divides without a rest; any rounding leaves it as it is.
    target = step.exact.binary_point if quantizer is None else quantizer.format.fraction_bits
    rounding = Rounding.FLOOR if quantizer is None else quantizer.rounding
    shift = target - types[0].binary_point

    def divided_sum(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        sums = carrier_for(x.bound * positions, step.name)
        total = window_sum(x.tensor.to(sums.dtype), *geometry)
        carrier_for(2 * (x.bound * positions << max(shift, 0)), step.name)
        carrier_for(2 * (largest << max(-shift, 0)), step.name)
        numerator = total.to(torch.int64) << max(shift, 0)
        rounded = divide_rounded(numerator, divisor << max(-shift, 0), rounding)
        low, high = times * min(x.low, 0), times * max(x.high, 0)
        bounds = (low << shift, high << shift) if shift >= 0 else (low >> -shift, -(-high >> -shift))
        carrier = carrier_for(max(map(abs, bounds)), step.name)
        return Result(rounded.to(carrier.dtype).reshape(len(rounded), *step.type.shape), *bounds, rounded=True)

    return divided_sum


@wide_kernel.rule(WindowExtremum)
def _(instruction: WindowExtremum, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    geometry = (instruction.window, instruction.strides, instruction.padding, instruction.dilation)

    def extremum(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        # The least code of all is never more than what a window holds besides padding, nor is the largest less.
        fill = 0
        if x.size:
            fill = int(x.max()) if instruction.minimum else int(x.min())
        chosen = np.minimum if instruction.minimum else np.maximum
        y: np.ndarray = reduce(chosen, taps(x, *geometry, fill))
        return WideResult(y.reshape(len(x), *step.type.shape))

    return extremum


@wide_kernel.rule(WindowSum)
def _(instruction: WindowSum, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    geometry = (instruction.window, instruction.strides, instruction.padding, instruction.dilation)
    # A dyadic result divides without a rest; any rounding leaves it as it is.
    quantizer = None if step.is_dyadic else step.rounds_with
    target = step.exact.binary_point if quantizer is None else quantizer.format.fraction_bits
    rounding = Rounding.FLOOR if quantizer is None else quantizer.rounding
    shift = target - types[0].binary_point
    divisors = instruction.divisor[..., np.newaxis].astype(object) << max(-shift, 0)

    def divided_sum(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        total: np.ndarray = reduce(np.add, taps(x, *geometry, 0))
        rounded = integers.divide_rounded(total << max(shift, 0), divisors, rounding)
        return WideResult(rounded.reshape(len(x), *step.type.shape))

    return divided_sum


@prove_step.rule(WindowExtremum)
def _(instruction: WindowExtremum, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, bounds[0])


@prove_step.rule(WindowSum)
def _(instruction: WindowSum, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    total = bounds[0] * prod(instruction.window)
    source, target = types[0].binary_point, step.type.binary_point
    # Twice the numerator or denominator of the quotient decides its rounding, on int64.
    numerator = total << max(target - source, 0)  # what a divisor of 1 leaves as it is
    quotient = 2 * max(numerator, int(instruction.divisor.max()) << max(source - target, 0))
    return carried(step, numerator if Carrier.INT64.holds(quotient) else max(numerator, quotient))
