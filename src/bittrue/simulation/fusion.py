"""Scale, offset and clip in one go: an affine batch normalization and the activation after it, rounded once (B12).

In a fused group the map's exact result is needed by nothing but the clip. Where the formats alone prove that float64
holds it, both are computed piece by piece, in memory that stays in the cores' caches. The codes are the same: nothing
but the rounding at the end rounds.
"""

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction

import torch

from bittrue.fixed import Rounding
from bittrue.program import Clip, FixedNetwork, ScaleOffset, Step
from bittrue.simulation.affine import mapped_rounded
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.constants import branch_bound, branches_of
from bittrue.simulation.kernel import Kernel
from bittrue.simulation.values import Codes, Result

_MOST_FOLDED = 64
"""How far the binary point may move: no number leaves float64's normal range by it."""


@dataclass(frozen=True, eq=False)
class Fusion:
    """Two steps computed as one. step: the second one, reading what the first one reads."""

    step: Step
    kernel: Kernel


def fusions(program: FixedNetwork) -> dict[str, Fusion]:
    """By the first step's name, what can be computed with the step after it."""
    readers = Counter(name for step in program.steps for name in step.inputs)
    readers[program.output] += 1
    found = {}
    for step in program.steps:
        if not isinstance(step.instruction, Clip):
            continue
        first = program.by_name[step.inputs[0]]
        if isinstance(first.instruction, ScaleOffset) and readers[first.name] == 1:
            kernel = _kernel(program, first, first.instruction, step, step.instruction)
            if kernel is not None:
                found[first.name] = Fusion(replace(step, inputs=first.inputs), kernel)
    return found


def _kernel(program: FixedNetwork, first: Step, scaling: ScaleOffset, last: Step, clip: Clip) -> Kernel | None:
    """The kernel of both, or None where they are not to be computed together."""
    source, quantizer = program.by_name[first.inputs[0]].type, last.quantizer
    if scaling.below is not None or first.quantizer is not None or first.type.low is None:
        return None
    if quantizer is None or quantizer.rounding is not Rounding.NEAREST_EVEN:
        return None
    if source.low is None or source.high is None:
        return None
    bits, finest = first.exact.binary_point, last.exact.binary_point
    (branch,) = branches_of(scaling, first, (source,))
    # Aligned to the clip's exact result, in whose units its bounds are.
    bound = branch_bound([branch], max(-source.low, source.high)) << finest - bits
    ends = [None if end is None else int(end * Fraction(2) ** finest) for end in (clip.low, clip.high)]
    shift = finest - quantizer.format.fraction_bits
    largest = max(bound, *(abs(end or 0) for end in ends))
    if not Carrier.FLOAT64.holds(largest) or abs(shift) > _MOST_FOLDED or abs(finest - bits - shift) > _MOST_FOLDED:
        return None
    scale, offset = (torch.tensor(numbers, dtype=torch.float64) * 2.0 ** (finest - bits - shift) for numbers in branch)
    low, high = (None if end is None else end * 2.0**-shift for end in ends)
    width = max(len(numbers) for numbers in branch)
    limit = (largest >> shift) + 1 if shift >= 0 else largest << -shift

    def compute(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        carrier = carrier_for(limit, last.name)
        rounded = mapped_rounded(x, width, scale, offset, (low, high), Rounding.NEAREST_EVEN, carrier)
        return Result(rounded, -limit, limit, rounded=True)

    return compute if Carrier.FLOAT64.holds(limit) else None
