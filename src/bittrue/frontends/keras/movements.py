"""What the operations of `keras.ops` mean that only move values: reshaping, slices, padding, concatenation.

Their arguments count the batch axis, which stays where it is and whole.
"""

from math import prod

from bittrue.errors import ModelError
from bittrue.frontends.keras.config import Settings, shown
from bittrue.frontends.keras.use import Chain, LayerUse, Outputs
from bittrue.network import Operator, format_shape
from bittrue.operators import Concatenate, Flatten, Identity, Pad, Reshape, Slice, Transpose, ZeroPadding
from bittrue.shapes import Shape


def _reshaped(use: LayerUse, shape: Shape) -> Operator:
    if shape == use.shape:
        return Identity()
    return Flatten() if len(shape) == 1 else Reshape(shape)


def reshape(use: LayerUse) -> Operator:
    """To `newshape`, whose first size is the batch's: None, or −1 where the others hold all of one image's values."""
    wanted = use.settings.values.get("newshape")
    if not isinstance(wanted, list) or len(wanted) < 2 or wanted[0] not in (None, -1):
        raise ModelError(f"newshape is {shown(wanted)}, expected one whose first size, the batch's, is −1")
    sizes = Settings({"newshape": wanted[1:]}).shape("newshape")
    values, known = prod(use.shape), prod(size for size in sizes if size is not None)
    if sizes.count(None) > 1 or values % known or (None not in sizes and values != known):
        raise ModelError(f"{format_shape(use.shape)} can't be reshaped to {shown(wanted)}, the batch's axis kept")
    return _reshaped(use, tuple(values // known if size is None else size for size in sizes))


def squeeze(use: LayerUse) -> Operator:
    axes = use.settings.axes("axis", len(use.shape))
    if any(use.shape[axis] != 1 for axis in axes) or len(axes) == len(use.shape):
        raise ModelError(f"the axes {axes} of {format_shape(use.shape)} can't be left out")
    return _reshaped(use, tuple(size for axis, size in enumerate(use.shape) if axis not in axes))


def expand_dims(use: LayerUse) -> Operator:
    shape = list(use.shape)
    for axis in sorted(use.settings.axes("axis", len(shape) + 1)):
        shape.insert(axis, 1)
    return _reshaped(use, tuple(shape))


def _transposed(use: LayerUse, order: list[int]) -> Operator:
    """order: the axes, the batch's counted."""
    if order[0] != 0:
        raise ModelError("it moves the batch axis, and hardware computes one image: keep that axis first")
    return Transpose(tuple(axis - 1 for axis in order[1:]))


def transpose(use: LayerUse) -> Operator:
    rank = len(use.shape) + 1
    axes = use.settings.values.get("axes")
    order = list(reversed(range(rank)))
    if axes is not None:
        order = list(use.settings.integers("axes", rank, minimum=-rank))
    order = [axis + rank if axis < 0 else axis for axis in order]
    if sorted(order) != list(range(rank)):
        raise ModelError(f"axes is {shown(axes)}, which is no order of {rank} axes")
    return _transposed(use, order)


def swap_axes(use: LayerUse) -> Operator:
    rank = len(use.shape)
    first, second = (use.settings.axis(key, rank) + 1 for key in ("axis1", "axis2"))
    order = list(range(rank + 1))
    order[first], order[second] = second, first
    return _transposed(use, order)


def move_axis(use: LayerUse) -> Operator:
    rank = len(use.shape)
    sources, targets = use.settings.axes("source", rank), use.settings.axes("destination", rank)
    if len(set(sources)) != len(sources) or len(set(targets)) != len(targets) or len(sources) != len(targets):
        raise ModelError(f"the axes {sources} can't be moved to {targets}")
    order = [axis for axis in range(rank) if axis not in sources]
    for target, source in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source)
    return Transpose(tuple(order))


def concatenate(use: LayerUse) -> Operator:
    if len(use.operands) != 1 or not isinstance(use.operands[0], list) or len(use.operands[0]) != len(use.shapes):
        raise ModelError("it joins a constant to a tensor, which is not supported: give the model the larger input")
    return Concatenate(use.settings.axis("axis", len(use.shape)))


def split(use: LayerUse) -> Outputs:
    axis = use.settings.axis("axis", len(use.shape))
    size, wanted = use.shape[axis], use.settings.values.get("indices_or_sections")
    if isinstance(wanted, list):
        ends = [*use.settings.integers("indices_or_sections", len(wanted)), size]
    else:
        sections = use.settings.integer("indices_or_sections")
        if size % sections:
            raise ModelError(f"{size} values can't be split into {sections} equal parts")
        ends = list(range(size // sections, size + 1, size // sections))
    starts = [0, *ends[:-1]]
    if any(start >= end for start, end in zip(starts, ends, strict=True)):
        raise ModelError(f"{size} values can't be split at {shown(wanted)}")
    return Outputs(tuple(Slice((start,), (end,), (1,), (axis,)) for start, end in zip(starts, ends, strict=True)))


def pad(use: LayerUse) -> Operator:
    rank = len(use.shape) + 1
    if use.settings.values.get("mode") != "constant":
        raise ModelError(
            f"mode is {shown(use.settings.values.get('mode'))}: only constants are supported, so "
            "concatenate slices of its edges"
        )
    value = 0.0 if use.settings.values.get("constant_values") is None else use.settings.number("constant_values")
    width = use.settings.values.get("pad_width")
    if isinstance(width, int):
        width = [[width, width]] * rank
    elif isinstance(width, list) and len(width) == 2 and all(isinstance(size, int) for size in width):
        width = [width] * rank
    batch, *pairs = Settings({"pad_width": width}).integer_pairs("pad_width", rank)
    if any(batch):
        raise ModelError(f"pad_width is {shown(width)}, which pads the batch axis: give that axis (0, 0)")
    if value == 0 and pairs[-1] == (0, 0) and len(pairs) > 1:
        return ZeroPadding(tuple(pairs[:-1]))
    return Pad(tuple(pairs), value)


# x[:, 1:-1, 0]


def get_item(use: LayerUse) -> Operator | Chain:
    """Slices, numbers, None and an ellipsis, one for each axis from the batch's on."""
    key = use.operands[1] if len(use.operands) == 2 else None
    rank = len(use.shape) + 1
    entries = _without_ellipsis(key if isinstance(key, list) else [key], rank)
    batch, *others = [*entries, *[WHOLE] * (rank - sum(entry is not None for entry in entries))]
    if _ends(batch, 1 << 30) != range(1 << 30):
        raise ModelError(f"{shown(key)} takes images from a batch, and hardware computes one: begin with [:, …]")
    starts: list[int] = []
    ends: list[int] = []
    steps: list[int] = []
    shape: list[int] = []
    for entry in others:
        if entry is None:
            shape.append(1)
            continue
        size = use.shape[len(starts)]
        found = _ends(entry, size)
        if not found:
            raise ModelError(f"{shown(key)} leaves nothing of {format_shape(use.shape)}")
        end = found[-1] + (1 if found.step > 0 else -1)
        starts.append(found[0])
        ends.append(end if end >= 0 else -size - 1)
        steps.append(found.step)
        if not isinstance(entry, int):
            shape.append(len(found))
    sliced = Slice(tuple(starts), tuple(ends), tuple(steps), tuple(range(len(starts))))
    sizes = tuple(len(range(size)[slice(*cut)]) for size, *cut in zip(use.shape, starts, ends, steps, strict=True))
    if not shape:
        raise ModelError(f"{shown(key)} leaves no axis of an image: keep one")
    if tuple(shape) == sizes:
        return sliced
    last = Flatten() if len(shape) == 1 else Reshape(tuple(shape))
    return last if sizes == use.shape else Chain((("sliced", sliced),), last)


WHOLE: object = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}


def _without_ellipsis(entries: list[object], rank: int) -> list[object]:
    dots = [place for place, entry in enumerate(entries) if _class_of(entry) == "__ellipsis__"]
    named = sum(entry is not None for entry in entries) - len(dots)
    if len(dots) > 1 or named > rank:
        raise ModelError(f"{shown(entries)} doesn't fit {rank} axes")
    if not dots:
        return entries
    return [*entries[: dots[0]], *[WHOLE] * (rank - named), *entries[dots[0] + 1 :]]


def _class_of(entry: object) -> object:
    return entry.get("class_name") if isinstance(entry, dict) else None


def _ends(entry: object, size: int) -> range:
    """The places of an axis that a slice or a number takes."""
    if isinstance(entry, int) and not isinstance(entry, bool) and -size <= entry < size:
        return range(entry % size, entry % size + 1)
    config = entry.get("config") if isinstance(entry, dict) and _class_of(entry) == "__slice__" else None
    cut = [config.get(part) for part in ("start", "stop", "step")] if isinstance(config, dict) else [""]
    if not all(part is None or (isinstance(part, int) and not isinstance(part, bool)) for part in cut) or cut[-1] == 0:
        raise ModelError(f"{shown(entry)} is no index that Keras takes: save the model in Keras again")
    return range(size)[slice(*cut)]
