"""Constant masks of attention, as exporters write them: −∞ added to what takes no part, or chosen in its place.

Hardware has no −∞. Right before a softmax it says which positions take part, and the softmax has that as its mask.
"""

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Tensor, Value
from bittrue.frontends.onnx.rows import ELEMENTWISE, OnnxOperator, Table

LARGEST_MASKED = -1e9
"""What is at or below it stands for −∞: Keras's −1e9, and the least number of float32 and bfloat16."""


def add_mask(use: NodeUse, constant: Constant) -> Constant | None:
    """What is left to add of a constant where its −∞ is the mask of the softmax that reads the sum; None for nothing.

    Raises: ModelError for −∞ elsewhere.
    """
    value = constant.value
    absent = value.astype(np.float64) <= LARGEST_MASKED
    if not absent.any():
        return constant
    if not _feeds_softmax(use):
        if np.isneginf(value).any():
            raise ModelError("it adds −∞, which is supported as a constant mask right before a Softmax alone")
        return constant
    _keep(use, ~absent)
    rest = np.where(absent, 0, value)
    return Constant(rest) if rest.any() else None


def mask_of(use: NodeUse) -> np.ndarray | None:
    """Which positions of a softmax's input take part, in a shape that broadcasts to the file's; None for all."""
    return use.conversion.masks.get(use.node.inputs[0])


def _where(use: NodeUse) -> Value:
    """A value where a constant condition holds, and −∞ elsewhere."""
    condition, first, second = (use.value(index) for index in range(3))
    match condition, first, second:
        case Constant(), Tensor(), Constant():
            place, other = 1, second
        case Constant(), Constant(), Tensor():
            place, other = 2, first
        case _:
            raise _choice_error()
    x, taken = use.tensor(place), condition.value.astype(np.bool_) == (place == 1)
    try:
        shape = np.broadcast_shapes(x.shape, taken.shape, other.value.shape)
        taken, value = np.broadcast_arrays(taken, other.value)
    except ValueError:
        raise ModelError("its inputs' shapes don't fit each other: export the model again") from None
    if taken.all() and shape == x.shape:
        return x
    if _feeds_softmax(use) and (value[~taken].astype(np.float64) <= LARGEST_MASKED).all():
        _keep(use, taken)
        return x
    raise _choice_error()


def _choice_error() -> ModelError:
    return ModelError(
        "it chooses between values, which is supported where a constant mask puts −∞, or −1e9, right before a Softmax"
    )


def _feeds_softmax(use: NodeUse) -> bool:
    """Whether a softmax, and nothing else, reads what the node makes."""
    name = use.node.outputs[0]
    readers = use.conversion.readers[name]
    return [reader.op_type for reader in readers] == ["Softmax"] and name != use.conversion.graph.output


def _keep(use: NodeUse, taken: np.ndarray) -> None:
    """Note that these positions take part, and no more than those of another mask of the same sum."""
    name = use.node.outputs[0]
    masks = use.conversion.masks
    try:
        masks[name] = taken & masks[name] if name in masks else taken
    except ValueError:
        raise ModelError("its masks' shapes don't fit each other: export the model again") from None


OPERATORS: Table = {"Where": OnnxOperator(_where, axes=Axes.OWN, folding=ELEMENTWISE)}
