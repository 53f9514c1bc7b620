"""ONNX's movements, which only change the layout and cost nothing; and repetition along axes of size 1."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import NodeUse, Tensor, Value
from bittrue.frontends.onnx.layout import Layout
from bittrue.frontends.onnx.rows import REGROUPED, Folding, Naming, OnnxOperator, Table, product_of
from bittrue.frontends.onnx.rules.broadcasting import order_kept, spread
from bittrue.network import format_shape
from bittrue.operators import Broadcast
from bittrue.shapes import Shape


def _permutation(use: NodeUse, rank: int) -> tuple[int, ...]:
    permutation = use.node.integers("perm", tuple(reversed(range(rank))))
    if sorted(permutation) != list(range(rank)):
        raise ModelError(f"its permutation {permutation} doesn't fit {rank} axes: export the model again")
    return permutation


def _transpose(use: NodeUse) -> Value:
    x = use.tensor(0)
    return replace(x, layout=x.layout.transposed(_permutation(use, len(x.shape))), moved=use.name)


def _transposed(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    return _permutation(use, len(shape)).index(batch)


def reshaped(use: NodeUse, shape: Shape) -> Tensor:
    """The first input in another shape, row-major."""
    return regrouped(use, use.tensor(0), shape)


def regrouped(use: NodeUse, x: Tensor, shape: Shape) -> Tensor:
    """x in another shape, row-major."""
    if prod(shape) != prod(x.shape):
        raise ModelError(f"{format_shape(x.shape)} can't be reshaped to {format_shape(shape)}: export the model again")
    layout = x.layout.reshaped(shape)
    if layout is not None:
        return replace(x, layout=layout, moved=use.name)
    # An axis cuts through what lies together: the values must first lie as they do in the file.
    flat = use.arrange(x, (tuple(range(len(x.layout.sizes))),))
    return replace(flat, layout=Layout.flat(shape), moved=use.name)


def _of_one_image(use: NodeUse, wanted: Shape) -> Shape:
    """A Reshape's shape for one image, where the file states how many there are.

    Raises: ModelError where the images need not lie in rows of their own.
    """
    images = use.conversion.graph.input.shape[0]
    if images in (None, 1) or images not in wanted:
        return wanted
    if use.conversion.batch.get(use.node.inputs[0]) != 0 or wanted[0] != images:
        raise ModelError(
            f"its shape {wanted} may mix the file's {images} images: export the model for one image, or with an open "
            "batch axis"
        )
    return (1, *wanted[1:])


def _reshape(use: NodeUse) -> Value:
    present, wanted = use.tensor(0).shape, _of_one_image(use, use.numbers(1))
    keep = not use.node.integer("allowzero", 0)
    if len(wanted) > 16 or wanted.count(-1) > 1 or min((0, *wanted)) < -1:
        raise ModelError(f"its shape {wanted} is none: export the model again")
    if keep and any(size == 0 and axis >= len(present) for axis, size in enumerate(wanted)):
        raise ModelError(f"its shape {wanted} doesn't fit {format_shape(present)}: export the model again")
    shape = [present[axis] if size == 0 and keep else size for axis, size in enumerate(wanted)]
    if -1 in shape:
        known = prod(size for size in shape if size != -1)
        if known == 0 or prod(present) % known:
            raise ModelError(f"{format_shape(present)} can't be reshaped to {tuple(shape)}: export the model again")
        shape[shape.index(-1)] = prod(present) // known
    result = reshaped(use, tuple(shape))
    return _joined(use, result) if isinstance(use.operator_of(result), Broadcast) else result


def _reshaped(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    """An axis of size 1 before and behind which there is as much as before."""
    found = [axis for axis, size in enumerate(made) if size == 1 and prod(made[:axis]) == prod(shape[:batch])]
    return found[0] if len(found) == 1 or (found and batch == found[0] == 0) else None


def _joined(use: NodeUse, x: Tensor) -> Tensor:
    """Repeated values in one axis with what they repeat, so that whatever reads them reads the same upsampling."""
    axes = tuple(x.layout.atoms(axis) for axis in order_kept(x))
    in_order = tuple(atom for axis in axes for atom in axis) == x.layout.order
    return use.arrange(x, axes) if in_order else x


def _first_flattened(use: NodeUse, rank: int) -> int:
    axis = use.node.integer("axis", 1)
    return rank if axis == rank else use.axis(axis, rank)


def _flatten(use: NodeUse) -> Value:
    shape = use.tensor(0).shape
    axis = _first_flattened(use, len(shape))
    return reshaped(use, (prod(shape[:axis]), prod(shape[axis:])))


def _along_flattened(use: NodeUse, rank: int) -> Iterable[int]:
    """All in one row: the images of a batch would follow each other in it, but one image has a row of its own."""
    return () if _first_flattened(use, rank) or use.conversion.graph.input.shape[0] == 1 else range(rank)


def axes_of(use: NodeUse, index: int, since: int) -> tuple[int, ...] | None:
    """Axes that are an attribute before operator set `since`, and input `index` from then on."""
    if use.opset < since:
        return use.node.stated("axes")
    return use.numbers(index) if use.has(index) else None


def _gone(use: NodeUse, shape: Shape) -> set[int]:
    """The axes that a Squeeze takes away: of those that it names none, all of size 1 but the batch's."""
    axes = axes_of(use, 1, 13)
    if axes is None:
        return {axis for axis, size in enumerate(shape) if axis and size == 1}
    gone = {use.axis(axis, len(shape)) for axis in axes}
    if any(shape[axis] != 1 for axis in gone):
        raise ModelError(f"the axes {axes} of {format_shape(shape)} are not all of size 1: export the model again")
    return gone


