"""ONNX's operators over whole axes: reductions, softmax, layer normalization, products of two values."""

from dataclasses import replace
from itertools import groupby
from math import prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.forms import OVER_AN_IMAGE, Reduction
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Rule, Tensor, Value
from bittrue.frontends.onnx.layout import Layout, file_order
from bittrue.frontends.onnx.rules.elementwise import spread, spread_constant
from bittrue.frontends.onnx.rules.masks import mask_of
from bittrue.frontends.onnx.rules.movement import axes_of
from bittrue.frontends.onnx.rules.windows import MOVING, channels_last, feeds_an_image, pooled
from bittrue.network import Operator, Parameter, format_shape
from bittrue.operators import (
    GlobalAveragePooling,
    GlobalMaxPooling,
    LayerNormalization,
    LogSoftmax,
    Mask,
    ReduceMaximum,
    ReduceMean,
    ReduceMinimum,
    ReduceSum,
    Softmax,
)
from bittrue.shapes import Shape


def _reduce(use: NodeUse, kind: Reduction, since: int) -> Value:
    """since: the operator set from which on the axes are an input."""
    x = use.tensor(0)
    rank = len(x.shape)
    stated = axes_of(use, 1, since)
    if not stated and use.node.integer("noop_with_empty_axes", 0):
        return x
    axes = {use.axis(axis, rank) for axis in stated} if stated else set(range(rank))
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
    moved = all(reader.op_type in (*MOVING, "Flatten") for reader in use.conversion.readers[use.node.outputs[0]])
    gone = {atom for axis in range(2, rank) for atom in x.layout.atoms(axis)}
    reduction = ReduceMean if kind is GlobalAveragePooling else ReduceMaximum
    return _reduced(use, x, reduction, gone, shape, not moved)


def _softmax(use: NodeUse, operator: Operator) -> Value:
    x = use.tensor(0)
    rank = len(x.shape)
    axis = use.axis(use.node.integer("axis", -1 if use.opset >= 13 else 1), rank)
    # Before operator set 13 it worked on all axes from this one on.
    axes = (axis,) if use.opset >= 13 else tuple(range(axis, rank))
    mask = mask_of(use)
    if mask is not None:
        x = spread(use, x, mask.shape)
    atoms = tuple(atom for axis in axes for atom in x.layout.atoms(axis))
    x = use.arrange(x, x.layout.last(atoms))
    if mask is not None:
        operator = Softmax(Mask(spread_constant(use, x, Constant(mask))))
    return use.apply(operator, x)


def _layer_normalization(use: NodeUse) -> Value:
    x = use.tensor(0)
    rank = len(x.shape)
    first = use.axis(use.node.integer("axis", -1), rank)
    atoms = tuple(atom for axis in range(first, rank) for atom in x.layout.atoms(axis))
    x = use.arrange(x, x.layout.last(atoms))
    if len([name for name in use.node.outputs if name]) > 1:
        raise ModelError("its mean and deviation as outputs are not supported")

    def parameter(role: str, index: int) -> Parameter | None:
        if not use.has(index):
            return None
        constant = use.constant(index)
        if constant.value.shape != x.shape[first:]:
            raise ModelError(f"its {role} has the shape {format_shape(constant.value.shape)}: export the model again")
        flat = constant.value.reshape(prod(x.shape[first:]))
        return use.parameter(role, constant, x.layout.along(flat, 0, atoms), x.layout.axes[-1])

    epsilon = use.node.number("epsilon", float(np.float32(1e-5)))
    return use.apply(LayerNormalization(parameter("gamma", 1), parameter("beta", 2), epsilon), x)


RULES: dict[str, Rule] = {
    "GlobalAveragePool": lambda use: _global_pool(use, GlobalAveragePooling),
    "GlobalMaxPool": lambda use: _global_pool(use, GlobalMaxPooling),
    "LayerNormalization": _layer_normalization,
    "LogSoftmax": lambda use: _softmax(use, LogSoftmax()),
    "ReduceMax": lambda use: _reduce(use, ReduceMaximum, 18),
    "ReduceMean": lambda use: _reduce(use, ReduceMean, 18),
    "ReduceMin": lambda use: _reduce(use, ReduceMinimum, 18),
    "ReduceSum": lambda use: _reduce(use, ReduceSum, 13),
    "Softmax": lambda use: _softmax(use, Softmax()),
}
