"""Kernels that move codes: reshape, pad, select, concatenate."""

import torch

from bittrue.operators.windows import channels_first, channels_last, pad_spatial, select
from bittrue.program import CodeType, Concatenate, Instruction, Pad, Reshape, Select, Step
from bittrue.simulation.carrier import carrier_for
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove_step
from bittrue.simulation.values import Codes, Result, alignment, shifted


@kernel.rule(Reshape)
def _(instruction: Reshape, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    def reshape(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        return Result(x.tensor.reshape(x.tensor.shape[0], *step.type.shape), x.low, x.high, tight=True)

    return reshape


@kernel.rule(Pad)
def _(instruction: Pad, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    def pad(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        padded = channels_last(pad_spatial(channels_first(x.tensor), instruction.padding))
        return Result(padded, min(x.low, 0), max(x.high, 0), tight=True)

    return pad


@kernel.rule(Select)
def _(instruction: Select, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    has_zeros = any(indices is not None and -1 in indices for indices in instruction.indices)

    def read(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        low, high = (min(x.low, 0), max(x.high, 0)) if has_zeros else (x.low, x.high)
        return Result(select(x.tensor, instruction.indices), low, high, tight=True)

    return read


@kernel.rule(Concatenate)
def _(instruction: Concatenate, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    shifts = alignment(step, types)

    def concatenate(inputs: tuple[Codes, ...]) -> Result:
        low = min(x.low << shift for x, shift in zip(inputs, shifts, strict=True))
        high = max(x.high << shift for x, shift in zip(inputs, shifts, strict=True))
        carrier = carrier_for(max(abs(low), abs(high)), step.name)
        parts = [shifted(x, shift, carrier) for x, shift in zip(inputs, shifts, strict=True)]
        return Result(torch.cat(parts, instruction.axis + 1), low, high, tight=True)

    return concatenate


@prove_step.rule(Reshape, Pad, Select)
def _(instruction: Instruction, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, bounds[0])


@prove_step.rule(Concatenate)
def _(instruction: Concatenate, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, max(bound << shift for bound, shift in zip(bounds, alignment(step, types), strict=True)))
