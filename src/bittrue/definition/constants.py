"""Arithmetic with constants: scales and offsets, in one branch or two (B7)."""

from fractions import Fraction
from math import ceil
from typing import Any

from bittrue.definition.broadcasting import broadcast
from bittrue.definition.meaning import Codes, meaning
from bittrue.program import ScaleOffset, Step


@meaning.rule(ScaleOffset)
def _(instruction: ScaleOffset, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    product_bits = x.binary_point + instruction.scale_fraction_bits
    bits = max(product_bits, instruction.offset_fraction_bits)
    upper = _constants(instruction.scale, x, step), _constants(instruction.offset, x, step)
    below = instruction.below
    # Without a lower branch, it is the upper one and any threshold will do.
    lower = (_constants(below.scale, x, step), _constants(below.offset, x, step)) if below else upper
    threshold = ceil(below.threshold * Fraction(2) ** x.binary_point) if below else 0
    codes = []
    for index, code in enumerate(x.codes):
        scale, offset = upper if code >= threshold else lower
        aligned_offset = offset[index] << bits - instruction.offset_fraction_bits
        codes.append((code * scale[index] << bits - product_bits) + aligned_offset)
    return Codes(x.shape, bits, codes)


def _constants(constants: Any, x: Codes, step: Step) -> list[int]:
    """An array of codes that broadcasts against x: one for each of x's."""
    return broadcast(constants.reshape(-1).tolist(), constants.shape, x.shape, step)
