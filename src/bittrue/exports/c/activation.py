"""C of straight pieces: clips, and scale and offset with one branch or two."""

from fractions import Fraction
from math import ceil

import numpy as np

from bittrue.exports.c.broadcasting import place_of
from bittrue.exports.c.draft import Draft, Number
from bittrue.exports.c.integers import literal
from bittrue.exports.c.quantization import requantized
from bittrue.exports.c.table import computes_one_code
from bittrue.program import Clip, Reshape, ScaleOffset, Step


@computes_one_code(Reshape)
def reshape(instruction: Reshape, step: Step, draft: Draft, x: Number, index: str) -> Number:
    return requantized(draft, x, step.quantizer)


@computes_one_code(Clip)
def clip(instruction: Clip, step: Step, draft: Draft, x: Number, index: str) -> Number:
    number = draft.shifted(x, step.exact.binary_point)
    low, high = (_code(bound, number.fraction_bits) for bound in (instruction.low, instruction.high))
    # The upper bound has the last word, as in min(max(x, low), high).
    for code, sign in ((low, "<"), (high, ">")):
        if code is not None:
            number = _bounded(draft, number, code, sign)
    return requantized(draft, number, step.quantizer)


def _code(bound: Fraction | None, fraction_bits: int) -> int | None:
    return None if bound is None else int(bound * Fraction(2) ** fraction_bits)


def _bounded(draft: Draft, number: Number, code: int, sign: str) -> Number:
    """The code in the place of a number that lies below it ("<") or above it (">")."""
    choose = max if sign == "<" else min
    low, high = choose(number.low, code), choose(number.high, code)
    if (low, high) == (number.low, number.high):
        return number
    if low == high:
        return Number(literal(low), number.fraction_bits, low, high)
    kind = draft.type_for(low, high)
    chosen = f"{number.text} {sign} {literal(code)} ? {literal(code)} : {number.to(kind)}"
    return draft.variable(chosen, number.fraction_bits, low, high)


@computes_one_code(ScaleOffset)
def scale_offset(instruction: ScaleOffset, step: Step, draft: Draft, x: Number, index: str) -> Number:
    def branch(name: str, scale: np.ndarray, offset: np.ndarray) -> Number:
        """scale·x + offset, exactly."""
        places = (place_of(codes.shape, step.type.shape, index) for codes in (scale, offset))
        factor = draft.element(step, f"scale{name}", scale, next(places), instruction.scale_fraction_bits)
        summand = draft.element(step, f"offset{name}", offset, next(places), instruction.offset_fraction_bits)
        return draft.plus(draft.times(x, factor), summand)

    if not x.is_variable:
        x = draft.variable(x.text, x.fraction_bits, x.low, x.high)
    below = instruction.below
    threshold = None if below is None else ceil(below.threshold * Fraction(2) ** x.fraction_bits)
    if below is None or threshold is None or threshold <= x.low:
        number = branch("", instruction.scale, instruction.offset)
    elif threshold > x.high:
        number = branch("_below", below.scale, below.offset)
    else:
        upper = branch("", instruction.scale, instruction.offset)
        lower = branch("_below", below.scale, below.offset)
        upper, lower = (draft.shifted(each, step.exact.binary_point) for each in (upper, lower))
        low, high = min(upper.low, lower.low), max(upper.high, lower.high)
        chosen = f"{x.text} >= {literal(threshold)} ? {upper.text} : {lower.text}"
        number = draft.variable(chosen, step.exact.binary_point, low, high)
    return requantized(draft, number, step.quantizer)
