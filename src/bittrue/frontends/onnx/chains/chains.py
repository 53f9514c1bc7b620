"""What a draft's value is in terms of the values before it, where the file rounds nothing on the way.

A node that has a quantizer of the file's own, on its output or on a parameter, is the end of every chain: the file says
that hardware rounds there, and no function in the place of the chain would.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose

import numpy as np

from bittrue.frontends.onnx.conversion import Conversion, Draft
from bittrue.network import Operator, Parameter
from bittrue.operators import Broadcast, DivideConstant, Multiply, Pointwise, ScaleOffset
from bittrue.program.functions import Function, Square
from bittrue.shapes import Shape

FLOAT32_CLOSE = 1e-6
"""How near a stored float32 lies to the number that it stands for, relative to it."""

MOST_FACTORS = 8

Found = tuple[Operator, tuple[int, ...]]
"""The operator that takes a chain's place, and what it reads."""


@dataclass(frozen=True, eq=False)
class Chains:
    """rounded: the drafts whose output the file rounds; held: those with a parameter that it rounds. readers: how many
    drafts read each."""

    drafts: Sequence[Draft]
    rounded: frozenset[int]
    held: frozenset[int]
    readers: Counter[int]

    @classmethod
    def of(cls, conversion: Conversion) -> "Chains":
        drafts, formats = conversion.drafts, conversion.formats
        held = (
            number
            for number, draft in enumerate(drafts)
            if any(parameter.name in formats for _, parameter in draft.operator.parameters())
        )
        readers = Counter(source for draft in drafts for source in draft.inputs)
        return cls(drafts, frozenset(conversion.quantizers), frozenset(held), readers)

    def operator(self, number: int) -> Operator | None:
        """The operator of a value on the way through a chain; None where the chain ends."""
        return None if number in self.rounded or number in self.held else self.drafts[number].operator

    def inputs(self, number: int) -> tuple[int, ...]:
        return self.drafts[number].inputs

    def shape(self, number: int) -> Shape:
        return self.drafts[number].shape

    def argument(self, number: int | None, *functions: type[Operator | Function]) -> int | None:
        """u where the value is f(g(…u)) of these functions, the outermost first."""
        for function in functions:
            operator = None if number is None else self.operator(number)
            if number is None or operator is None or type(operator.written) is not function:
                return None
            number = self.inputs(number)[0]
        return number

    def product(self, number: int, last: bool = False) -> tuple[float, list[int]]:
        """A value as a number times factors that are no products themselves. last: it is the chain's last, and may be
        rounded."""
        coefficient, pending = 1.0, [number]
        factors: list[int] = []
        while pending and len(factors) + len(pending) <= MOST_FACTORS:
            place = pending.pop()
            operator = self.drafts[place].operator if last and place == number else self.operator(place)
            scale = _scale(operator)
            if isinstance(operator, Multiply):
                pending += self.inputs(place)
            elif isinstance(operator, Pointwise) and isinstance(operator.function, Square):
                pending += self.inputs(place) * 2
            elif scale is not None:
                coefficient *= scale
                pending += self.inputs(place)
            else:
                factors.append(place)
        return (coefficient, factors) if not pending else (1.0, [number])

    def less(self, number: int | None, wanted: float) -> int | None:
        """u where the value is u + wanted."""
        operator = None if number is None else self.operator(number)
        if number is None or not isinstance(operator, ScaleOffset) or operator.scale is not None:
            return None
        return self.inputs(number)[0] if close(number_of(operator.offset), wanted) else None

    def unspread(self, number: int) -> int:
        """u where the value is u repeated along axes of size 1; else the value itself."""
        return self.inputs(number)[0] if isinstance(self.operator(number), Broadcast) else number


def _scale(operator: Operator | None) -> float | None:
    """The one number that the operator multiplies by, if that is all that it does."""
    if isinstance(operator, ScaleOffset) and operator.offset is None:
        return number_of(operator.scale)
    if isinstance(operator, DivideConstant):
        divisor = number_of(operator.divisor)
        return 1 / divisor if divisor else None
    return None


def number_of(parameter: Parameter | None) -> float | None:
    """The one finite number that a parameter holds; None where it holds others."""
    if parameter is None or parameter.value.size != 1 or not np.isfinite(parameter.value).all():
        return None
    return float(parameter.value.reshape(()))


def close(number: float | None, wanted: float) -> bool:
    return number is not None and isclose(number, wanted, rel_tol=FLOAT32_CLOSE)
