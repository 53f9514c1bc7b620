"""Windows over the spatial axes: maxima, minima, sums and averages (B10)."""

from fractions import Fraction

from bittrue.definition.meaning import Codes, Numbers, meaning
from bittrue.definition.windows import pooled_shape, slide
from bittrue.errors import BittrueError
from bittrue.fixed.reference import decode
from bittrue.program import Step, WindowExtremum, WindowSum


@meaning.rule(WindowExtremum)
def _(instruction: WindowExtremum, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    *leading, channels = x.shape
    geometry = instruction.window, instruction.strides, instruction.padding, instruction.dilation
    spatial, taps = slide(leading, *geometry)
    choose = min if instruction.minimum else max
    codes: list[int] = []
    for position in taps:
        inside = [tap for tap in position if tap is not None]
        if not inside:
            raise BittrueError(
                f"Step '{step.name}' takes an extremum over padding alone; let the pooling pad less than its window."
            )
        codes.extend(choose(x.codes[tap * channels + channel] for tap in inside) for channel in range(channels))
    return Codes(pooled_shape(spatial, channels, step.type.shape), x.fraction_bits, codes)


@meaning.rule(WindowSum)
def _(instruction: WindowSum, step: Step, inputs: tuple[Codes, ...]) -> Numbers:
    (x,) = inputs
    *leading, channels = x.shape
    geometry = instruction.window, instruction.strides, instruction.padding, instruction.dilation
    spatial, taps = slide(leading, *geometry)
    if instruction.divisor.shape != spatial:
        raise BittrueError(
            f"Step '{step.name}' has {spatial} windows and divisors of shape {instruction.divisor.shape}; "
            "lower the network again."
        )
    values: list[Fraction] = []
    for position, divisor in zip(taps, instruction.divisor.reshape(-1).tolist(), strict=True):
        for channel in range(channels):
            total = sum(x.codes[tap * channels + channel] for tap in position if tap is not None)
            values.append(decode(total, x.binary_point) / divisor)
    return Numbers(pooled_shape(spatial, channels, step.type.shape), list(values))
