"""Softmax and its logarithm, as the real numbers that they are, and softmax as hardware computes it (B9).

By Lindemann and Weierstrass, a softmax of rational numbers is rational only where all are equal, and its logarithm only
over one number; all other values are known by bounds of any precision (`enclosure`).
"""

from fractions import Fraction
from functools import cache
from typing import Any

from bittrue.definition.enclosure import Bounds, Real, exp_negative, exponential, round_number
from bittrue.definition.interval import Interval, exp, irrational, log_of
from bittrue.definition.meaning import Codes, Numbers, meaning
from bittrue.definition.rows import number_rows, rows
from bittrue.errors import BittrueError
from bittrue.fixed.format import Quantizer
from bittrue.fixed.reference import decode, overflow_code, overflows, round_to_code
from bittrue.program import LogSoftmax, Softmax, SoftmaxTable, Step


@meaning.rule(Softmax)
def _(instruction: Softmax, step: Step, inputs: tuple[Codes, ...]) -> Numbers:
    (x,) = inputs
    values: list[Fraction | Real] = []
    for row, part in zip(number_rows(x), _parts_of(instruction.mask, x), strict=True):
        found = iter(softmax([number for number, taken in zip(row, part, strict=True) if taken]))
        values += [next(found) if taken else Fraction(0) for taken in part]
    return Numbers(x.shape, values)


def softmax(row: list[Fraction]) -> list[Fraction | Real]:
    """exp(x_i) / Σ_j exp(x_j)."""
    if len(set(row)) == 1:
        return [Fraction(1, len(row)) for _ in row]
    largest = max(row)

    @cache
    def parts(work: int) -> dict[Fraction, Bounds]:
        """exp(x − largest) by x; exactly 1 for the largest."""
        one = 1 << work
        return {x: exp_negative(largest - x, work) if x < largest else (one, one) for x in row}

    @cache
    def total(work: int) -> Bounds:
        return sum(parts(work)[x][0] for x in row), sum(parts(work)[x][1] for x in row)

    def value(x: Fraction) -> Real:
        def bounds(precision: int) -> Bounds:
            work = precision + 4
            low, high = _quotient(*parts(work)[x], *total(work), precision)
            return low, min(high, 1 << precision)

        return bounds

    values = {x: value(x) for x in row}
    return [values[x] for x in row]


@meaning.rule(LogSoftmax)
def _(instruction: LogSoftmax, step: Step, inputs: tuple[Codes, ...]) -> Numbers:
    (x,) = inputs
    return Numbers(x.shape, [value for row in number_rows(x) for value in log_softmax(row)])


def log_softmax(row: list[Fraction]) -> list[Fraction | Real]:
    """x_i − max − log Σ_j exp(x_j − max)."""
    if len(row) == 1:
        return [Fraction(0)]
    largest = max(row)

    @cache
    def log_of_sum(bits: int) -> Interval:
        return log_of(sum((exp(x - largest, bits) for x in row), Interval(0, 0, bits)))

    def value(x: Fraction) -> Real:
        return irrational(lambda bits: -log_of_sum(bits) + (x - largest))

    values = {x: value(x) for x in row}
    return [values[x] for x in row]


@meaning.rule(SoftmaxTable)
def _(instruction: SoftmaxTable, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs

    @cache
    def exp_code(difference: int) -> int:
        exponent = -decode(difference, instruction.difference.format.fraction_bits)
        return round_number(exponential(exponent), instruction.exp.format.fraction_bits, instruction.exp.rounding)

    outside = dict.fromkeys(("difference", "exp", "sum", "reciprocal"), 0)

    def limited(role: str, code: int, quantizer: Quantizer) -> int:
        outside[role] += overflows(code, quantizer)
        return overflow_code(code, quantizer)

    def requantized(role: str, code: int, fraction_bits: int, quantizer: Quantizer) -> int:
        value = decode(code, fraction_bits)
        return limited(role, round_to_code(value, quantizer.format.fraction_bits, quantizer.rounding), quantizer)

    codes: list[int] = []
    for whole, part in zip(rows(x, x.shape[-1]), _parts_of(instruction.mask, x), strict=True):
        row = [code for code, taken in zip(whole, part, strict=True) if taken]
        largest = max(row)
        differences = [
            requantized("difference", largest - code, x.binary_point, instruction.difference) for code in row
        ]
        exps = [limited("exp", exp_code(difference), instruction.exp) for difference in differences]
        total = requantized("sum", sum(exps), instruction.exp.format.fraction_bits, instruction.sum)
        if total == 0:
            raise BittrueError(
                f"The sum of exponentials in '{step.name}' is rounded to zero, which has no reciprocal; "
                "give its sum and exp table formats with more bits."
            )
        inverse = 1 / decode(total, instruction.sum.format.fraction_bits)
        reciprocal_bits, rounding = instruction.reciprocal.format.fraction_bits, instruction.reciprocal.rounding
        reciprocal = limited("reciprocal", round_to_code(inverse, reciprocal_bits, rounding), instruction.reciprocal)
        products = iter([exp * reciprocal for exp in exps])
        codes += [next(products) if taken else 0 for taken in part]
    bits = instruction.exp.format.fraction_bits + instruction.reciprocal.format.fraction_bits
    return Codes(x.shape, bits, codes, inner_overflows=outside)


def _parts_of(mask: Any, x: Codes) -> list[list[bool]]:
    """Which positions take part, row by row: all of them where there is no mask."""
    length = x.shape[-1]
    taken = [True] * len(x.codes) if mask is None else mask.ravel().tolist()
    return [taken[start : start + length] for start in range(0, len(taken), length)]


def _quotient(low: int, high: int, low_divisor: int, high_divisor: int, precision: int) -> Bounds:
    """Bounds at `precision` of a quotient whose dividend and positive divisor lie within bounds of one common unit."""
    return (low << precision) // high_divisor, -(-(high << precision) // low_divisor)
