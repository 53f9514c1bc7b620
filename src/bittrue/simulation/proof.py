"""The proof per step (B14): which carrier holds every number of it, by how many bits, for all inputs that its formats
allow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bittrue.program import CodeType, FixedNetwork, Step
from bittrue.rules import RuleTable
from bittrue.simulation.carrier import bound_bits, carrier_for


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


def carried(step: Step, bound: int) -> LayerProof:
    """The proof of a step whose numbers all stay within `bound` on the narrowest carrier that holds it."""
    carrier = carrier_for(bound, step.name)
    return LayerProof(step.name, carrier.label, bound_bits(bound), carrier.bits - bound_bits(bound))


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
