"""The geometry of windows that move over an image, and whether tiles of sums read the image itself."""

from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Geometry:
    """An image's rows, columns and channels, in and out, and the window that moves over it; a dense layer has one row
    and one column."""

    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]
    window: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    @property
    def run(self) -> int:
        """Codes of a window's row."""
        return self.window[1] * self.inputs[2]

    @property
    def rows(self) -> int:
        """Output positions of an image."""
        return self.outputs[0] * self.outputs[1]


_MOST_PADDED = 1 << 20
"""Bytes of an image with its padding: it stays in the second-level cache."""

_MOST_WASTE = 1.4
"""Products computed in vain, beside those that are needed, that cost less than gathering."""

_TILE_ROWS = 4
"""The positions in a row of results that are computed together come to a multiple of this."""


def reads_the_image(geometry: Geometry, run: int, code_bytes: int) -> bool:
    """Whether tiles read the image, with its padding, instead of gathered windows. run: a window's row in whole
    units. code_bytes: of a code as it is multiplied."""
    rows, columns = geometry.window
    if rows * columns == 1 or geometry.dilation[1] > 1:
        return False
    padded = code_bytes * geometry.inputs[2]
    for length, window, stride, dilation in zip(
        geometry.outputs[:2], geometry.window, geometry.strides, geometry.dilation, strict=True
    ):
        padded *= (length - 1) * stride + (window - 1) * dilation + 1
    width = geometry.outputs[1]
    computed = max(-(-width // _TILE_ROWS) * _TILE_ROWS, 2 * _TILE_ROWS) * run
    return padded <= _MOST_PADDED and computed <= _MOST_WASTE * width * geometry.run
