"""The kernel of MultiplyAccumulate: an exact sum, or an accumulator's."""

from dataclasses import replace

from bittrue.fixed import Rounding
from bittrue.program import CodeType, MultiplyAccumulate, Step
from bittrue.simulation.accumulators import ordered_sum, wrapped_sum, wraps_once
from bittrue.simulation.carrier import bound_bits
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.products import ProductSums
from bittrue.simulation.proof import LayerProof, carried, prove_step


@kernel.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    assert types[0].fraction_bits is not None
    sums = ProductSums(instruction, types[0].fraction_bits, step.name)
    quantizer = step.quantizer
    if instruction.accumulator is None and quantizer is not None and quantizer.rounding is Rounding.NEAREST_EVEN:
        return lambda inputs: sums.rounded_sum(inputs[0], quantizer)
    if instruction.accumulator is None:
        return lambda inputs: sums.exact_sum(inputs[0])
    if wraps_once(instruction.accumulator, sums.fraction_bits):
        return lambda inputs: wrapped_sum(sums, inputs[0])
    return lambda inputs: ordered_sum(sums, inputs[0])


@prove_step.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    assert types[0].fraction_bits is not None
    sums = ProductSums(instruction, types[0].fraction_bits, step.name)
    if instruction.accumulator is not None and not wraps_once(instruction.accumulator, sums.fraction_bits):
        limit = max(instruction.accumulator.max_code, -instruction.accumulator.min_code)
        proof = carried(step, limit)
        return replace(proof, strategy="int64, an accumulator in the stated order")
    strategy = sums.strategy(bounds[0])
    bits = bound_bits(sums.bound(bounds[0]))
    widest = sums.group_bound(strategy, bounds[0])
    return LayerProof(step.name, strategy.label, bits, strategy.carrier.bits - bound_bits(widest))
