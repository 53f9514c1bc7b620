"""ONNX's operators that put values beside each other along one axis, or take parts of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Tensor, Value
from bittrue.frontends.onnx.layout import file_order, shared_factors
from bittrue.frontends.onnx.rows import PARTS, PRODUCTS, Naming, OnnxOperator, Table, without
from bittrue.frontends.onnx.rules.arithmetic import plus
from bittrue.frontends.onnx.rules.movement import with_axis_alone
from bittrue.frontends.onnx.rules.padding import padded
from bittrue.network import format_shape
from bittrue.operators import Concatenate, Slice, Take


def axis_of(use: NodeUse, rank: int) -> int:
    """The one axis that the node works along."""
    return use.axis(use.node.integer("axis", 0), rank)


def along_one(use: NodeUse, rank: int) -> Iterable[int]:
    return [axis_of(use, rank)]


def _concat(use: NodeUse) -> Value:
    if any(isinstance(use.value(index), Constant) for index in range(len(use.node.inputs))):
        return _beside_constants(use)
    tensors = [use.tensor(index) for index in range(len(use.node.inputs))]
    shape = tensors[0].shape
    axis = axis_of(use, len(shape))
    total = sum(tensor.shape[axis] for tensor in tensors if len(tensor.shape) == len(shape))
    if any((*t.shape[:axis], *t.shape[axis + 1 :]) != (*shape[:axis], *shape[axis + 1 :]) for t in tensors):
        found = " and ".join(format_shape(tensor.shape) for tensor in tensors)
        raise ModelError(f"{found} can't be concatenated along axis {axis}: export the model again")
    if len(tensors) == 1:
        return tensors[0]
    first, place = with_axis_alone(use, tensors[0], axis)
    layouts = [first.layout, *(tensor.layout for tensor in tensors[1:])]
    others = shared_factors(layouts, (*shape[:axis], 1, *shape[axis + 1 :]))
    if others is None:
        order = file_order(shape) if axis else tuple(range(len(shape)))
        place = order.index(axis)
        parts = [use.in_file_order(tensor, order) for tensor in tensors]
    else:
        parts = [_refined(tensor, others, axis) for tensor in (first, *tensors[1:])]
        like = [tuple(key for key in lying if key[0] != axis) for lying in parts[0].layout.keys]
        parts = [_like(use, tensor, axis, place, like) for tensor in parts]
    number = use.add(Concatenate(place), *parts)
    return Tensor(number, parts[0].layout.resized(axis, total, place))


def _beside_constants(use: NodeUse) -> Value:
    """A value with constants before and behind it, such as a class token: zeros around it, and the constants added."""
    values = [use.value(index) for index in range(len(use.node.inputs))]
    places = [index for index, value in enumerate(values) if isinstance(value, Tensor)]
    if len(places) > 1:
        raise ModelError("several values and a constant are not supported: concatenate the values first")
    x = use.tensor(places[0])
    axis = axis_of(use, len(x.shape))
    parts = [np.zeros(value.shape) if isinstance(value, Tensor) else value.value for value in values]
    try:
        whole = np.concatenate(parts, axis, dtype=np.float64)
    except ValueError:
        found = " and ".join(format_shape(part.shape) for part in parts)
        raise ModelError(f"{found} can't be concatenated along axis {axis}: export the model again") from None
    sizes = [part.shape[axis] for part in parts]
    around = sum(sizes[: places[0]]), sum(sizes[places[0] + 1 :])
    return plus(use, padded(use, x, {axis: around}, 0.0), Constant(whole), 1)


def _refined(tensor: Tensor, others: list[tuple[int, ...]], axis: int) -> Tensor:
    factors = [*others[:axis], tensor.layout.factors(axis), *others[axis + 1 :]]
    return replace(tensor, layout=tensor.layout.refined(factors))


def _like(use: NodeUse, tensor: Tensor, axis: int, place: int, like: list[tuple[tuple[int, int], ...]]) -> Tensor:
    """The tensor with its axes as in `like`, and all of `axis` at `place`."""
    own = tuple((axis, number) for number in range(len(tensor.layout.atoms(axis))))
    return use.arrange(tensor, tensor.layout.axes_of((*like[:place], own, *like[place + 1 :])))


def _sliced(use: NodeUse, x: Tensor, cuts: dict[int, tuple[int, int, int]]) -> Tensor:
    """x[start:end:step] along the file's axes `cuts`."""
    for axis in cuts:
        x, _ = with_axis_alone(use, x, axis)
    places = {axis: with_axis_alone(use, x, axis)[1] for axis in cuts}
    wanted = {axis: cut for axis, cut in cuts.items() if range(x.shape[axis])[slice(*cut)] != range(x.shape[axis])}
    if not wanted:
        return x
    starts, ends, steps = zip(*wanted.values(), strict=True)
    number = use.add(Slice(starts, ends, steps, tuple(places[axis] for axis in wanted)), x)
    layout = x.layout
    for axis, cut in wanted.items():
        layout = layout.resized(axis, len(range(x.shape[axis])[slice(*cut)]), places[axis])
    return Tensor(number, layout)