def _squeeze(use: NodeUse) -> Value:
    shape = use.tensor(0).shape
    gone = _gone(use, shape)
    return reshaped(use, tuple(size for axis, size in enumerate(shape) if axis not in gone))


def _squeezed(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    gone = _gone(use, shape)
    return None if batch in gone else batch - sum(axis < batch for axis in gone)


def _added(use: NodeUse, rank: int) -> set[int]:
    """The axes of the result, given its input's rank, that an Unsqueeze adds."""
    axes = axes_of(use, 1, 13) or ()
    added = {use.axis(axis, rank + len(axes)) for axis in axes}
    if len(added) != len(axes):
        raise ModelError(f"its axes {axes} name one twice: export the model again")
    return added


def _unsqueeze(use: NodeUse) -> Value:
    shape = use.tensor(0).shape
    added = _added(use, len(shape))
    sizes = iter(shape)
    return reshaped(use, tuple(1 if axis in added else next(sizes) for axis in range(len(shape) + len(added))))


def _unsqueezed(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    added = _added(use, len(shape))
    return [axis for axis in range(len(made)) if axis not in added][batch]


def _expand(use: NodeUse) -> Value:
    x, wanted = use.tensor(0), use.numbers(1)
    return _repeated(use, x, wanted)


def _tile(use: NodeUse) -> Value:
    x, counts = use.tensor(0), use.numbers(1)
    if len(counts) != len(x.shape) or any(count != 1 != size for count, size in zip(counts, x.shape, strict=True)):
        raise ModelError(
            f"it repeats {format_shape(x.shape)} {counts} times, where only axes of size 1 can be repeated: "
            "concatenate it with itself"
        )
    return _repeated(use, x, counts)


def _repeated(use: NodeUse, x: Tensor, shape: Shape) -> Tensor:
    """x broadcast to a shape. Raises: ModelError where that isn't one image's."""
    try:
        wanted = tuple(np.broadcast_shapes(x.shape, shape))
    except ValueError:
        raise ModelError(f"{format_shape(x.shape)} can't be repeated to {format_shape(shape)}: export again") from None
    result = spread(use, x, wanted)
    if result.shape != wanted:
        raise ModelError(f"it makes {format_shape(wanted)} of {format_shape(x.shape)}, more than one image's axes")
    return result


def with_axis_alone(use: NodeUse, x: Tensor, axis: int) -> tuple[Tensor, int]:
    """x with the file's `axis` as an axis of the network, and which one that is."""
    place = x.layout.place(axis)
    if place is not None:
        return x, place
    atoms = x.layout.atoms(axis)
    if not atoms:  # an axis of size 1: where an image has it, or before all others
        if len(x.shape) in (3, 4) and axis > 0:
            image = use.in_file_order(x, (*range(2, len(x.shape)), 1))
            return image, (axis - 2) % (len(x.shape) - 1)
        return use.arrange(x, ((), *x.layout.axes)), 0
    order = [atom for atom in x.layout.order if atom not in atoms]
    first = x.layout.order.index(atoms[0])
    before = sum(atom in order for atom in x.layout.order[:first])
    apart = [(atom,) for atom in order]
    return use.arrange(x, (*apart[:before], atoms, *apart[before:])), before


def _expanded_size(arrays: Sequence[np.ndarray]) -> int:
    return product_of(arrays[-1]) * arrays[0].size


def _tiled_size(arrays: Sequence[np.ndarray]) -> int:
    return product_of(arrays[1]) * arrays[0].size


OPERATORS: Table = {
    "Expand": OnnxOperator(_expand, axes=Axes.KEPT, folding=Folding(_expanded_size)),
    "Flatten": OnnxOperator(_flatten, axes=Axes.OWN, along=_along_flattened, moved=_reshaped, folding=REGROUPED),
    "Reshape": OnnxOperator(_reshape, axes=Axes.REARRANGED, moved=_reshaped, folding=REGROUPED),
    "Squeeze": OnnxOperator(_squeeze, axes=Axes.KEPT | Axes.REARRANGED, moved=_squeezed, folding=REGROUPED),
    "Tile": OnnxOperator(_tile, axes=Axes.KEPT, folding=Folding(_tiled_size)),
    "Transpose": OnnxOperator(_transpose, axes=Axes.REARRANGED, moved=_transposed, folding=REGROUPED),
    "Unsqueeze": OnnxOperator(
        _unsqueeze,
        axes=Axes.KEPT | Axes.REARRANGED,
        moved=_unsqueezed,
        folding=REGROUPED,
        naming=Naming.NONE,
    ),
}
