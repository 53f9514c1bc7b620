"""Kernels of windows: extrema, sums and averages."""

from math import prod

import torch

from bittrue.fixed import Rounding
from bittrue.operators.windows import window_counts, window_extremum, window_sum
from bittrue.program import CodeType, Step, WindowExtremum, WindowSum
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove_step
from bittrue.simulation.rounding import divide_rounded
from bittrue.simulation.values import Codes, Result


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
    source = types[0].fraction_bits
    assert source is not None
    target = step.exact.fraction_bits if step.quantizer is None else step.quantizer.format.fraction_bits
    assert target is not None
    shift = target - source
    # An exact result is dyadic and divides without a rest; any rounding leaves it as it is.
    rounding = Rounding.FLOOR if step.quantizer is None else step.quantizer.rounding

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


@prove_step.rule(WindowExtremum)
def _(instruction: WindowExtremum, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, bounds[0])


@prove_step.rule(WindowSum)
def _(instruction: WindowSum, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    total = bounds[0] * prod(instruction.window)
    source, target = types[0].fraction_bits, step.type.fraction_bits
    assert source is not None
    assert target is not None
    # Twice the numerator or denominator of the quotient decides its rounding, on int64.
    quotient = 2 * max(total << max(target - source, 0), int(instruction.divisor.max()) << max(source - target, 0))
    return carried(step, max(total, quotient) if quotient >> Carrier.INT64.bits else total)
