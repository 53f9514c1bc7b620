"""TensorFlow functions between the layers of a Keras 2 model, as operations of `keras.ops`, whose rules they then take.

Keras 2 makes a layer of each call: `tf.concat([x, y], axis=-1)` is a TFOpLambda with the function's name, `x[:, 1:]` a
SlicingOpLambda. The first argument stands where a layer's input does, the others beside it, tensors as [layer, call,
output] (`Node.serialize` of tf-keras 2.20).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bittrue.errors import ModelError
from bittrue.frontends.keras.config import shown

FUNCTION_LAYERS = ("SlicingOpLambda", "TFOpLambda")
CONSTANT = "_CONSTANT_VALUE"
"""Stands for the layer where the first argument is a number."""


@dataclass(frozen=True)
class Function:
    """The operation that a function is.

    second: the name of its second operand, if it has one. settings: the operation's names of its other arguments, by
    TensorFlow's. defaults: what the operation's settings are where an argument is left out.
    """

    operation: str
    second: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)


_AXIS = {"axis": "axis"}
_REDUCED = {"axis": "axis", "keepdims": "keepdims"}

FUNCTIONS: dict[str, Function] = {
    **dict.fromkeys(("__operators__.add", "math.add"), Function("Add", "y")),
    "__operators__.getitem": Function("GetItem", "slice_spec"),
    "clip_by_value": Function("Clip", settings={"clip_value_min": "x_min", "clip_value_max": "x_max"}),
    "concat": Function("Concatenate", settings=_AXIS),
    "expand_dims": Function("ExpandDims", settings=_AXIS),
    "linalg.matmul": Function("Matmul", "b"),
    "math.abs": Function("Abs"),
    **dict.fromkeys(("math.divide", "math.truediv"), Function("TrueDivide", "y")),
    "math.erf": Function("Erf"),
    "math.exp": Function("Exp"),
    "math.log": Function("Log"),
    "math.maximum": Function("Maximum", "y"),
    "math.minimum": Function("Minimum", "y"),
    "math.multiply": Function("Multiply", "y"),
    "math.negative": Function("Negative"),
    "math.pow": Function("Power", "y"),
    "math.reciprocal": Function("Reciprocal"),
    "math.reduce_max": Function("Max", settings=_REDUCED, defaults={"keepdims": False}),
    "math.reduce_mean": Function("Mean", settings=_REDUCED, defaults={"keepdims": False}),
    "math.reduce_min": Function("Min", settings=_REDUCED, defaults={"keepdims": False}),
    "math.reduce_sum": Function("Sum", settings=_REDUCED, defaults={"keepdims": False}),
    **dict.fromkeys(("math.sigmoid", "nn.sigmoid"), Function("Sigmoid")),
    "math.softplus": Function("Softplus"),
    "math.sqrt": Function("Sqrt"),
    "math.square": Function("Square"),
    "math.subtract": Function("Subtract", "y"),
    **dict.fromkeys(("math.tanh", "nn.tanh"), Function("Tanh")),
    "nn.elu": Function("Elu", defaults={"alpha": 1.0}),
    "nn.gelu": Function("Gelu", settings={"approximate": "approximate"}, defaults={"approximate": False}),
    "nn.leaky_relu": Function("LeakyRelu", settings={"alpha": "negative_slope"}, defaults={"negative_slope": 0.2}),
    "nn.log_softmax": Function("LogSoftmax", settings=_AXIS, defaults={"axis": -1}),
    "nn.relu": Function("Relu"),
    "nn.relu6": Function("Relu6"),
    "nn.selu": Function("Selu"),
    **dict.fromkeys(("nn.silu", "nn.swish"), Function("Silu")),
    "nn.softmax": Function("Softmax", settings=_AXIS, defaults={"axis": -1}),
    "nn.softsign": Function("Softsign"),
    "reshape": Function("Reshape", settings={"shape": "newshape"}),
    **dict.fromkeys(("compat.v1.squeeze", "squeeze"), Function("Squeeze", settings=_AXIS)),
    **dict.fromkeys(("compat.v1.transpose", "transpose"), Function("Transpose", settings={"perm": "axes"})),
}
"""By the names that TensorFlow gives them, without `tf.`."""


AS_A_FOLDER = "give the folder that model.save('folder') writes in TensorFlow"


def function_of(class_name: str, config: Mapping[str, Any]) -> Function:
    """The function that the layer calls. Raises: ModelError for one that no operation is."""
    name = config.get("function")
    if class_name in FUNCTION_LAYERS and isinstance(name, str) and name in FUNCTIONS:
        return FUNCTIONS[name]
    raise ModelError(
        f"layer {shown(config.get('name'))} ({class_name}): {shown(name or 'a TensorFlow operation')} between layers "
        f"is read from SavedModels: {AS_A_FOLDER}"
    )


def operands_of(node: object) -> tuple[object, Mapping[str, Any]]:
    """A call's first argument, a tensor's origin, a list of them or a constant, and the others by their names."""
    if not isinstance(node, list) or not node:
        raise ModelError(f"a call of a TensorFlow function is {shown(node)}, expected what it reads")
    origins = [node] if isinstance(node[0], str) else node
    if not all(isinstance(origin, list) and len(origin) in (3, 4) for origin in origins):
        raise ModelError(f"a call of a TensorFlow function is {shown(node)}, expected what it reads")
    arguments: object = next((origin[3] for origin in origins if len(origin) == 4), {})
    if not isinstance(arguments, dict):
        raise ModelError(f"the arguments of a TensorFlow function are {shown(arguments)}, expected named ones")
    first = [origin[2] if origin[0] == CONSTANT else origin[:3] for origin in origins]
    return (first[0] if isinstance(node[0], str) else first), arguments


def is_origin(value: object) -> bool:
    return isinstance(value, list) and [type(item) for item in value] == [str, int, int]


def origins_in(node: object) -> Iterator[list[Any]]:
    """The origins of all tensors that a call reads."""
    first, arguments = operands_of(node)
    several = [first] if is_origin(first) or not isinstance(first, list) else first
    yield from (value for value in (*several, *arguments.values()) if is_origin(value))


def operation_call(function: Function, node: object, tensor: Callable[[list[Any]], object]) -> dict[str, object]:
    """The call in the form of Keras 3's files; tensor: makes a tensor of its origin."""
    first, arguments = operands_of(node)

    def operand(value: object) -> object:
        if is_origin(value):
            assert isinstance(value, list)
            return tensor(value)
        return [operand(item) for item in value] if isinstance(value, list) else value

    operands, settings = [operand(first)], dict(function.defaults)
    for name, value in arguments.items():
        if name == function.second:
            operands.append(_key(value) if name == "slice_spec" else operand(value))
        elif name in function.settings:
            settings[function.settings[name]] = value
        elif name != "name" and value not in (None, False):
            called = f"{name}={shown(value)}"
            raise ModelError(f"a TensorFlow function is called with {called}, which is not supported: {AS_A_FOLDER}")
    return {"args": operands, "kwargs": settings}


def _key(value: object) -> object:
    """An index as Keras 3 writes it."""
    if isinstance(value, list):
        return [_key(item) for item in value]
    if isinstance(value, dict) and set(value) == {"start", "stop", "step"}:
        return {"class_name": "__slice__", "config": value}
    return value
