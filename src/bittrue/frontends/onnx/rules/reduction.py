"""ONNX's operators over whole axes: reductions, softmax, layer normalization, products of two values."""

from dataclasses import replace
from functools import partial
from itertools import groupby
from math import prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.forms import OVER_AN_IMAGE, Reduction
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Rule, Tensor, Value
from bittrue.frontends.onnx.layout import Layout, file_order
from bittrue.frontends.onnx.lookahead import feeds_an_image
from bittrue.frontends.onnx.node import EXPORT_AGAIN
from bittrue.frontends.onnx.rows import PARTS, Naming, OnnxOperator, Table, without
from bittrue.frontends.onnx.rules.broadcasting import spread, spread_constant
from bittrue.frontends.onnx.rules.masks import mask_of
from bittrue.frontends.onnx.rules.movement import axes_of, regrouped
from bittrue.frontends.onnx.rules.windows import channels_last, pooled
from bittrue.network import Operator, Parameter, format_shape
from bittrue.operators import (
    Absolute,
    GlobalAveragePooling,
    GlobalMaxPooling,
    LayerNormalization,
    LogSoftmax,
    Mask,
    Pointwise,
    ReduceMaximum,
    ReduceMean,
    ReduceMinimum,
    ReduceSum,
    ScaleOffset,
    Softmax,
)
from bittrue.program.functions import Sqrt, Square
from bittrue.shapes import Shape


def _axes(use: NodeUse, rank: int, since: int) -> set[int]:
    """The axes that are reduced. since: the operator set from which on they are an input."""
    stated = axes_of(use, 1, since)
    if not stated:
        return set() if use.node.integer("noop_with_empty_axes", 0) else set(range(rank))
    return {use.axis(axis, rank) for axis in stated}


def _reduce(use: NodeUse, kind: Reduction, since: int, before: Operator | None = None) -> Tensor:
    """before: what is computed of each number before they are reduced."""
    x = use.tensor(0)
    axes = _axes(use, len(x.shape), since)
    x = x if before is None else use.apply(before, x)
    keeps = bool(use.node.integer("keepdims", 1))
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    gone = {atom for axis in axes for atom in x.layout.atoms(axis)}
    if gone:
        x = _reduced(use, x, kind, gone, shape, keeps)
    if not keeps:
        layout = replace(x.layout, shape=tuple(size for axis, size in enumerate(shape) if axis not in axes))
        return replace(x, layout=layout)
    return x


def _reduced(use: NodeUse, x: Tensor, kind: Reduction, gone: set[int], shape: Shape, keeps: bool) -> Tensor:
    """The network's axes that hold the atoms `gone` reduced; `shape`: the file's result, axes of size 1 kept."""
    if any(not (gone.isdisjoint(axis) or gone.issuperset(axis)) for axis in x.layout.axes):
        split: list[tuple[int, ...]] = []
        for axis in x.layout.axes:
            runs = [tuple(run) for _, run in groupby(axis, gone.__contains__)]
            split += runs or [()]
        x = use.arrange(x, tuple(split))
    axes = x.layout.axes
    reduced = tuple(place for place, axis in enumerate(axes) if axis and gone.issuperset(axis))
    image = len(x.shape) in (3, 4) and len(axes) > 1 and _is_image(axes, reduced)
    leading = reduced == tuple(range(len(reduced))) and len(reduced) < len(axes)
    keepdims = feeds_an_image(use, keeps) if leading or image else keeps
    if image and kind in OVER_AN_IMAGE:
        operator, reduced = OVER_AN_IMAGE[kind](keepdims), tuple(range(len(axes) - 1))
    else:
        operator = kind(reduced, keepdims)
    left = [atom for atom in range(len(x.layout.sizes)) if atom not in gone]
    lying = [tuple(left.index(atom) for atom in axis if atom in left) for axis in axes]
    if not keepdims:
        lying = [axis for place, axis in enumerate(lying) if place not in reduced]
    layout = Layout(shape, tuple(x.layout.sizes[atom] for atom in left), tuple(lying))
    return Tensor(use.add(operator, x), layout)


