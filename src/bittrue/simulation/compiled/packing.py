"""How the weights of a layer lie for the kernels: cut in two, in bytes, in the order in which tiles read them."""

from dataclasses import dataclass

import numpy as np

DIGIT_BITS = 8
"""Of the lower part of weights that are cut in two."""


@dataclass(frozen=True)
class Packing:
    """How the weights of a layer lie.

    in_two: cut in two. in_bytes: in bytes, to be multiplied with bytes. runs: where products are read from the image
    itself, the rows of its windows, each of which begins with a unit of its own; None where they are gathered.
    """

    in_two: bool = False
    in_bytes: bool = False
    runs: int | None = None

    @property
    def unit(self) -> int:
        """Products of one unit of the kernel."""
        return 4 if self.in_bytes else 2


def digits(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """low + high·2^8 = weight, both signed."""
    codes, half = weight.astype(np.int32), 1 << DIGIT_BITS - 1
    low = (codes + half & 2 * half - 1) - half
    return low, codes - low >> DIGIT_BITS


_BLOCK = 32


def packed(rows: np.ndarray, packing: Packing) -> np.ndarray:
    """Weights, (products, outputs), as group.h has them: (blocks of 32 outputs, runs, units, 32 outputs, unit)."""
    outputs, unit, runs = rows.shape[-1], packing.unit, packing.runs or 1
    run = len(rows) // runs
    units, blocks = -(-run // unit), -(-outputs // _BLOCK)
    laid_out = np.zeros((blocks, runs, units, _BLOCK, unit), np.int8 if packing.in_bytes else np.int16)
    for block in range(blocks):
        columns = rows[:, block * _BLOCK : (block + 1) * _BLOCK].reshape(runs, run, -1)
        for place in range(unit):
            part = columns[:, place::unit]
            laid_out[block, :, : part.shape[1], : part.shape[2], place] = part
    return laid_out
