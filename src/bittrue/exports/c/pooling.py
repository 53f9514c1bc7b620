"""C of windows: extrema, sums and averages (B10)."""

from math import prod

from bittrue.exports.c.draft import Draft, Number
from bittrue.exports.c.quantization import divided
from bittrue.exports.c.table import export_c, finish, finish_rounded
from bittrue.exports.c.windows import flat, window
from bittrue.program import WindowExtremum, WindowSum


@export_c.rule(WindowExtremum)
def window_extremum(instruction: WindowExtremum, draft: Draft) -> None:
    *spatial, channels = draft.inputs[0].shape
    geometry = instruction.window, instruction.strides, instruction.padding, instruction.dilation
    out_spatial = _out_spatial(spatial, *geometry)
    sign = "<" if instruction.minimum else ">"
    x = draft.code(0, "0")
    kind = draft.type_for(x.low, x.high)
    with draft.nest("p", out_spatial) as positions, draft.loop("c", channels):
        # The first position inside of the input begins; a window always has one.
        draft.line("int inside = 0;")
        draft.line(f"{kind} best = 0;")
        with window(draft, spatial, *geometry, positions) as (_, places):
            code = draft.code(0, f"({flat(places, spatial)}) * {channels} + c")
            with draft.block(f"if (!inside || {code.text} {sign} best)"):
                draft.line(f"best = {code.text};")
            draft.line("inside = 1;")
        best = Number("best", x.fraction_bits, x.low, x.high)
        finish(draft, f"({flat(positions, out_spatial)}) * {channels} + c", best)


@export_c.rule(WindowSum)
def window_sum(instruction: WindowSum, draft: Draft) -> None:
    *spatial, channels = draft.inputs[0].shape
    geometry = instruction.window, instruction.strides, instruction.padding, instruction.dilation
    out_spatial = instruction.divisor.shape
    x = draft.code(0, "0")
    most = prod(instruction.window) * max(-x.low, x.high)
    kind = draft.type_for(most)
    with draft.nest("p", out_spatial) as positions, draft.loop("c", channels):
        draft.line(f"{kind} sum = 0;")
        with window(draft, spatial, *geometry, positions) as (_, places):
            draft.line(f"sum += {draft.code(0, f'({flat(places, spatial)}) * {channels} + c').text};")
        place = flat(positions, out_spatial)
        count = prod(instruction.window)
        total = Number("sum", x.fraction_bits, count * min(x.low, 0), count * max(x.high, 0))
        index = f"({place}) * {channels} + c"
        divisor = draft.element(draft.step, "divisor", instruction.divisor, place, 0)
        if draft.step.quantizer is not None:
            finish_rounded(draft, index, divided(draft, total, divisor, draft.step.quantizer))
        else:  # every divisor is a power of two, and the result has the bits of the largest
            largest = int(instruction.divisor.max())
            factor = draft.element(draft.step, "factor", largest // instruction.divisor, place, 0)
            scaled = draft.times(total, factor)
            bits = x.fraction_bits + largest.bit_length() - 1
            finish(draft, index, Number(scaled.text, bits, scaled.low, scaled.high))


def _out_spatial(
    spatial: list[int],
    taps: tuple[int, ...],
    strides: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """How many windows there are along each axis."""
    axes = zip(spatial, taps, strides, padding, dilation, strict=True)
    return tuple(
        (before + size + after - spread * (width - 1) - 1) // stride + 1
        for size, width, stride, (before, after), spread in axes
    )
