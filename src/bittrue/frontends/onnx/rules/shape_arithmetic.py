"""ONNX's operators that compute constants alone: shapes, masks and stored numbers. No network node comes of them."""

from collections.abc import Sequence
from math import prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Value
from bittrue.frontends.onnx.rows import ELEMENTWISE, PARTS, Folding, Naming, OnnxOperator, Table, product_of
from bittrue.shapes import Shape

NUMBERS = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
"""A Constant's attributes beside its tensor, and the types that they are of."""


def _constant(use: NodeUse) -> Value:
    stored = use.node.array("value")
    if stored is None:
        found = [(name, kind) for name, kind in NUMBERS.items() if use.node.has(name)]
        if not found:
            raise ModelError("it holds no numbers: export the model again")
        [(name, kind), *_] = found
        stored = np.array(use.node.attributes[name].value, kind)
    return Constant(stored, use.node.outputs[0])


def _shape_of(use: NodeUse) -> Shape:
    value = use.value(0)
    return value.value.shape if isinstance(value, Constant) else value.shape


def _shape(use: NodeUse) -> Value:
    shape = _shape_of(use)
    end = use.node.integer("end", len(shape))
    return Constant(np.array(shape[use.node.integer("start", 0) : end], np.int64))


def _size(use: NodeUse) -> Value:
    return Constant(np.array(prod(_shape_of(use)), np.int64))


def _filled_size(arrays: Sequence[np.ndarray]) -> int:
    return product_of(arrays[0])


def _range_size(arrays: Sequence[np.ndarray]) -> int:
    if any(array.size != 1 for array in arrays):
        raise ModelError("its start, limit and step are not one number each: export the model again")
    start, limit, step = (float(array.reshape(())) for array in arrays)
    return int(abs((limit - start) / step)) + 1 if step and np.isfinite([start, limit, step]).all() else 1 << 62


def _computed(folding: Folding) -> OnnxOperator:
    return OnnxOperator(None, axes=Axes.OWN, folding=folding)


OPERATORS: Table = {
    "Constant": OnnxOperator(_constant, axes=Axes.OWN, naming=Naming.NONE),
    "ConstantOfShape": _computed(Folding(_filled_size)),
    "Range": _computed(Folding(_range_size)),
    "Shape": OnnxOperator(_shape, axes=Axes.OWN, naming=Naming.NONE),
    "Size": OnnxOperator(_size, axes=Axes.OWN),
    "Trilu": _computed(PARTS),
    **dict.fromkeys(("And", "Not", "Or"), _computed(ELEMENTWISE)),
    **dict.fromkeys(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"), _computed(ELEMENTWISE)),
    **dict.fromkeys(("Ceil", "Floor", "Mod", "Round"), _computed(ELEMENTWISE)),
    **dict.fromkeys(("ReduceProd",), _computed(PARTS)),
}
