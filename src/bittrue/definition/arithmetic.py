"""Arithmetic between values, element by element: sums, products, quotients and extrema (B10)."""

from fractions import Fraction

from bittrue.definition.broadcasting import broadcast
from bittrue.definition.meaning import Codes, Numbers, meaning
from bittrue.errors import BittrueError
from bittrue.program import Add, Divide, Extremum, Step


def _aligned(step: Step, inputs: tuple[Codes, ...]) -> tuple[int, list[list[int]]]:
    """The largest number of fraction bits, and the operands' codes at it, broadcast to the step's shape."""
    bits = max(operand.binary_point for operand in inputs)
    shifted = [[code << bits - operand.binary_point for code in operand.codes] for operand in inputs]
    pairs = zip(shifted, inputs, strict=True)
    return bits, [broadcast(codes, operand.shape, step.type.shape, step) for codes, operand in pairs]


@meaning.rule(Add)
def _(instruction: Add, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    bits, operands = _aligned(step, inputs)
    return Codes(step.type.shape, bits, [sum(codes) for codes in zip(*operands, strict=True)])


@meaning.rule(Extremum)
def _(instruction: Extremum, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    bits, operands = _aligned(step, inputs)
    choose = max if instruction.largest else min
    return Codes(step.type.shape, bits, [choose(codes) for codes in zip(*operands, strict=True)])


@meaning.rule(Divide)
def _(instruction: Divide, step: Step, inputs: tuple[Codes, ...]) -> Numbers:
    shape = step.type.shape
    if instruction.divisor is None:
        x, d = inputs
        divisors, divisor_bits = broadcast(d.codes, d.shape, shape, step), d.binary_point
    else:
        (x,) = inputs
        flat = instruction.divisor.reshape(-1).tolist()
        divisors = broadcast(flat, instruction.divisor.shape, shape, step)
        divisor_bits = instruction.divisor_fraction_bits
    if 0 in divisors:
        raise BittrueError(
            f"Step '{step.name}' divides by a code of 0; give the site of its divisor more fraction bits, or a value "
            "that stays away from 0."
        )
    numerators = broadcast(x.codes, x.shape, shape, step)
    unit = Fraction(2) ** (divisor_bits - x.binary_point)
    return Numbers(shape, [Fraction(code, divisor) * unit for code, divisor in zip(numerators, divisors, strict=True)])
