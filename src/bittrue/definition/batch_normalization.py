"""Batch normalization of rounded parameters, as the real numbers that it is (B7, `raw`)."""

from fractions import Fraction
from functools import cache

from bittrue.definition.enclosure import Real, offset_root
from bittrue.definition.functions import function_meaning
from bittrue.definition.meaning import Codes
from bittrue.errors import BittrueError
from bittrue.fixed.reference import decode
from bittrue.program import Step
from bittrue.program.functions import BatchNorm


@function_meaning.rule(BatchNorm)
def _(function: BatchNorm, step: Step, x: Codes) -> list[Fraction | Real]:
    mean = function.mean.tolist()
    channels = len(mean)
    gamma = [Fraction(1)] * channels
    if function.gamma is not None:
        gamma = [decode(code, function.gamma_fraction_bits) for code in function.gamma.tolist()]
    beta, beta_bits = [0] * channels, 0
    if function.beta is not None:
        beta, beta_bits = function.beta.tolist(), function.beta_fraction_bits
    spread = [decode(code, function.variance_fraction_bits) + function.epsilon for code in function.variance.tolist()]
    for channel, under_root in enumerate(spread):
        if under_root <= 0:
            raise BittrueError(
                f"The batch normalization '{step.name}' takes the root of {float(under_root):g}, its variance plus "
                f"epsilon in channel {channel}; give the site of its variance more fraction bits or EXACT."
            )

    @cache
    def value(channel: int, code: int) -> Real:
        slope = gamma[channel] * (decode(code, x.binary_point) - decode(mean[channel], function.mean_fraction_bits))
        return offset_root(beta[channel], beta_bits, slope * slope / spread[channel], negative=slope < 0)

    return [value(index % channels, code) for index, code in enumerate(x.codes)]