def _is_image(axes: tuple[tuple[int, ...], ...], reduced: tuple[int, ...]) -> bool:
    """Whether all axes but the last are reduced, or of size 1 already."""
    return all(place in reduced or not axis for place, axis in enumerate(axes[:-1])) and len(axes) - 1 not in reduced


def _global_pool(use: NodeUse, kind: type[GlobalAveragePooling] | type[GlobalMaxPooling]) -> Value:
    """A pooling of an image; or a mean over the last axes of something else, which tf2onnx writes as one."""
    x = use.tensor(0)
    rank, shape = len(x.shape), (*x.shape[:2], *(1 for _ in x.shape[2:]))
    in_file_order, image = (
        tuple(atom for axis in axes for atom in x.layout.atoms(axis)) == x.layout.order
        for axes in (file_order(x.shape), (*range(2, rank), 1))
    )
    if x.shape[0] != 1 or image or not in_file_order:
        return pooled(use, channels_last(use, x), kind, shape)
    moved = all(
        Axes.REARRANGED in use.conversion.axes(reader) or reader.op_type == "Flatten"
        for reader in use.conversion.readers[use.node.outputs[0]]
    )
    gone = {atom for axis in range(2, rank) for atom in x.layout.atoms(axis)}
    reduction = ReduceMean if kind is GlobalAveragePooling else ReduceMaximum
    return _reduced(use, x, reduction, gone, shape, not moved)


def _softmax_axes(use: NodeUse, rank: int) -> tuple[int, ...]:
    """One axis; before operator set 13 all from it on."""
    axis = use.axis(use.node.integer("axis", -1 if use.opset >= 13 else 1), rank)
    return (axis,) if use.opset >= 13 else tuple(range(axis, rank))


def _softmax(use: NodeUse, operator: Operator) -> Value:
    x = use.tensor(0)
    axes = _softmax_axes(use, len(x.shape))
    mask = mask_of(use)
    if mask is not None:
        x = spread(use, x, mask.shape)
    atoms = tuple(atom for axis in axes for atom in x.layout.atoms(axis))
    x = use.arrange(x, x.layout.last(atoms))
    if mask is not None:
        operator = Softmax(Mask(spread_constant(use, x, Constant(mask))))
    return use.apply(operator, x)


def _normalized_axes(use: NodeUse, rank: int) -> range:
    return range(use.axis(use.node.integer("axis", -1), rank), rank)


def _layer_normalization(use: NodeUse) -> Value:
    x = use.tensor(0)
    axes = _normalized_axes(use, len(x.shape))
    atoms = tuple(atom for axis in axes for atom in x.layout.atoms(axis))
    x = use.arrange(x, x.layout.last(atoms))
    if len([name for name in use.node.outputs if name]) > 1:
        raise ModelError("its mean and deviation as outputs are not supported")

    def parameter(role: str, index: int) -> Parameter | None:
        if not use.has(index):
            return None
        constant = use.constant(index)
        if constant.value.shape != x.shape[axes.start :]:
            raise ModelError(f"its {role} has the shape {format_shape(constant.value.shape)}: export the model again")
        flat = constant.value.reshape(prod(x.shape[axes.start :]))
        return use.parameter(role, constant, x.layout.along(flat, 0, atoms), x.layout.axes[-1])

    epsilon = use.node.number("epsilon", float(np.float32(1e-5)))
    return use.apply(LayerNormalization(parameter("gamma", 1), parameter("beta", 2), epsilon), x)


def _length(use: NodeUse) -> Tensor:
    """The root of the sum of squares."""
    return use.apply(Pointwise(Sqrt()), _reduce(use, ReduceSum, 18, Pointwise(Square())))


def _instance_normalization(use: NodeUse) -> Value:
    """Each channel of an image by its own mean and deviation, then a scale and an offset of its own."""
    x = use.tensor(0)
    if len(x.shape) < 3:
        raise ModelError(f"an input of {format_shape(x.shape)} has no axes beside the channels: {EXPORT_AGAIN}")
    return _by_channel(use, _centred(use, x, range(2, len(x.shape)), float(np.float32(1e-5))))


