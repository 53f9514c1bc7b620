"""ONNX's movements: most only change the layout, and cost nothing; and its concatenations, slices and padding."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Rule, Tensor, Value
from bittrue.frontends.onnx.layout import Layout, file_order, shared_factors
from bittrue.frontends.onnx.rules.elementwise import order_kept, plus, spread
from bittrue.frontends.onnx.rules.windows import channels_last, image_layout
from bittrue.network import format_shape
from bittrue.operators import (
    Broadcast,
    Concatenate,
    Pad,
    Slice,
    Take,
    UpsamplingBilinear,
    UpsamplingNearest,
    ZeroPadding,
)
from bittrue.shapes import Shape


def _transpose(use: NodeUse) -> Value:
    x = use.tensor(0)
    rank = len(x.shape)
    permutation = use.node.integers("perm", tuple(reversed(range(rank))))
    if permutation is None or sorted(permutation) != list(range(rank)):
        raise ModelError(f"its permutation {permutation} doesn't fit {rank} axes: export the model again")
    return replace(x, layout=x.layout.transposed(permutation), moved=use.name)


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
    whole = Layout((prod(shape),), (prod(shape),), ((0,),)).reshaped(shape)
    assert whole is not None
    return replace(flat, layout=whole, moved=use.name)


def _reshape(use: NodeUse) -> Value:
    present, wanted = use.tensor(0).shape, use.numbers(1)
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


def _joined(use: NodeUse, x: Tensor) -> Tensor:
    """Repeated values in one axis with what they repeat, so that whatever reads them reads the same upsampling."""
    axes = tuple(x.layout.atoms(axis) for axis in order_kept(x))
    in_order = tuple(atom for axis in axes for atom in axis) == x.layout.order
    return use.arrange(x, axes) if in_order else x


def _flatten(use: NodeUse) -> Value:
    shape = use.tensor(0).shape
    axis = use.node.integer("axis", 1)
    axis = len(shape) if axis == len(shape) else use.axis(axis, len(shape))
    return reshaped(use, (prod(shape[:axis]), prod(shape[axis:])))


def axes_of(use: NodeUse, index: int, since: int) -> tuple[int, ...] | None:
    """Axes that are an attribute before operator set `since`, and input `index` from then on."""
    if use.opset < since or "axes" in use.node.attributes:
        return use.node.integers("axes", None)
    return use.numbers(index) if use.has(index) else None


def _squeeze(use: NodeUse) -> Value:
    shape = use.tensor(0).shape
    axes = axes_of(use, 1, 13)
    gone = {use.axis(axis, len(shape)) for axis in axes} if axes is not None else {0, *_ones(shape)} - {0}
    if any(shape[axis] != 1 for axis in gone):
        raise ModelError(f"the axes {axes} of {format_shape(shape)} are not all of size 1: export the model again")
    return reshaped(use, tuple(size for axis, size in enumerate(shape) if axis not in gone))


def _ones(shape: Shape) -> list[int]:
    return [axis for axis, size in enumerate(shape) if size == 1]


def _unsqueeze(use: NodeUse) -> Value:
    shape = use.tensor(0).shape
    axes = axes_of(use, 1, 13) or ()
    rank = len(shape) + len(axes)
    added = {use.axis(axis, rank) for axis in axes}
    sizes = iter(shape)
    if len(added) != len(axes):
        raise ModelError(f"its axes {axes} name one twice: export the model again")
    return reshaped(use, tuple(1 if axis in added else next(sizes) for axis in range(rank)))


def _expand(use: NodeUse) -> Value:
    x, wanted = use.tensor(0), use.numbers(1)
    return _repeated(use, x, wanted)


def _tile(use: NodeUse) -> Value:
    x, counts = use.tensor(0), use.numbers(1)
    if len(counts) != len(x.shape) or any(count != 1 != size for count, size in zip(counts, x.shape, strict=True)):
        raise ModelError(
            f"it repeats {format_shape(x.shape)} {counts} times, where only axes of size 1 can be repeated"
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


def _concat(use: NodeUse) -> Value:
    if any(isinstance(use.value(index), Constant) for index in range(len(use.node.inputs))):
        return _beside_constants(use)
    tensors = [use.tensor(index) for index in range(len(use.node.inputs))]
    shape = tensors[0].shape
    axis = use.axis(use.node.integer("axis", 1), len(shape))
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
    axis = use.axis(use.node.integer("axis", 1), len(x.shape))
    parts = [np.zeros(value.shape) if isinstance(value, Tensor) else value.value for value in values]
    try:
        whole = np.concatenate(parts, axis, dtype=np.float64)
    except ValueError:
        found = " and ".join(format_shape(part.shape) for part in parts)
        raise ModelError(f"{found} can't be concatenated along axis {axis}: export the model again") from None
    sizes = [part.shape[axis] for part in parts]
    around = sum(sizes[: places[0]]), sum(sizes[places[0] + 1 :])
    return plus(use, _padded(use, x, {axis: around}, 0.0), Constant(whole), 1)


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


def _slice(use: NodeUse) -> Value:
    x = use.tensor(0)
    if use.opset < 10:
        starts, ends = use.node.integers("starts", ()) or (), use.node.integers("ends", ()) or ()
        axes = use.node.integers("axes", None)
        steps: tuple[int, ...] | None = None
    else:
        starts, ends = use.numbers(1), use.numbers(2)
        axes = use.numbers(3) if use.has(3) else None
        steps = use.numbers(4) if use.has(4) else None
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if len({len(starts), len(ends), len(axes), len(steps)}) != 1 or 0 in steps:
        raise ModelError("its starts, ends, axes and steps don't fit each other: export the model again")
    cuts = {
        use.axis(axis, len(x.shape)): _python_slice(x.shape[use.axis(axis, len(x.shape))], *cut)
        for axis, *cut in zip(axes, starts, ends, steps, strict=True)
    }
    return _sliced(use, x, cuts)


def _python_slice(size: int, start: int, end: int, step: int) -> tuple[int, int, int]:
    """ONNX clamps as Python does, and its "before the first" is a very negative end."""
    found = range(size)[slice(start, end, step)]
    if not found:
        raise ModelError("it leaves nothing: export the model again")
    end = found[-1] + (1 if step > 0 else -1)
    return found[0], end if end >= 0 else -size - 1, step


def _split(use: NodeUse) -> tuple[Value, ...]:
    x = use.tensor(0)
    axis = use.axis(use.node.integer("axis", 0), len(x.shape))
    size, count = x.shape[axis], len(use.node.outputs)
    stated = use.node.integers("split", None) if use.opset < 13 else (use.numbers(1) if use.has(1) else None)
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
    axis = use.axis(use.node.integer("axis", 0), len(x.shape))
    size = x.shape[axis]
    places = [int(index) % size for index in indices.reshape(-1)[:100_000] if -size <= int(index) < size]
    steps = {after - before for before, after in pairwise(places)} or {1}
    if indices.ndim > 1 or len(places) != indices.size or not places:
        raise ModelError("it reads places in several axes at once, or none that are there, which is not supported")
    if len(steps) != 1 or steps == {0}:
        x, place = with_axis_alone(use, x, axis)
        return Tensor(use.add(Take(tuple(places), place), x), x.layout.resized(axis, len(places), place))
    [step] = steps
    part = _sliced(use, x, {axis: _python_slice(size, places[0], _end(places[-1], step, size), step)})
    if indices.ndim == 1:
        return part
    layout = part.layout.reshaped((*x.shape[:axis], *x.shape[axis + 1 :]))
    assert layout is not None
    return replace(part, layout=layout)


def _end(last: int, step: int, size: int) -> int:
    return last + 1 if step > 0 else (last - 1 if last else -size - 1)


def _pad(use: NodeUse) -> Value:
    x = use.tensor(0)
    rank = len(x.shape)
    mode = use.node.text("mode", "constant")
    readers = use.conversion.readers[use.node.outputs[0]]
    for_maxima = mode == "edge" and bool(readers) and all(reader.op_type == "MaxPool" for reader in readers)
    if mode != "constant" and not for_maxima:
        raise ModelError(f"its mode {mode!r} is not supported: pad with a constant")
    if use.opset < 11:
        pads, value = use.node.integers("pads", ()) or (), use.node.number("value", 0.0)
    else:
        pads = use.numbers(1)
        value = use.scalar(2) if use.has(2) else 0.0
    axes = tuple(use.axis(axis, rank) for axis in use.numbers(3)) if use.has(3) else tuple(range(rank))
    if len(pads) != 2 * len(axes) or min((0, *pads)) < 0:
        raise ModelError(f"its pads {pads} don't fit {rank} axes, or cut values off: export the model again")
    around = {axis: (pads[place], pads[place + len(axes)]) for place, axis in enumerate(axes)}
    around = {axis: pad for axis, pad in around.items() if any(pad)}
    if for_maxima:  # a value once more changes no maximum: the poolings leave these places out
        if any(axis < 2 for axis in around):
            raise ModelError("it repeats the edges of the channels, which is not supported: pad with a constant")
        use.conversion.edges[use.node.outputs[0]] = tuple(around.get(axis, (0, 0)) for axis in range(2, rank))
        return x
    return _padded(use, x, around, value) if around else x


def _padded(use: NodeUse, x: Tensor, around: dict[int, tuple[int, int]], value: float) -> Tensor:
    """x with so many times `value` before and behind it along the file's axes `around`."""
    rank = len(x.shape)
    if rank in (3, 4) and min(around) >= 2:
        x = channels_last(use, x)
        pairs = tuple(around.get(axis, (0, 0)) for axis in range(2, rank))
        operator = ZeroPadding(pairs) if value == 0 else Pad((*pairs, (0, 0)), value)
        number = use.add(operator, x)
        return Tensor(number, image_layout(use.shape_of(number)))
    for axis in around:
        x, _ = with_axis_alone(use, x, axis)
    places = {axis: with_axis_alone(use, x, axis)[1] for axis in around}
    if len(set(places.values())) < len(places):
        raise ModelError(f"it pads several axes of size 1 of {format_shape(x.shape)}, which is not supported: pad one")
    padding = [(0, 0)] * len(x.layout.axes)
    layout = x.layout
    for axis, pad in around.items():
        padding[places[axis]] = pad
        layout = layout.resized(axis, x.shape[axis] + sum(pad), places[axis])
    spatial = padding[-1] == (0, 0) and value == 0
    return Tensor(use.add(ZeroPadding(tuple(padding[:-1])) if spatial else Pad(tuple(padding), value), x), layout)


