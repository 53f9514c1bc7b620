"""Nodes that compute constants: shape arithmetic and transposed weights, evaluated by ONNX's reference in bounds."""

import warnings
from collections.abc import Sequence

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.conversion import Constant, Conversion
from bittrue.frontends.onnx.node import OnnxNode
from bittrue.frontends.onnx.rows import Folding
from bittrue.frontends.onnx.tensors import MAXIMUM_VALUES


def folded(node: OnnxNode, folding: Folding, conversion: Conversion) -> tuple[Constant, ...] | None:
    """The outputs of a node whose inputs are all constants; else None.

    Raises: ModelError where the result would be larger than any trained model's.
    """
    values = [conversion.value(name) for name in node.inputs if name]
    constants = [value for value in values if isinstance(value, Constant)]
    if len(constants) < len(values) or not values:
        return None
    if conversion.graph.opset < 7 and node.has("broadcast"):
        raise ModelError("it broadcasts constants as operator set 6 does: export it folded")
    arrays = [constant.value for constant in constants]
    conversion.folded += folding.size(arrays)
    if conversion.folded > MAXIMUM_VALUES:
        raise ModelError("its constants are larger than any trained model's: export the model again")
    results = _evaluate(node, arrays, conversion.graph.opset)
    if folding.keeps:
        operation = f"{node.op_type}{node.stated('perm') or ''}"
        return tuple(constants[0].passed_on(value, operation) for value in results)
    if any(constant.quantizers is not None for constant in constants):
        raise ModelError("it computes with quantized constants, which is not supported: export it folded")
    return tuple(Constant(value) for value in results)


def _evaluate(node: OnnxNode, arrays: Sequence[np.ndarray], opset: int) -> list[np.ndarray]:
    from onnx import AttributeProto, helper
    from onnx.reference import ReferenceEvaluator

    given = [name for name in node.inputs if name]
    proto = helper.make_node(node.op_type, node.inputs, node.outputs)
    proto.attribute.extend(
        helper.make_attribute(name, attribute.value, attr_type=AttributeProto.AttributeType.Value(attribute.kind))
        for name, attribute in node.attributes.items()
    )
    unknown = helper.make_tensor_value_info
    graph = helper.make_graph(
        [proto],
        "constants",
        [
            unknown(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for name, a in zip(given, arrays, strict=True)
        ],
        [unknown(name, 0, None) for name in node.outputs if name],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = ReferenceEvaluator(model).run(None, dict(zip(given, arrays, strict=True)))
    except Exception as error:  # ONNX's reference meets wrong arguments with exceptions of all kinds
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ModelError(f"its constants can't be computed ({reason}): export the model again") from error
    return [np.asarray(result) for result in results]
