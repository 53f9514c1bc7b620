"""Activations of straight pieces: clips, ReLU among them. Those with a slope below 0 are in `constants`."""

from bittrue.definition.dyadic import code_of, fraction_bits_of
from bittrue.definition.meaning import Codes, meaning
from bittrue.program import Clip, Step


@meaning.rule(Clip)
def _(instruction: Clip, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    low, high = instruction.low, instruction.high
    bounds = [bound for bound in (low, high) if bound is not None]
    bits = max([x.binary_point, *map(fraction_bits_of, bounds)])
    codes = [code << bits - x.binary_point for code in x.codes]
    if low is not None:
        low_code = code_of(low, bits, step)
        codes = [max(code, low_code) for code in codes]
    if high is not None:
        high_code = code_of(high, bits, step)
        codes = [min(code, high_code) for code in codes]
    return Codes(x.shape, bits, codes)
