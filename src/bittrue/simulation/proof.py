"""The proof per step (B14): which carrier holds every number of it, by how many bits, for all inputs that its formats
allow."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from bittrue.fixed import Overflow, Quantizer, round_to_code
from bittrue.program import CodeType, FixedNetwork, Step
from bittrue.rules import RuleTable
from bittrue.simulation.carrier import Carrier, bound_bits, carrier_for


@dataclass(frozen=True)
class LayerProof:
    """node: the step. strategy: how it is computed. bound_bits: log2 of what no number of it can exceed. margin_bits:
    how far that is from the carrier's limit (of the widest channel group, where the sum is split); more than 0 proves
    it. exact: False for FLOAT, about which nothing is claimed."""

    node: str
    strategy: str
    bound_bits: float
    margin_bits: float
    exact: bool = True


prove_step: RuleTable[Callable[..., LayerProof]] = RuleTable("proof")
"""Rules `(instruction, step, input types, input bounds) -> LayerProof`; a bound is the largest absolute code of an
input (the network's first step, which has none, gets its own)."""


def quantizer_reach(step: Step, low: int, high: int, *, rounded: bool = False) -> int:
    """What no number of the step's quantizer at work can exceed, for results from `low` to `high`.

    rounded: whether they are rounded codes already, as they are where the exact result is no dyadic number.
    """
    reach, quantizer = max(abs(low), abs(high)), step.quantizer
    if quantizer is not None:
        if step.exact.fraction_bits is not None and not rounded:
            reach <<= max(quantizer.format.fraction_bits - step.exact.fraction_bits, 0)
        if quantizer.overflow is Overflow.WRAP and not quantizer.format.signed and low < 0:
            reach = max(reach, quantizer.max_code)  # a small negative code may wrap to the largest one
    return reach


def limited_reach(reach: int, quantizer: Quantizer) -> int:
    """The largest absolute code once the overflow mode has limited codes of up to `reach`."""
    match quantizer.overflow:
        case Overflow.UNBOUNDED:
            return reach
        case Overflow.SATURATE | Overflow.SATURATE_SYMMETRIC | Overflow.SATURATE_ZERO | Overflow.WRAP:
            return reach if reach <= quantizer.max_code else max(quantizer.max_code, -quantizer.min_code)
        case _:
            assert_never(quantizer.overflow)


def held(step: Step, reach: int, how: str = "{carrier}") -> LayerProof:
    """The proof of a step none of whose numbers exceeds `reach`, on the narrowest carrier that holds them; how: it is
    computed."""
    carrier = carrier_for(reach, step.name, widest=Carrier.PYTHON)
    strategy = how.format(carrier=carrier.label)
    return LayerProof(step.name, strategy, bound_bits(reach), carrier.bits - bound_bits(reach))


def code_by_code(step: Step, largest_input: int, largest_result: int) -> LayerProof:
    """The proof of a step that is computed code by code, from its input's codes and the exact result's, rounded if it
    is no dyadic number."""
    reach = max(largest_input, quantizer_reach(step, -largest_result, largest_result))
    return held(step, reach, "correctly rounded, code by code")


def largest_code(ends: Iterable[Fraction | int], quantizer: Quantizer) -> int:
    """The largest absolute code that a quantizer rounds one of these numbers to."""
    bits, rounding = quantizer.format.fraction_bits, quantizer.rounding
    return max(abs(round_to_code(Fraction(end), bits, rounding)) for end in ends)


def carried(step: Step, bound: int) -> LayerProof:
    """The proof of a step whose exact result and all on the way to it stay within `bound`, on the narrowest carrier
    that holds it, what its quantizer makes of it included."""
    return held(step, quantizer_reach(step, -bound, bound))


def prove(program: FixedNetwork, peaks: Mapping[str, int]) -> tuple[LayerProof, ...]:
    """The proof of every step, from the formats alone where they bound the codes, so that it doesn't depend on batches.

    peaks: for each step that no format bounds (UNBOUNDED), the largest absolute code over all data that was simulated.
    """
    proofs = []
    for step in program.steps:
        types = tuple(program.by_name[name].type for name in step.inputs)
        bounds = tuple(_bound(name, kind, peaks) for name, kind in zip(step.inputs, types, strict=True))
        if not step.inputs:
            bounds = (_bound(step.name, step.type, peaks),)
        proofs.append(prove_step[type(step.instruction)](step.instruction, step, types, bounds))
    return tuple(proofs)


def _bound(name: str, kind: CodeType, peaks: Mapping[str, int]) -> int:
    if kind.is_float:
        return 0
    if kind.low is None or kind.high is None:
        return peaks.get(name, 0)
    return max(abs(kind.low), abs(kind.high))
