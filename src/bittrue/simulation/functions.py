"""Functions of one code, each result correctly rounded.

float64 gives the result to within a stated error; wherever another code lies within that error of it, an exact decision
is made, by interval arithmetic of growing precision, since the results are irrational but for the points listed.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import torch

from bittrue.errors import CarrierError
from bittrue.fixed import Quantizer
from bittrue.program import CodeType, Function, Lookup, Step
from bittrue.program.functions import reach
from bittrue.rules import RuleTable
from bittrue.simulation.carrier import Carrier, carrier_for, power_of_two
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, code_by_code, largest_code, prove_step
from bittrue.simulation.real_functions import RealFunction, error_of, function_code, real_function
from bittrue.simulation.rounding import round_resolved
from bittrue.simulation.values import Codes, Result
from bittrue.simulation.wide import WideKernel, WideResult, each, wide_kernel

_MOST_DECIDED = 1 << 17

function_kernel: RuleTable[Callable[..., Kernel]] = RuleTable("function kernel")
"""Rules `(function, step, input fraction bits) -> Kernel` for Lookup."""

function_reach: RuleTable[Callable[..., int]] = RuleTable("proof of functions")
"""Rules `(function, step, input fraction bits, input bound) -> int` for Lookup: the largest rounded code."""

wide_function: RuleTable[Callable[..., WideKernel]] = RuleTable("wide function")
"""Rules `(function, step, input fraction bits) -> WideKernel` for Lookup."""


@kernel.rule(Lookup)
def _(instruction: Lookup, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    return function_kernel[type(instruction.function)](instruction.function, step, types[0].binary_point)


@wide_kernel.rule(Lookup)
def _(instruction: Lookup, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    return wide_function[type(instruction.function)](instruction.function, step, types[0].binary_point)


@function_kernel.rule(*real_function)
def _(function: Function, step: Step, fraction_bits: int) -> Kernel:
    """Evaluated once for each code that occurs."""
    quantizer, real = step.rounds_with, real_function[type(function)](function)
    decide = lru_cache(_MOST_DECIDED)(lambda code: function_code(code, fraction_bits, quantizer, real, step.name))

    def look_up(inputs: tuple[Codes, ...]) -> Result:
        (x,) = inputs
        codes, place = torch.unique(x.tensor, return_inverse=True)
        table = rounded_function(codes, fraction_bits, quantizer, real, step.name, decide)
        low, high = (int(end) for end in torch.aminmax(table)) if table.numel() else (0, 0)
        carrier = carrier_for(max(-low, high), step.name)
        return Result(table.to(carrier.dtype)[place], low, high, rounded=True)

    return look_up


def rounded_function(
    codes: torch.Tensor,
    fraction_bits: int,
    quantizer: Quantizer,
    function: RealFunction,
    what: str,
    decide: Callable[[int], int],
) -> torch.Tensor:
    """The rounded codes, in float64, of a function of codes; `decide` gives one exactly."""
    if codes.numel() and not Carrier.FLOAT64.holds(max(-int(codes.min()), int(codes.max()))):
        raise CarrierError(f"{what}: a code of its input is more than float64 holds.")
    values = codes.to(torch.float64) * power_of_two(-fraction_bits, what)
    step = power_of_two(quantizer.format.fraction_bits, what)
    reals = function.approximate(values) * step
    error = error_of(reals, quantizer, function.absolute_error)
    return round_resolved(
        reals, error, quantizer.rounding, lambda cases: [decide(int(codes[i])) for i in cases.tolist()], what
    )


@wide_function.rule(*real_function)
def _(function: Function, step: Step, fraction_bits: int) -> WideKernel:
    quantizer, real = step.rounds_with, real_function[type(function)](function)
    return lambda inputs: WideResult(
        each(inputs[0], lambda code: function_code(code, fraction_bits, quantizer, real, step.name))
    )


@prove_step.rule(Lookup)
def _(instruction: Lookup, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    rule = function_reach[type(instruction.function)]
    largest = rule(instruction.function, step, types[0].binary_point, bounds[0])
    return code_by_code(step, bounds[0], largest)


@function_reach.rule(*real_function)
def _(function: Function, step: Step, fraction_bits: int, bound: int) -> int:
    unit = Fraction(2) ** -fraction_bits
    ends = reach[type(function)](function, -bound * unit, bound * unit, unit)
    return largest_code((Fraction(end) for end in ends), step.rounds_with)