@dataclass(frozen=True)
class Cut:
    """x[start:end:step] along one axis, as the file has it: from either end, and beyond both."""

    axis: int
    start: int
    end: int
    step: int

    def is_whole(self) -> bool:
        """Whether nothing is cut off, whatever the axis's size."""
        return (self.start, self.step) == (0, 1) and self.end >= END


END = (1 << 31) - 1
"""An end at or beyond it means the end of an axis, whatever its size."""


def _cuts(use: NodeUse, rank: int) -> list[Cut]:
    axes: tuple[int, ...] | None
    steps: tuple[int, ...] | None
    if use.opset < 10:
        starts, ends = use.node.integers("starts", ()), use.node.integers("ends", ())
        axes, steps = use.node.stated("axes"), None
    else:
        starts, ends = use.numbers(1), use.numbers(2)
        axes, steps = (use.numbers(place) if use.has(place) else None for place in (3, 4))
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if len({len(starts), len(ends), len(axes), len(steps)}) != 1 or 0 in steps:
        raise ModelError("its starts, ends, axes and steps don't fit each other: export the model again")
    return [Cut(use.axis(axis, rank), *cut) for axis, *cut in zip(axes, starts, ends, steps, strict=True)]


def _along_cuts(use: NodeUse, rank: int) -> Iterable[int]:
    return [cut.axis for cut in _cuts(use, rank) if not cut.is_whole()]


def _slice(use: NodeUse) -> Value:
    x = use.tensor(0)
    cuts = _cuts(use, len(x.shape))
    return _sliced(use, x, {cut.axis: _python_slice(x.shape[cut.axis], cut.start, cut.end, cut.step) for cut in cuts})


def _python_slice(size: int, start: int, end: int, step: int) -> tuple[int, int, int]:
    """ONNX clamps as Python does, and its "before the first" is a very negative end."""
    found = range(size)[slice(start, end, step)]
    if not found:
        raise ModelError("it leaves nothing: export the model again")
    end = found[-1] + (1 if step > 0 else -1)
    return found[0], end if end >= 0 else -size - 1, step


def _split(use: NodeUse) -> tuple[Value, ...]:
    x = use.tensor(0)
    axis = axis_of(use, len(x.shape))
    size, count = x.shape[axis], len(use.node.outputs)
    stated = use.node.stated("split") if use.opset < 13 else (use.numbers(1) if use.has(1) else None)
    part = -(-size // count)
    sizes = stated or (*(part,) * (count - 1), size - part * (count - 1))
    if len(sizes) != count:
        raise ModelError(f"{size} values can't be split into {sizes}: export the model again")
    return split_into(use, x, axis, sizes)


def split_into(use: NodeUse, x: Tensor, axis: int, sizes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Consecutive parts of these sizes of the file's `axis`."""
    if sum(sizes) != x.shape[axis] or min(sizes) < 1:
        raise ModelError(f"{x.shape[axis]} values can't be split into {sizes}: export the model again")
    ends = np.cumsum(sizes).tolist()
    return tuple(_sliced(use, x, {axis: (end - own, end, 1)}) for own, end in zip(sizes, ends, strict=True))


def _gather(use: NodeUse) -> Value:
    """Places of one axis, or one place, whose axis goes; a slice where they are evenly spaced."""
    x, indices = use.tensor(0), use.constant(1).value
    axis = axis_of(use, len(x.shape))
    size = x.shape[axis]
    if indices.dtype.kind not in "iu":
        raise ModelError("its places are no whole numbers: export the model again")
    places = [int(index) % size for index in indices.reshape(-1)[:100_000] if -size <= int(index) < size]
    steps = {after - before for before, after in pairwise(places)} or {1}
    if indices.ndim > 1 or len(places) != indices.size or not places:
        raise ModelError("it reads places in several axes at once, or none that are there: take them with slices")
    if len(steps) != 1 or steps == {0}:
        x, place = with_axis_alone(use, x, axis)
        return Tensor(use.add(Take(tuple(places), place), x), x.layout.resized(axis, len(places), place))
    [step] = steps
    part = _sliced(use, x, {axis: _python_slice(size, places[0], _end(places[-1], step, size), step)})
    if indices.ndim == 1:
        return part
    return replace(part, layout=part.layout.without(axis))


def _end(last: int, step: int, size: int) -> int:
    return last + 1 if step > 0 else (last - 1 if last else -size - 1)


OPERATORS: Table = {
    "Concat": OnnxOperator(_concat, axes=Axes.KEPT, along=along_one, folding=PARTS, naming=Naming.NONE),
    "Gather": OnnxOperator(
        _gather, axes=Axes.OWN, along=along_one, moved=without(along_one), folding=PRODUCTS, naming=Naming.NONE
    ),
    "Slice": OnnxOperator(_slice, axes=Axes.KEPT, along=_along_cuts, folding=PARTS, naming=Naming.NONE),
    "Split": OnnxOperator(_split, axes=Axes.KEPT, along=along_one, folding=PARTS),
}