def _group_normalization(use: NodeUse) -> Value:
    """Channels in groups, each by its own mean and deviation; scales and offsets are the channels', and before operator
    set 21 the groups'."""
    x, groups = use.tensor(0), use.node.integer("num_groups", 1)
    if len(x.shape) < 3 or groups < 1 or x.shape[1] % groups:
        raise ModelError(f"an input of {format_shape(x.shape)} has no {groups} groups of channels: {EXPORT_AGAIN}")
    parts = regrouped(use, x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    normalized = _centred(use, parts, range(2, len(parts.shape)), float(np.float32(1e-5)))
    return _by_channel(use, regrouped(use, normalized, x.shape), x.shape[1] // groups if use.opset < 21 else 1)


def _centred(use: NodeUse, x: Tensor, axes: range, epsilon: float) -> Tensor:
    """Less its mean, by its deviation, over the file's `axes`."""
    atoms = tuple(atom for axis in axes for atom in x.layout.atoms(axis))
    epsilon = use.node.number("epsilon", epsilon)
    return use.apply(LayerNormalization(None, None, epsilon), use.arrange(x, x.layout.last(atoms)))


def _by_channel(use: NodeUse, x: Tensor, channels: int = 1) -> Tensor:
    """Times the second input, plus the third, both one for so many `channels`; what is all 1 or 0 is left out."""
    constants = [use.constant(index) for index in (1, 2)]
    constants = [replace(constant, value=constant.value.repeat(channels)) for constant in constants]
    if any(constant.value.shape != x.shape[1:2] for constant in constants):
        found = " and ".join(format_shape(constant.value.shape) for constant in constants)
        raise ModelError(f"its scale and offset of {found} don't fit {x.shape[1]} channels: {EXPORT_AGAIN}")
    values = [constant.value.reshape(-1, *(1,) * (len(x.shape) - 2)) for constant in constants]
    scale, offset = (
        use.parameter(role, constant, spread_constant(use, x, replace(constant, value=value)), use.name)
        if constant.stored or (value != idle).any()
        else None
        for role, constant, value, idle in zip(("scale", "offset"), constants, values, (1, 0), strict=True)
    )
    return x if scale is None and offset is None else use.apply(ScaleOffset(scale, offset), x)


def _reduction(rule: Rule, since: int) -> OnnxOperator:
    """since: the operator set from which on the axes are an input."""
    along = partial(_axes, since=since)
    return OnnxOperator(rule, axes=Axes.KEPT, along=along, moved=without(along), folding=PARTS)


OPERATORS: Table = {
    "GlobalAveragePool": OnnxOperator(partial(_global_pool, kind=GlobalAveragePooling), axes=Axes.CHANNELS_FIRST),
    "GroupNormalization": OnnxOperator(_group_normalization, axes=Axes.CHANNELS_FIRST, naming=Naming.LAYER),
    "GlobalMaxPool": OnnxOperator(partial(_global_pool, kind=GlobalMaxPooling), axes=Axes.CHANNELS_FIRST),
    "LayerNormalization": OnnxOperator(
        _layer_normalization, axes=Axes.KEPT, along=_normalized_axes, naming=Naming.LAYER
    ),
    "LogSoftmax": OnnxOperator(partial(_softmax, operator=LogSoftmax()), axes=Axes.KEPT, along=_softmax_axes),
    "InstanceNormalization": OnnxOperator(_instance_normalization, axes=Axes.CHANNELS_FIRST, naming=Naming.LAYER),
    "ReduceL1": _reduction(partial(_reduce, kind=ReduceSum, since=18, before=Absolute()), 18),
    "ReduceL2": _reduction(_length, 18),
    "ReduceMax": _reduction(partial(_reduce, kind=ReduceMaximum, since=18), 18),
    "ReduceMean": _reduction(partial(_reduce, kind=ReduceMean, since=18), 18),
    "ReduceMin": _reduction(partial(_reduce, kind=ReduceMinimum, since=18), 18),
    "ReduceSum": _reduction(partial(_reduce, kind=ReduceSum, since=13), 13),
    "ReduceSumSquare": _reduction(partial(_reduce, kind=ReduceSum, since=18, before=Pointwise(Square())), 18),
    "Softmax": OnnxOperator(partial(_softmax, operator=Softmax()), axes=Axes.KEPT, along=_softmax_axes),
}