def _resize(use: NodeUse) -> Value:
    """Upsampling by whole factors; the places that a factor's copies come from decide whether it is `nearest`."""
    x = channels_last(use, use.tensor(0))
    factors = _factors(use, x.shape)
    by = "×".join(f"{float(factor):g}" for factor in factors)
    if max(factors[:2]) != 1 or any(factor < 1 or factor.denominator != 1 for factor in factors):
        raise ModelError(
            f"it resizes {format_shape(x.shape)} by {by}, and only an image's height and width can be upsampled, by "
            "whole factors: export the model with those, or resize outside of it"
        )
    whole = tuple(int(factor) for factor in factors[2:])
    mode = use.node.text("mode", "nearest")
    if use.node.op_type == "Upsample" or use.opset == 10:
        where, rounding = "asymmetric", "floor"
    else:
        where = use.node.text("coordinate_transformation_mode", "half_pixel")
        rounding = use.node.text("nearest_mode", "round_prefer_floor")
    bilinear = mode in ("linear", "bilinear") and len(whole) == 2
    if mode == "nearest" and _copies(whole, where, rounding):
        number = use.add(UpsamplingNearest(whole), x)
    elif bilinear and where in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        number = use.add(UpsamplingBilinear(whole, where == "align_corners"), x)
    else:
        how = f"{where} and {rounding}" if mode == "nearest" else where
        raise ModelError(
            f"it resizes {format_shape(x.shape)} by {by} in the mode {mode} with {how}, which is not supported: use "
            "nearest (asymmetric with floor, or half_pixel), or bilinear of an image (half_pixel or align_corners)"
        )
    return Tensor(number, image_layout(use.shape_of(number)))


