"""Products of two values: element by element, and of matrices (B6)."""

from fractions import Fraction
from itertools import product
from math import prod
from operator import mul

from bittrue.definition.accumulator import accumulate, limited
from bittrue.definition.broadcasting import broadcast
from bittrue.definition.meaning import Codes, meaning
from bittrue.errors import BittrueError
from bittrue.fixed.format import Overflow
from bittrue.fixed.reference import decode
from bittrue.program import MultiplyTensors, Step


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
