"""The kernel of MultiplyAccumulate: an exact sum, or an accumulator's."""

from bittrue.fixed import Quantizer, Rounding
from bittrue.program import CodeType, MultiplyAccumulate, Step
from bittrue.simulation.accumulators import accumulated_sum, never_acts, ordered_reach, wraps_once
from bittrue.simulation.carrier import Carrier, bound_bits, carrier_for
from bittrue.simulation.choice import kernel_bound
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.products import ProductSums, product_sums
from bittrue.simulation.proof import LayerProof, carried, prove_step, quantizer_reach


@kernel.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    sums = product_sums(instruction, step, types[0])
    quantizer, accumulator = step.quantizer, instruction.accumulator
    if accumulator is not None:
        return lambda inputs: accumulated_sum(sums, accumulator, inputs[0])
    if quantizer is not None and quantizer.rounding is Rounding.NEAREST_EVEN:
        return lambda inputs: sums.rounded_sum(inputs[0], quantizer)
    return lambda inputs: sums.exact_sum(inputs[0])


@prove_step.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    sums = product_sums(instruction, step, types[0])
    accumulator = instruction.accumulator
    low = -bounds[0] if types[0].low is None else types[0].low
    high = bounds[0] if types[0].high is None else types[0].high
    if not (accumulator is None or never_acts(sums, accumulator, low, high) or wraps_once(sums, accumulator)):
        reach = ordered_reach(sums, accumulator, bounds[0])
        carrier, bits = carrier_for(reach, step.name, widest=Carrier.PYTHON), bound_bits(reach)
        return LayerProof(step.name, f"{carrier.label}, product by product", bits, carrier.bits - bits)
    if quantizer_reach(step, *_ends(_reach(sums, accumulator, max(bounds[0], 1), low, high))) >> Carrier.INT64.bits:
        return carried(step, _reach(sums, accumulator, max(bounds[0], 1), low, high))
    strategy = sums.strategy(low, high)
    reach = _reach(sums, accumulator, bounds[0], low, high)
    margin = strategy.kernel_bits - bound_bits(kernel_bound[type(strategy)](strategy, sums, low, high))
    if accumulator is not None:
        margin = min(margin, carrier_for(reach, step.name).bits - bound_bits(reach))
    return LayerProof(step.name, strategy.label, bound_bits(reach), margin)


def _ends(reach: int) -> tuple[int, int]:
    return -reach, reach


def _reach(sums: ProductSums, accumulator: Quantizer | None, largest_input: int, low: int, high: int) -> int:
    """What no number of a sum can exceed: of the exact one, or of an accumulator that never acts or wraps once, at the
    accumulator's fraction bits."""
    bound = sums.bound(largest_input)
    if accumulator is None:
        return bound
    aligned = bound << accumulator.format.fraction_bits - sums.fraction_bits
    if never_acts(sums, accumulator, low, high):
        return aligned
    return max(aligned, accumulator.max_code, -accumulator.min_code)
