"""Values and constants that a file broadcasts to one shape, as they must lie in the network for that."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Tensor
from bittrue.frontends.onnx.layout import Keys, Layout, file_order, shared_factors
from bittrue.network import Operator, format_shape
from bittrue.operators import Broadcast
from bittrue.shapes import Shape


def aligned(use: NodeUse, tensors: Sequence[Tensor]) -> tuple[list[Tensor], Layout]:
    """Tensors that the file broadcasts to one shape, lying alike in the network, and the layout of the result."""
    try:
        shape = tuple(np.broadcast_shapes(*(tensor.shape for tensor in tensors)))
    except ValueError:
        found = " and ".join(format_shape(tensor.shape) for tensor in tensors)
        raise ModelError(f"inputs of {found} don't fit each other: export the model again") from None
    ranked = [_with_rank(tensor, len(shape)) for tensor in tensors]
    factors = shared_factors([tensor.layout for tensor in ranked], shape)
    if factors is not None:
        split = [replace(tensor, layout=tensor.layout.refined(factors)) for tensor in ranked]
        full = [tensor.layout for tensor in split if tensor.shape == shape]
        if full and all(_is_whole(axis, tensor.layout) for axis in full[0].keys for tensor in split):
            return [_lying(use, tensor, full[0].keys) for tensor in split], full[0]
    order = file_order(shape)
    return [use.in_file_order(tensor, order) for tensor in ranked], Layout.of_axes(shape, order)


def _with_rank(tensor: Tensor, rank: int) -> Tensor:
    shape = (*(1,) * (rank - len(tensor.shape)), *tensor.shape)
    return replace(tensor, layout=replace(tensor.layout, shape=shape))


def _is_whole(axis: tuple[tuple[int, int], ...], layout: Layout) -> bool:
    """Whether a tensor varies along all of this axis of the result, or none of it."""
    own = {key for lying in layout.keys for key in lying}
    return own.isdisjoint(axis) or own.issuperset(axis)


def _lying(use: NodeUse, tensor: Tensor, axes: Keys) -> Tensor:
    """The tensor so that NumPy broadcasts it to the result's axes."""
    present = tensor.layout.keys
    own = {key for axis in present for key in axis}
    wanted = tuple(axis if own.issuperset(axis) else () for axis in axes)
    missing = len(wanted) - len(present)
    if missing >= 0 and wanted[missing:] == present and not any(wanted[:missing]):
        return tensor
    return use.arrange(tensor, tensor.layout.axes_of(wanted))


def combined(use: NodeUse, operator: Operator, tensors: Sequence[Tensor]) -> Tensor:
    inputs, layout = aligned(use, tensors)
    return Tensor(use.add(operator, *inputs), layout)


def with_an_axis(use: NodeUse, x: Tensor) -> Tensor:
    """x, which as a single number gets an axis for a constant to lie along."""
    return x if x.layout.axes else use.arrange(x, ((),))


def spread_constant(use: NodeUse, x: Tensor, constant: Constant) -> np.ndarray:
    """A constant in the axes that x has in the network: (1,) for one number, without leading axes of size 1."""
    shape, value = x.shape, constant.value
    try:
        combined = tuple(np.broadcast_shapes(shape, value.shape)) if value.size else ()
    except ValueError:
        combined = ()
    if combined[len(combined) - len(shape) :] != shape or any(
        size != 1 for size in combined[: len(combined) - len(shape)]
    ):
        raise ModelError(
            f"a constant of {format_shape(value.shape)} doesn't fit an input of {format_shape(shape)}, without making "
            "it larger: export the model with the larger input"
        )
    moved = x.layout.constant(
        value.reshape(value.shape[len(value.shape) - len(shape) :] if value.ndim > len(shape) else value.shape)
    )
    while moved.ndim > 1 and moved.shape[0] == 1:
        moved = moved[0]
    return moved.reshape(1) if moved.ndim == 0 else moved


def spread(use: NodeUse, x: Tensor, shape: Shape) -> Tensor:
    """x repeated along its axes of size 1 in which `shape` is longer; x itself where there are none."""
    rank = len(x.shape)
    try:
        wanted = tuple(np.broadcast_shapes(x.shape, shape))
    except ValueError:
        return x
    if wanted == x.shape or len(wanted) != rank or wanted[0] != x.shape[0]:
        return x
    longer = [axis for axis, size in enumerate(x.shape) if size != wanted[axis]]
    free = [place for place, atoms in enumerate(x.layout.axes) if not atoms]
    if len(longer) == len(free) == 1:
        layout = x.layout.resized(longer[0], wanted[longer[0]], free[0])
        return Tensor(use.add(Broadcast(layout.network_shape), x), layout)
    orders = (file_order(wanted), (*range(2, rank), 1))
    lying = (order for order in orders if tuple(x.layout.atoms(axis) for axis in order) == x.layout.axes)
    order = next(lying, order_kept(x))
    number = use.add(Broadcast(tuple(wanted[axis] for axis in order)), use.in_file_order(x, order))
    return Tensor(number, Layout.of_axes(wanted, order))


def order_kept(x: Tensor) -> tuple[int, ...]:
    """The file's axes as they lie in the network, each of size 1 behind the one that it follows in the file."""
    lying = {axis: x.layout.order.index(x.layout.atoms(axis)[0]) for axis, size in enumerate(x.shape) if size != 1}
    order = sorted(lying, key=lying.__getitem__)
    for axis in file_order(x.shape):
        if axis not in order:
            order.insert(order.index(axis - 1) + 1 if axis - 1 in order else 0, axis)
    return tuple(order)
