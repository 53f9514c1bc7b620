"""Movement of codes: reshape, move, pad, select, concatenate."""

import numpy as np
import torch

from bittrue.operators.windows import select
from bittrue.program import CodeType, Concatenate, Instruction, Move, Pad, Reshape, Select, Step
from bittrue.simulation.carrier import carrier_for
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove_step
from bittrue.simulation.values import Codes, Result, alignment, exact_code, shifted
from bittrue.simulation.wide import WideKernel, WideResult, wide_kernel
from bittrue.simulation.wide_windows import padded


@kernel.rule(Reshape)
def _(instruction: Reshape, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    def reshape(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        return Result(x.tensor.reshape(x.tensor.shape[0], *step.type.shape), x.low, x.high, tight=True)

    return reshape


@kernel.rule(Pad)
def _(instruction: Pad, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    (shift,) = alignment(step, types)
    fill = exact_code(instruction.value, step)
    flat = [size for pair in reversed(instruction.padding) for size in pair]

    def pad(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        low, high = min(x.low << shift, fill), max(x.high << shift, fill)
        inner = shifted(x, shift, carrier_for(max(-low, high), step.name))
        return Result(torch.nn.functional.pad(inner, flat, value=fill), low, high, tight=True)

    return pad


@kernel.rule(Select)
def _(instruction: Select, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    has_zeros = any(indices is not None and -1 in indices for indices in instruction.indices)

    def read(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        low, high = (min(x.low, 0), max(x.high, 0)) if has_zeros else (x.low, x.high)
        return Result(select(x.tensor, instruction.indices), low, high, tight=True)

    return read


@kernel.rule(Move)
def _(instruction: Move, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    # torch's strides aren't negative: an axis that runs backwards is read forwards, and then turned round.
    steps = list(zip(instruction.sizes, instruction.strides, strict=True))
    backwards = [axis for axis, (_, stride) in enumerate(steps, start=1) if stride < 0]
    first = instruction.offset + sum((size - 1) * stride for size, stride in steps if stride < 0)

    def move(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        flat = x.tensor.reshape(len(x.tensor), -1).contiguous()
        strides = (flat.shape[1], *map(abs, instruction.strides))
        view = flat.as_strided((len(flat), *instruction.sizes), strides, flat.storage_offset() + first)
        # A number that is read twice must not be one place in memory: what reads it may write there.
        moved = view.flip(backwards).contiguous()
        return Result(moved.reshape(len(flat), *step.type.shape), x.low, x.high, tight=True)

    return move


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


@wide_kernel.rule(Reshape)
def _(instruction: Reshape, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    return lambda inputs: WideResult(inputs[0].reshape(len(inputs[0]), *step.type.shape))


@wide_kernel.rule(Pad)
def _(instruction: Pad, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    (shift,) = alignment(step, types)
    fill = exact_code(instruction.value, step)
    return lambda inputs: WideResult(padded(inputs[0] << shift, instruction.padding, fill))


@wide_kernel.rule(Select)
def _(instruction: Select, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    def read(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        for axis, indices in enumerate(instruction.indices, start=1):
            if indices is not None:
                # −1 reads the zeros that are put behind the last place.
                zeros = np.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), 0, object)
                x = np.take(np.concatenate([x, zeros], axis), indices, axis)
        return WideResult(x)

    return read


@wide_kernel.rule(Move)
def _(instruction: Move, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    places = np.indices(instruction.sizes).reshape(len(instruction.sizes), -1)
    sources = instruction.offset + np.array(instruction.strides, np.int64) @ places
    return lambda inputs: WideResult(
        inputs[0].reshape(len(inputs[0]), -1)[:, sources].reshape(len(inputs[0]), *step.type.shape)
    )


@wide_kernel.rule(Concatenate)
def _(instruction: Concatenate, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    shifts = alignment(step, types)

    def concatenate(inputs: tuple[np.ndarray, ...]) -> WideResult:
        aligned = [x << shift for x, shift in zip(inputs, shifts, strict=True)]
        return WideResult(np.concatenate(aligned, instruction.axis + 1))

    return concatenate


@prove_step.rule(Reshape, Move, Select)
def _(instruction: Instruction, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, bounds[0])


@prove_step.rule(Pad)
def _(instruction: Pad, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    fill = exact_code(instruction.value, step)
    return carried(step, max(bounds[0] << alignment(step, types)[0], abs(fill)))


@prove_step.rule(Concatenate)
def _(instruction: Concatenate, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return carried(step, max(bound << shift for bound, shift in zip(bounds, alignment(step, types), strict=True)))
