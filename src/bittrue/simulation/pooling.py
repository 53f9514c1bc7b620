"""Kernels of windows: maxima and averages."""

from math import prod

import torch

from bittrue.fixed import Rounding
from bittrue.operators.windows import channels_first, channels_last, pad_spatial, window_maximum, window_sum
from bittrue.program import CodeType, Step, WindowAverage, WindowMaximum
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove_step
from bittrue.simulation.rounding import divide_rounded
from bittrue.simulation.values import Codes, Result


@kernel.rule(WindowMaximum)
def _(instruction: WindowMaximum, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    def maximum(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        if instruction.window == tuple(x.tensor.shape[1:-1]) and not any(map(any, instruction.padding)):
            y = x.tensor.amax(tuple(range(1, x.tensor.dim() - 1)))
        elif x.tensor.dtype == torch.int64:
            y = _integer_maximum(x.tensor, instruction)
        else:
            y = window_maximum(x.tensor, instruction.window, instruction.strides, instruction.padding)
        return Result(y.reshape(y.shape[0], *step.type.shape), x.low, x.high, tight=True)

    return maximum


def _integer_maximum(x: torch.Tensor, instruction: WindowMaximum) -> torch.Tensor:
    """Maxima over windows in int64, which torch's pooling doesn't take; padding is the least integer."""
    padding = instruction.padding
    y = channels_first(x)
    if any(map(any, padding)):
        y = pad_spatial(y, padding, torch.iinfo(torch.int64).min)
    for axis, (reach, stride) in enumerate(zip(instruction.window, instruction.strides, strict=True), start=2):
        y = y.unfold(axis, reach, stride).amax(-1)
    return channels_last(y)


@kernel.rule(WindowAverage)
def _(instruction: WindowAverage, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    positions = prod(instruction.window)
    divisor = torch.from_numpy(instruction.divisor).unsqueeze(-1)
    largest = int(instruction.divisor.max())
    source = types[0].fraction_bits
    assert source is not None
    target = step.exact.fraction_bits if step.quantizer is None else step.quantizer.format.fraction_bits
    assert target is not None
    shift = target - source
    # An exact result is dyadic and divides without a rest; any rounding leaves it as it is.
    rounding = Rounding.FLOOR if step.quantizer is None else step.quantizer.rounding

    def average(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        sums = carrier_for(x.bound * positions, step.name)
        total = window_sum(x.tensor.to(sums.dtype), instruction.window, instruction.strides, instruction.padding)
        carrier_for(2 * (x.bound * positions << max(shift, 0)), step.name)
        carrier_for(2 * (largest << max(-shift, 0)), step.name)
        numerator = total.to(torch.int64) << max(shift, 0)
        rounded = divide_rounded(numerator, divisor << max(-shift, 0), rounding)
        # A mean lies between its numbers (and 0, where padding counts), before and after rounding.
        low, high = min(x.low, 0), max(x.high, 0)
        bounds = (low << shift, high << shift) if shift >= 0 else (low >> -shift, -(-high >> -shift))
        carrier = carrier_for(max(map(abs, bounds)), step.name)
        return Result(rounded.to(carrier.dtype).reshape(len(rounded), *step.type.shape), *bounds, rounded=True)

    return average


@prove_step.rule(WindowMaximum)
def _(instruction: WindowMaximum, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, bounds[0])


@prove_step.rule(WindowAverage)
def _(instruction: WindowAverage, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    total = bounds[0] * prod(instruction.window)
    source, target = types[0].fraction_bits, step.type.fraction_bits
    assert source is not None
    assert target is not None
    # Twice the numerator or denominator of the quotient decides its rounding, on int64.
    quotient = 2 * max(total << max(target - source, 0), int(instruction.divisor.max()) << max(source - target, 0))
    return carried(step, max(total, quotient) if quotient >> Carrier.INT64.bits else total)
