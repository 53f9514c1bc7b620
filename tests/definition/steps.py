"""Short ways to write a step, its inputs and its quantizer in the tests of the definition."""

from collections.abc import Sequence
from math import prod

from bittrue.definition import Codes, interpret_step
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.program import CodeType, Instruction, Step


def quantizer(
    word_length: int,
    fraction_bits: int,
    rounding: Rounding = Rounding.NEAREST_EVEN,
    overflow: Overflow = Overflow.SATURATE,
    *,
    signed: bool = True,
) -> Quantizer:
    return Quantizer(FixedFormat(signed, word_length, fraction_bits), rounding, overflow)


def codes(shape: Sequence[int], fraction_bits: int | None, values: Sequence[int]) -> Codes:
    assert fraction_bits is None or len(values) == prod(shape)
    return Codes(tuple(shape), fraction_bits, list(values))


def step(
    instruction: Instruction,
    shape: Sequence[int],
    rounded: Quantizer | None,
    *,
    fraction_bits: int | None = None,
    name: str = "node",
    inputs: tuple[str, ...] = ("input",),
) -> Step:
    """A step whose result has `shape`; without a quantizer it has `fraction_bits`, FLOAT if they are None too."""
    made = CodeType(tuple(shape), fraction_bits if rounded is None else rounded.format.fraction_bits)
    return Step(name, f"{name}.output", instruction, inputs, CodeType(tuple(shape), None), rounded, made)


def result(
    instruction: Instruction,
    inputs: Sequence[Codes],
    shape: Sequence[int],
    rounded: Quantizer | None = None,
    *,
    fraction_bits: int | None = None,
) -> Codes:
    return interpret_step(step(instruction, shape, rounded, fraction_bits=fraction_bits), inputs)
