"""NumPy's broadcasting between values: shapes are aligned at their last axes, the batch axis left out."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch

from bittrue.errors import ModelError
from bittrue.network import format_shape
from bittrue.shapes import Shape

Tensors = TypeVar("Tensors", torch.Tensor, np.ndarray)


def broadcast_shape(shapes: Sequence[Shape], done: str) -> Shape:
    """The shape that all broadcast to; raises ModelError, which says that they can't be `done` ("added")."""
    try:
        return tuple(np.broadcast_shapes(*shapes))
    except ValueError:
        found = " and ".join(map(format_shape, shapes))
        raise ModelError(f"{found} can't be {done}; their axes must be of one size, or of size 1.") from None


def spread(tensors: Sequence[Tensors]) -> list[Tensors]:
    """Tensors or arrays (batch, *shape) with axes of size 1 put behind the batch axis, so that they broadcast."""
    rank = max(tensor.ndim for tensor in tensors)
    return [
        tensor if tensor.ndim == rank else tensor.reshape(len(tensor), *(1,) * (rank - tensor.ndim), *tensor.shape[1:])
        for tensor in tensors
    ]