def _factors(use: NodeUse, shape: Shape) -> tuple[Fraction, ...]:
    """By what each axis grows: stored scales, or sizes that stand in their place."""
    if use.node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise ModelError("it keeps the aspect ratio of its sizes: export the model with scales")
    axes = use.node.integers("axes", None) or tuple(range(len(shape)))
    places = [use.axis(axis, len(shape)) for axis in axes]
    scales = _scales(use)
    sizes = use.numbers(3) if not scales and use.has(3) else ()
    stated = scales or tuple(Fraction(size, shape[axis]) for size, axis in zip(sizes, places, strict=False))
    if not stated:
        raise ModelError("it holds neither scales nor sizes: export the model with scales")
    if len(stated) != len(places) or len(scales or sizes) != len(places):
        given = ", ".join(f"{number:g}" for number in (map(float, scales) if scales else sizes))
        raise ModelError(f"its {'scales' if scales else 'sizes'} ({given}) don't name every axis of its input")
    factors = dict(zip(places, stated, strict=True))
    return tuple(factors.get(axis, Fraction(1)) for axis in range(len(shape)))


def _scales(use: NodeUse) -> tuple[Fraction, ...]:
    """The stored scales; none where they are empty, which leaves the word to the sizes."""
    index = 1 if use.node.op_type == "Upsample" or use.opset == 10 else 2
    if "scales" in use.node.attributes:
        stored = list(use.node.attributes["scales"])
    else:
        stored = use.constant(index).value.reshape(-1)[:16].tolist() if use.has(index) else []
    if not np.isfinite(stored).all():
        raise ModelError("its scales are no finite numbers: export the model again")
    return tuple(Fraction(float(scale)) for scale in stored)


def _copies(factors: tuple[int, ...], where: str, rounding: str) -> bool:
    """Whether `nearest` with these rules repeats each position: output i comes from ⌊i / factor⌋."""
    if where == "asymmetric":
        return rounding == "floor"
    # (i + ½) / factor − ½ lies within half a position of ⌊i / factor⌋, and never on a tie for odd and even factors.
    return where in ("half_pixel", "pytorch_half_pixel") and rounding in ("round_prefer_floor", "round_prefer_ceil")


RULES: dict[str, Rule] = {
    "Concat": _concat,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Pad": _pad,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
}
