"""The table of what each instruction means, and the values that its rules take and give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from bittrue.definition.enclosure import Real
from bittrue.program import Step
from bittrue.rules import RuleTable


@dataclass(frozen=True)
class Codes:
    """A tensor of codes, the batch axis left out.

    codes: in row-major order, empty where `fraction_bits` is None, for the definition says nothing about FLOAT values.
    overflows: how many codes lay outside the limits of the step's quantizer after rounding, whatever became of them.
    inner_overflows: the same of quantizers inside the instruction, by the role of their site (`accumulator`).
    """

    shape: tuple[int, ...]
    fraction_bits: int | None
    codes: list[int]
    overflows: int = 0
    inner_overflows: Mapping[str, int] = field(default_factory=dict)

    @property
    def binary_point(self) -> int:
        """`fraction_bits` of a value that has codes, as every input of a rule has."""
        if self.fraction_bits is None:
            raise TypeError("a FLOAT value has no binary point")
        return self.fraction_bits


@dataclass(frozen=True)
class Numbers:
    """A tensor of exact results that need not be dyadic: each a fraction, or an irrational number known by its bounds.

    values: in row-major order. Equal irrational numbers may be one object, which is then rounded once.
    """

    shape: tuple[int, ...]
    values: list[Fraction | Real]


Meaning = Callable[[Any, Step, tuple[Codes, ...]], Codes | Numbers | None]
"""(instruction, its step, the inputs' codes) → the exact result before the step's quantizer.

Every input has codes. None: the instruction has no meaning in integers, its values come from outside.
"""

meaning: RuleTable[Meaning] = RuleTable("definition")
