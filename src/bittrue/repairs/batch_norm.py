"""Batch norms estimated again: scale and offset of each channel as the least squares fit of what really comes in to
the float network's output."""

import math
from collections.abc import Iterator

import numpy as np
import torch

from bittrue.fixed import Quantizer
from bittrue.network import Parameter
from bittrue.operators import BatchNormalization
from bittrue.repairs.draft import coded
from bittrue.repairs.layer import Change, Layer
from bittrue.repairs.moments import Moments, moments


def repair(layer: Layer) -> Change | None:
    """The repair of one batch norm in `affine` form."""
    scale, offset = (layer.spec(f"{layer.node.name}.{role}") for role in ("scale", "offset"))
    if not isinstance(layer.operator, BatchNormalization) or not isinstance(scale, Quantizer):
        return None
    if not isinstance(offset, Quantizer):
        return None
    found = _by_channel(layer)
    variance, cross = found.covariance[:, 0, 0], found.cross[:, 0, 0]
    slope = torch.where(variance > 0, cross / variance.clamp(min=2.0**-80), torch.zeros_like(cross)).numpy()
    slopes, chosen_scale = coded(slope, scale)
    offsets = (found.target_mean[:, 0] - torch.from_numpy(slopes.astype(np.float64)) * found.input_mean[:, 0]).numpy()
    values, chosen_offset = coded(offsets, offset)
    name = layer.node.name
    ones = np.ones(len(slopes), np.float32)
    operator = BatchNormalization(
        Parameter(f"{name}.scale", slopes),
        Parameter(f"{name}.offset", values),
        Parameter(f"{name}.zero", 0 * ones),
        Parameter(f"{name}.one", ones),
        0.0,
    )
    return Change({name: operator}, {f"{name}.scale": chosen_scale, f"{name}.offset": chosen_offset})


def _by_channel(layer: Layer) -> Moments:
    """Moments with a group a channel, each with one input."""

    def pieces() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for _, value, wanted in layer.pairs():
            codes = torch.from_numpy(value.integers().astype(np.float64))
            yield _channels(codes), _channels(wanted)

    return moments(pieces(), *layer.extent(math.prod(layer.node.shape[:-1])))


def _channels(x: torch.Tensor) -> torch.Tensor:
    """(batch, …, channels) → (channels, rows, 1)."""
    return x.reshape(-1, x.shape[-1]).T[:, :, None]
