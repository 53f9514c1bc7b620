"""Nodes that compute constants: shape arithmetic and transposed weights, evaluated by ONNX's reference in bounds."""

from collections.abc import Sequence
from math import prod

import numpy as np
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from bittrue.errors import ModelError
from bittrue.frontends.onnx.conversion import Constant, Conversion, Parts, Tensor
from bittrue.frontends.onnx.file import MAXIMUM_VALUES, OnnxNode

ELEMENTWISE = (
    *("Abs", "Add", "And", "Cast", "CastLike", "Ceil", "Clip", "Div", "Equal", "Erf", "Exp", "Floor", "Greater"),
    *("GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or"),
    *("Pow", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Softplus", "Sqrt", "Sub", "Sum", "Tanh", "Where"),
)
MOVING = ("Concat", "Flatten", "Gather", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Trilu", "Unsqueeze")
REDUCING = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceL2", "ReduceSumSquare", "Size")
GROWING = ("ConstantOfShape", "Expand", "Tile", "Range", "MatMul", "Gemm")
FOLDABLE = (*ELEMENTWISE, *MOVING, *REDUCING, *GROWING)

ONE_SOURCE = ("Cast", "CastLike", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""These hand on the values of their first input: what they make of a stored tensor is shared like the tensor."""

LONGEST_ORIGIN = 500


def folded(node: OnnxNode, conversion: Conversion) -> tuple[Constant, ...] | None:
    """The outputs of a node whose inputs are all constants (or whose inputs' shapes are all that it reads); else None.

    Raises: ModelError where the result would be larger than any trained model's.
    """
    if node.domain:
        return None
    if node.op_type == "Constant":
        return (Constant(_constant(node), _origin(node, ())),)
    if node.op_type in ("Shape", "Size"):
        value = conversion.value(node.inputs[0])
        if isinstance(value, Parts):
            return None
        shape = value.shape if isinstance(value, Tensor) else value.value.shape
        if node.op_type == "Size":
            return (Constant(np.array(prod(shape), np.int64)),)
        end = node.attributes.get("end", len(shape))
        return (Constant(np.array(shape[node.integer("start", 0) : end], np.int64)),)
    values = [conversion.value(name) for name in node.inputs if name]
    if node.op_type == "CastLike" and isinstance(values[0], Constant) and isinstance(values[1], Tensor):
        values[1] = Constant(np.zeros((), np.float32))
    constants = [value for value in values if isinstance(value, Constant)]
    if len(constants) < len(values) or node.op_type not in FOLDABLE or not values:
        return None
    arrays = [constant.value for constant in constants]
    conversion.folded += _size_of_result(node, arrays)
    if conversion.folded > MAXIMUM_VALUES:
        raise ModelError("its constants are larger than any trained model's: export the model again")
    results = _evaluate(node, arrays, conversion.graph.opset)
    origin = _origin(node, tuple(constants))
    moved = node.op_type in ONE_SOURCE
    quantizers = constants[0].quantizers if moved else None
    if not moved and any(constant.quantizers is not None for constant in constants):
        raise ModelError("it computes with quantized constants, which is not supported: export it folded")
    return tuple(Constant(value, origin, moved and constants[0].stored, quantizers) for value in results)


def _constant(node: OnnxNode) -> np.ndarray:
    stored = node.array("value")
    if stored is not None:
        return stored
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    for name, kind in kinds.items():
        if name in node.attributes:
            return np.array(node.attributes[name], kind)
    raise ModelError("it holds no numbers: export the model again")


def _origin(node: OnnxNode, constants: tuple[Constant, ...]) -> str | None:
    """What tells this constant from others: None where it isn't a stored tensor moved about."""
    if node.op_type == "Constant":
        return node.outputs[0]
    if node.op_type not in ONE_SOURCE or constants[0].origin is None:
        return None
    origin = f"{node.op_type}{node.attributes.get('perm', '')}({constants[0].origin})"
    return origin if len(origin) < LONGEST_ORIGIN else None


def _size_of_result(node: OnnxNode, arrays: Sequence[np.ndarray]) -> int:
    """No fewer values than the result has, known before it is computed."""
    sizes = [array.size for array in arrays]
    if node.op_type in ("ConstantOfShape", "Expand"):
        wanted = [int(size) for size in arrays[-1].reshape(-1)[:64]]
        return abs(prod(wanted)) * (sizes[0] if node.op_type == "Expand" else 1)
    if node.op_type == "Tile":
        return sizes[0] * abs(prod(int(count) for count in arrays[1].reshape(-1)[:64]))
    if node.op_type == "Range":
        start, limit, step = (float(array.reshape(-1)[0]) for array in arrays)
        return int(abs((limit - start) / step)) + 1 if step and np.isfinite([start, limit, step]).all() else 1 << 62
    if node.op_type in ("MatMul", "Gemm", "Gather"):
        return prod(sizes[:2])
    if node.op_type in ELEMENTWISE:
        try:
            return prod(np.broadcast_shapes(*(array.shape for array in arrays)))
        except ValueError:
            raise ModelError("its constants' shapes don't fit each other: export the model again") from None
    return sum(sizes)


def _evaluate(node: OnnxNode, arrays: Sequence[np.ndarray], opset: int) -> list[np.ndarray]:
    given = [name for name in node.inputs if name]
    attributes = {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attributes.items()
    }
    proto = helper.make_node(node.op_type, node.inputs, node.outputs, **attributes)
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
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(model).run(None, dict(zip(given, arrays, strict=True)))
    except Exception as error:  # ONNX's reference meets wrong arguments with exceptions of all kinds
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ModelError(f"its constants can't be computed ({reason}): export the model again") from error
    return [np.asarray(result) for result in results]
