"""scale·x + offset in float64, rounded at once: what batch normalization and scale and offset share."""

import torch

from bittrue.fixed import Rounding
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.rounding import round_certain
from bittrue.simulation.values import Codes

_PIECE = 1 << 17
"""Numbers computed at once in float64: a megabyte, which stays in the cores' caches."""


def affine_rounded(
    x: Codes, width: int, scale: torch.Tensor, offset: torch.Tensor, rounding: Rounding, carrier: Carrier
) -> torch.Tensor:
    """scale·x + offset in float64, rounded to integers on `carrier`."""
    return mapped_rounded(x, width, scale, offset, (None, None), rounding, carrier)


def mapped_rounded(
    x: Codes,
    width: int,
    scale: torch.Tensor,
    offset: torch.Tensor,
    ends: tuple[float | None, float | None],
    rounding: Rounding,
    carrier: Carrier,
) -> torch.Tensor:
    """scale·x + offset in float64, kept between two ends, rounded to integers on `carrier`: in pieces that stay in the
    cache.

    width: how many scales and offsets there are: one in all, one a channel, or one an element.

    The caller has proven that the rounding of the computed number is that of the exact one. Written over x where that
    is allowed: fresh memory costs more than the arithmetic.
    """
    rows = rows_of(x.tensor, width)
    in_place = x.reusable and x.tensor.dtype == carrier.dtype
    result = rows if in_place else torch.empty(rows.shape, dtype=carrier.dtype)
    height = max(_PIECE // max(rows.shape[1], 1), 1)
    buffer = torch.empty((min(height, rows.shape[0]), rows.shape[1]), dtype=torch.float64)
    for start in range(0, rows.shape[0], height):
        source = rows[start : start + height]
        piece = buffer[: len(source)].copy_(source)
        piece.mul_(scale).add_(offset)
        if ends != (None, None):
            piece.clamp_(*ends)
        result[start : start + height] = round_certain(piece, rounding)
    return result.reshape(x.tensor.shape)


def rows_of(tensor: torch.Tensor, width: int) -> torch.Tensor:
    """Rows of as many numbers as there are constants; of a few where one constant serves all."""
    return tensor.reshape(-1, tensor.shape[-1] if width == 1 else width)
