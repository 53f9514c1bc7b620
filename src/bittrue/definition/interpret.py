"""The engine: one image through a FixedNetwork, each step's exact result rounded once by its quantizer (B3, B4).

It names no instruction; their rules are in the families' files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import isfinite, prod

# Imported for the rules that they register.
from bittrue.definition import (  # noqa: F401
    activation,
    arithmetic,
    batch_normalization,
    constants,
    convolution,
    functions,
    layer_normalization,
    matrix_product,
    movement,
    pooling,
    softmax,
)
from bittrue.definition.enclosure import Real, round_number
from bittrue.definition.meaning import Codes, Numbers, meaning
from bittrue.errors import BittrueError
from bittrue.fixed.format import Quantizer
from bittrue.fixed.reference import decode, overflow_code, overflows
from bittrue.program import FixedNetwork, Step

Exact = float | Fraction
"""A float is taken as the exact number that it is."""
Nested = Exact | Sequence["Nested"]
Item = int | Fraction | Real


def interpret(
    program: FixedNetwork, image: Nested, *, given: Mapping[str, Sequence[Exact]] | None = None
) -> dict[str, Codes]:
    """The codes of every step, by the step's name.

    image: the float32 input of one image, nested or flat in row-major order.
    given: the float32 values, before the step's quantizer, of steps that are computed in float32 (FLOAT) and have codes
    after it. The definition has no meaning of its own for those, and for what reads a FLOAT value directly.
    Raises BittrueError where such values are missing, or given for a step that has a meaning.
    """
    given = given or {}
    unknown = sorted(set(given) - set(program.by_name))
    if unknown:
        raise BittrueError(
            f"There is no step '{unknown[0]}' whose float32 values could be given; name one that exists."
        )
    first = program.steps[0]
    values = {first.name: interpret_step(first, (), list(_flat(image)))}
    for step in program.steps[1:]:
        inputs = [values[name] for name in step.inputs]
        values[step.name] = interpret_step(step, inputs, given.get(step.name))
    return values


def interpret_step(step: Step, inputs: Sequence[Codes], given: Sequence[Exact] | None = None) -> Codes:
    """The codes of one step from those of its inputs.

    given: the values of a step that has no meaning in integers: the image, flat, for the input; for FLOAT, the float32
    values before the quantizer. Raises BittrueError as `interpret` does.
    """
    from_float = any(operand.fraction_bits is None for operand in inputs)
    exact = None if from_float else meaning[type(step.instruction)](step.instruction, step, tuple(inputs))
    if exact is None:
        if step.type.is_float:
            return Codes(step.type.shape, None, [])
        exact = _from_outside(step, given)
    elif given is not None:
        raise BittrueError(f"Step '{step.name}' has a meaning in integers; don't give values for it.")
    if exact.shape != step.type.shape:
        raise BittrueError(
            f"Step '{step.name}' makes the shape {exact.shape} and claims {step.type.shape}; lower the network again."
        )
    codes = _passed_on(step, exact) if step.quantizer is None else _quantized(exact, step.quantizer)
    return replace(codes, inner_overflows=exact.inner_overflows) if isinstance(exact, Codes) else codes


def _from_outside(step: Step, given: Sequence[Exact] | None) -> Numbers:
    if given is None:
        raise BittrueError(
            f"Step '{step.name}' is computed in float32, for which there is no definition; give its float32 values."
        )
    if len(given) != prod(step.type.shape):
        raise BittrueError(f"Step '{step.name}' has the shape {step.type.shape} and is given {len(given)} values.")
    if not all(isfinite(value) for value in given):
        raise BittrueError(f"The values given for step '{step.name}' hold NaN or infinity; only numbers have codes.")
    return Numbers(step.type.shape, [Fraction(value) for value in given])


def _quantized(exact: Codes | Numbers, quantizer: Quantizer) -> Codes:
    """Rounded, then the overflow mode; equal results are rounded once."""
    fraction_bits = quantizer.format.fraction_bits
    items, numbers = _numbers(exact)
    rounded = {item: round_number(number, fraction_bits, quantizer.rounding) for item, number in numbers.items()}
    outside = {item for item, code in rounded.items() if overflows(code, quantizer)}
    codes = {item: overflow_code(code, quantizer) for item, code in rounded.items()}
    return Codes(exact.shape, fraction_bits, [codes[item] for item in items], sum(item in outside for item in items))


def _passed_on(step: Step, exact: Codes | Numbers) -> Codes:
    """The exact result with the step's binary point, which must hold every bit of it."""
    bits = step.type.fraction_bits
    if bits is None:
        raise BittrueError(f"Step '{step.name}' makes codes and claims to be FLOAT; lower the network again.")
    if isinstance(exact, Codes) and exact.fraction_bits == bits:
        return exact
    items, numbers = _numbers(exact)
    codes = {}
    for item, number in numbers.items():
        scaled = number * Fraction(2) ** bits if isinstance(number, Fraction) else None
        if scaled is None or scaled.denominator != 1:
            raise BittrueError(
                f"Step '{step.name}' has no quantizer, and {bits} fraction bits don't hold its exact result; "
                "give its site a format or GUARD."
            )
        codes[item] = scaled.numerator
    return Codes(exact.shape, bits, [codes[item] for item in items])


def _numbers(exact: Codes | Numbers) -> tuple[Sequence[Item], dict[Item, Fraction | Real]]:
    """The items of a result in their order, codes or numbers, and the number that each distinct one stands for."""
    if isinstance(exact, Codes):
        return exact.codes, {code: decode(code, exact.binary_point) for code in set(exact.codes)}
    return exact.values, {number: number for number in exact.values}


def _flat(nested: Nested) -> Iterator[Exact]:
    if isinstance(nested, Iterable):
        for part in nested:
            yield from _flat(part)
    else:
        yield nested
