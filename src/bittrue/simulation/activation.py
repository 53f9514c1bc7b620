"""Clips, which ReLU is one of: straight pieces without a slope of their own."""

import numpy as np

from bittrue.program import Clip, CodeType, Step
from bittrue.simulation.carrier import carrier_for
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove_step
from bittrue.simulation.values import Codes, Result, alignment, exact_code, shifted
from bittrue.simulation.wide import WideKernel, WideResult, wide_kernel


@kernel.rule(Clip)
def _(instruction: Clip, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    (shift,) = alignment(step, types)
    least, most = _bounds(instruction, step)

    def limited(code: int) -> int:
        code = code if least is None else max(code, least)
        return code if most is None else min(code, most)

    def clip(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        low, high = x.low << shift, x.high << shift
        # A bound beyond every code of this batch changes nothing, and need not fit the carrier.
        lower = least if least is not None and least > low else None
        upper = most if most is not None and most < (high if lower is None else max(high, lower)) else None
        reach = max(abs(low), abs(high), abs(lower or 0), abs(upper or 0))
        y = shifted(x, shift, carrier_for(reach, step.name))
        if lower is not None or upper is not None:
            y = y.clamp_(lower, upper) if y is not x.tensor or x.reusable else y.clamp(lower, upper)
        return Result(y, limited(low), limited(high), tight=True)

    return clip


def _bounds(instruction: Clip, step: Step) -> tuple[int | None, int | None]:
    """Both bounds as codes of the exact result."""
    low, high = (None if bound is None else exact_code(bound, step) for bound in (instruction.low, instruction.high))
    return low, high


@wide_kernel.rule(Clip)
def _(instruction: Clip, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    (shift,) = alignment(step, types)
    low, high = _bounds(instruction, step)

    def clip(inputs: tuple[np.ndarray, ...]) -> WideResult:
        y = inputs[0] << shift
        y = y if low is None else np.maximum(y, low)
        return WideResult(y if high is None else np.minimum(y, high))

    return clip


@prove_step.rule(Clip)
def _(instruction: Clip, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    # A bound may be the only number that something is known about, or the longest.
    ends = (abs(step.exact.low or 0), abs(step.exact.high or 0))
    return carried(step, max(bounds[0] << alignment(step, types)[0], *ends))
