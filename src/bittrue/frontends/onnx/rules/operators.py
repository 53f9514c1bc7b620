"""What each ONNX operator means: the families' tables in one, by domain and name.

The rules know the operator sets 6 to today's: where an attribute became an input, they look at the model's version.
"""

from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.node import OnnxNode
from bittrue.frontends.onnx.rows import Naming, OnnxOperator, Table
from bittrue.frontends.onnx.rules import (
    arithmetic,
    channels_last,
    einsum,
    functions,
    masks,
    movement,
    padding,
    pieces,
    products,
    quantization,
    rearrangement,
    reduction,
    resizing,
    shape_arithmetic,
    windows,
)

FAMILIES = (
    *(arithmetic, functions, einsum, masks, movement, padding, pieces),
    *(products, quantization, rearrangement, reduction, resizing, windows),
)

OPERATORS: Table = {name: row for family in FAMILIES for name, row in sorted(family.OPERATORS.items())}
"""The operators that depend on an image, of ONNX's own domain."""

DOMAINS: dict[str, Table] = {
    "": OPERATORS,
    windows.DOMAIN: windows.PYTORCH_OPERATORS,
    channels_last.DOMAIN: channels_last.OPERATORS,
    **dict.fromkeys(quantization.QONNX_DOMAINS, quantization.QONNX_OPERATORS),
}
"""The tables by the operators' domain."""


def operator_of(node: OnnxNode) -> OnnxOperator | None:
    """The row of a node's operator; None where there is none."""
    found = DOMAINS.get(node.domain, {}).get(node.op_type)
    return shape_arithmetic.OPERATORS.get(node.op_type) if found is None and not node.domain else found


def axes_of(node: OnnxNode) -> Axes:
    """What a node's operator does to axes; of one that isn't read, nothing is known."""
    row = operator_of(node)
    return Axes.OWN if row is None else row.axes


def naming_of(node: OnnxNode) -> Naming:
    """What a node's operator is to its name."""
    row = operator_of(node)
    return Naming.OPERATION if row is None else row.naming
