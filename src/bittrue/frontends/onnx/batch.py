"""Which axis of a file's tensor is the batch, and the refusal of what works along it.

A network computes one image, and a file is read for a batch of one, where an operator along the batch axis would do
nothing, or something else than in the file. Transposes may move that axis, so it is followed from node to node.
"""

from collections.abc import Callable, Iterable
from math import prod

from bittrue.errors import ModelError
from bittrue.frontends.onnx.conversion import NodeUse, Tensor
from bittrue.shapes import Shape

END = 1 << 31
"""An end at or beyond it means the end of an axis, whatever its size."""


def refuse_batch(use: NodeUse) -> None:
    """Raises: ModelError where the node works along the batch axis of what it reads."""
    rule = WORKS_ALONG.get(use.node.op_type)
    for name, x in _tensors(use):
        first = 0 if x.shape[:1] == (1,) and len(x.shape) > 1 else None
        batch = use.conversion.batch.get(name, first)
        if rule is not None and batch in set(rule(use, len(x.shape))):
            raise ModelError("it mixes the images of a batch (axis 0), and a network computes one: leave that axis out")


def follow_batch(use: NodeUse) -> None:
    """Note the batch axis of what the node has made; none where it can't be told."""
    known = [(use.conversion.batch[name], x.shape) for name, x in _tensors(use) if name in use.conversion.batch]
    for name in use.node.outputs:
        made = use.conversion.values.get(name)
        if known and isinstance(made, Tensor):
            rule = MOVED.get(use.node.op_type, _in_place)
            found = {rule(use, batch, shape, made.shape) for batch, shape in known}
            [batch] = found if len(found) == 1 else [None]
            if batch is not None:
                use.conversion.batch[name] = batch


def _tensors(use: NodeUse) -> list[tuple[str, Tensor]]:
    found = ((name, use.conversion.values.get(name)) for name in use.node.inputs)
    return [(name, value) for name, value in found if isinstance(value, Tensor)]


# What works along which axes


def _one(default: int) -> Callable[[NodeUse, int], Iterable[int]]:
    return lambda use, rank: [use.axis(use.node.integer("axis", default), rank)]


def _softmax(use: NodeUse, rank: int) -> Iterable[int]:
    axis = use.axis(use.node.integer("axis", -1 if use.opset >= 13 else 1), rank)
    return [axis] if use.opset >= 13 else range(axis, rank)


def _from_one_on(use: NodeUse, rank: int) -> Iterable[int]:
    return range(use.axis(use.node.integer("axis", -1), rank), rank)


def _flatten(use: NodeUse, rank: int) -> Iterable[int]:
    """All in one row: the images of a batch would follow each other in it."""
    return range(rank) if use.node.integer("axis", 1) in (0, -rank) else ()


def _reduced(use: NodeUse, rank: int) -> Iterable[int]:
    since = 13 if use.node.op_type == "ReduceSum" else 18
    stated = _listed(use, "axes", 1, since)
    if not stated:
        return () if use.node.integer("noop_with_empty_axes", 0) else range(rank)
    return [use.axis(axis, rank) for axis in stated]


def _sliced(use: NodeUse, rank: int) -> Iterable[int]:
    starts, ends = (_listed(use, name, place, 10) or () for place, name in ((1, "starts"), (2, "ends")))
    axes, steps = (_listed(use, name, place, 10) for place, name in ((3, "axes"), (4, "steps")))
    steps = steps or (1,) * len(starts)
    cuts = zip(axes or range(len(starts)), starts, ends, steps, strict=False)
    return [use.axis(axis, rank) for axis, start, end, step in cuts if (start, step) != (0, 1) or end < END - 1]


def _padded(use: NodeUse, rank: int) -> Iterable[int]:
    pads = _listed(use, "pads", 1, 11) or ()
    axes = use.numbers(3) if use.has(3) else range(rank)
    pairs = zip(axes, pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=False)
    return [use.axis(axis, rank) for axis, *around in pairs if any(around)]


def _listed(use: NodeUse, name: str, place: int, since: int) -> tuple[int, ...] | None:
    """Numbers that are an attribute before operator set `since`, and an input from then on."""
    if use.opset < since or name in use.node.attributes:
        return use.node.integers(name, None)
    return use.numbers(place) if use.has(place) else None


WORKS_ALONG: dict[str, Callable[[NodeUse, int], Iterable[int]]] = {
    **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"), _reduced),
    **dict.fromkeys(("LogSoftmax", "Softmax"), _softmax),
    **dict.fromkeys(("Gather", "Split", "SplitToSequence"), _one(0)),
    "Concat": _one(1),
    "Flatten": _flatten,
    "LayerNormalization": _from_one_on,
    "Pad": _padded,
    "Slice": _sliced,
}


# Where it goes: (use, batch axis, shape, the result's shape) → the result's batch axis


def _in_place(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    """Operands are aligned at their last axes."""
    return batch - len(shape) + len(made) if len(made) >= len(shape) else None


def _transposed(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    return (use.node.integers("perm", None) or tuple(reversed(range(len(shape))))).index(batch)


def _reshaped(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    """An axis of size 1 before and behind which there is as much as before."""
    found = [axis for axis, size in enumerate(made) if size == 1 and prod(made[:axis]) == prod(shape[:batch])]
    return found[0] if len(found) == 1 or (found and batch == found[0] == 0) else None


def _unsqueezed(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    added = {axis % len(made) for axis in _listed(use, "axes", 1, 13) or ()}
    return [axis for axis in range(len(made)) if axis not in added][batch]


def _squeezed(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    stated = _listed(use, "axes", 1, 13)
    ones = {axis for axis, size in enumerate(shape) if axis and size == 1}
    gone = {axis % len(shape) for axis in stated} if stated else ones
    return None if batch in gone else batch - sum(axis < batch for axis in gone)


def _without(use: NodeUse, batch: int, shape: Shape, made: Shape) -> int | None:
    """After a reduction or a choice of places, the axes of which may be gone."""
    if len(made) == len(shape):
        return batch
    return batch - sum(axis < batch for axis in WORKS_ALONG[use.node.op_type](use, len(shape)))


MOVED: dict[str, Callable[[NodeUse, int, Shape, Shape], int | None]] = {
    **dict.fromkeys(("Gather", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"), _without),
    **dict.fromkeys(("Flatten", "Reshape"), _reshaped),
    "Einsum": lambda use, batch, shape, made: None,
    "Squeeze": _squeezed,
    "Transpose": _transposed,
    "Unsqueeze": _unsqueezed,
}
