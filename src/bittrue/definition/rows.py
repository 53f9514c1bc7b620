"""Values taken row by row, along their last axes."""

from fractions import Fraction

from bittrue.definition.meaning import Codes
from bittrue.fixed.reference import decode


def number_rows(x: Codes) -> list[list[Fraction]]:
    """The numbers along the last axis, row by row."""
    return [[decode(code, x.binary_point) for code in row] for row in rows(x, x.shape[-1])]


def rows(x: Codes, length: int) -> list[list[int]]:
    """The codes along the last axis, or the last axes, that hold `length`, row by row."""
    return [x.codes[start : start + length] for start in range(0, len(x.codes), length)]
