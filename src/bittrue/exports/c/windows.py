"""Loops over the positions under a window that slides over the spatial axes (B10)."""

import contextlib
from collections.abc import Iterator, Sequence

from bittrue.exports.c.draft import Draft
from bittrue.shapes import Padding


def flat(places: Sequence[str], sizes: Sequence[int]) -> str:
    """The row-major place of a position, as an expression of C."""
    text = "0" if not places else places[0]
    for place, size in zip(places[1:], sizes[1:], strict=True):
        text = f"({text}) * {size} + {place}" if " " in text else f"{text} * {size} + {place}"
    return text


@contextlib.contextmanager
def window(
    draft: Draft,
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: Padding,
    dilation: Sequence[int],
    positions: Sequence[str],
) -> Iterator[tuple[list[str], list[str]]]:
    """Loops over the taps of the window at the output position `positions`, those in the padding left out.

    sizes and all after it but `positions`: an entry a spatial axis. Yields the variables of the tap (`k0`, …) and of
    the input position (`r0`, …).
    """
    with contextlib.ExitStack() as stack:
        taps, places = [], []
        for axis, (size, taps_here) in enumerate(zip(sizes, kernel, strict=True)):
            tap, place, (before, _) = f"k{axis}", f"r{axis}", padding[axis]
            stack.enter_context(draft.loop(tap, taps_here))
            draft.line(
                f"const int32_t {place} = {positions[axis]} * {strides[axis]} + {tap} * {dilation[axis]} - {before};"
            )
            if before or _reaches(size, taps_here, strides[axis], padding[axis], dilation[axis]):
                with draft.block(f"if ({place} < 0 || {place} >= {size})"):
                    draft.line("continue;")
            taps.append(tap)
            places.append(place)
        yield taps, places


def _reaches(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int) -> bool:
    """Whether the last window reaches beyond the last position."""
    before, after = padding
    windows = (before + size + after - dilation * (kernel - 1) - 1) // stride + 1
    return (windows - 1) * stride + (kernel - 1) * dilation - before >= size
