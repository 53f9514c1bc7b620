"""Arithmetic between values: sums, products, quotients and extrema of tensors (B6, B10)."""

from fractions import Fraction
from itertools import product
from math import prod
from operator import mul

from bittrue.definition.broadcasting import broadcast
from bittrue.definition.meaning import Codes, Numbers, meaning
from bittrue.definition.sums import accumulate, limited
from bittrue.errors import BittrueError
from bittrue.fixed.format import Overflow
from bittrue.fixed.reference import decode
from bittrue.program import Add, Divide, Extremum, MultiplyTensors, Step


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


@meaning.rule(MultiplyTensors)
def _(instruction: MultiplyTensors, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    if instruction.matrices:
        return _matrix_product(instruction, step, *inputs)
    x, w = (broadcast(operand.codes, operand.shape, step.type.shape, step) for operand in inputs)
    return Codes(step.type.shape, sum(operand.binary_point for operand in inputs), list(map(mul, x, w)))


def _matrix_product(instruction: MultiplyTensors, step: Step, x: Codes, w: Codes) -> Codes:
    *leading, rows, columns = step.type.shape
    inner = x.shape[-1]
    if w.shape[-2] != inner:
        raise BittrueError(f"Step '{step.name}' multiplies {x.shape} by {w.shape}; lower the network again.")
    product_bits = x.binary_point + w.binary_point
    accumulator = instruction.accumulator
    codes: list[int] = []
    outside = 0
    lefts = _matrices(x, leading, step)
    rights = _matrices(w, leading, step)
    for left, right in zip(lefts, rights, strict=True):
        for row, column in product(range(rows), range(columns)):
            factors = left[row * inner : (row + 1) * inner], right[column::columns]
            exact = sum(map(mul, *factors))
            if accumulator is None:
                codes.append(exact)
                continue
            code, overflowed = accumulate(
                accumulator, instruction.quantized_products, product_bits, *factors, Fraction(0)
            )
            if accumulator.overflow is Overflow.WRAP and accumulator.format.fraction_bits >= product_bits:
                # It may wrap once at the end, and what overflows is then the final sum alone (B6).
                overflowed = limited(decode(exact, product_bits), accumulator)[1]
            codes.append(code)
            outside += overflowed
    if accumulator is None:
        return Codes(step.type.shape, product_bits, codes)
    bits = accumulator.format.fraction_bits
    return Codes(step.type.shape, bits, codes, inner_overflows={"accumulator": outside})


def _matrices(operand: Codes, leading: list[int], step: Step) -> list[list[int]]:
    """The codes of each matrix (the last two axes), the axes before them broadcast to `leading`."""
    size = prod(operand.shape[-2:])
    matrices = [operand.codes[start : start + size] for start in range(0, len(operand.codes), size)]
    return broadcast(matrices, operand.shape[:-2], leading, step)
