"""Keras 2's descriptions of models, and Keras 3's in `.h5` files, in the form of Keras 3's own `.keras` files.

Only what differs is changed, and only where it has the expected type: everything is checked where it is read
(`config.py`). Keras 2's form: `get_config` of TensorFlow 2.4 to 2.15 (https://github.com/keras-team/tf-keras).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bittrue.errors import ModelError
from bittrue.frontends.keras.activations import KERAS2_HARD_SIGMOID
from bittrue.frontends.keras.config import MODELS, shown
from bittrue.frontends.keras.functions import FUNCTION_LAYERS, FUNCTIONS, function_of, operation_call, origins_in

CLASSES = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Model": "Functional",
}
"""Classes by the names that TensorFlow 1 gave them."""

DEFAULTS: dict[str, dict[str, object]] = {
    "Conv1D": {"groups": 1},
    "Conv2D": {"groups": 1},
    "GlobalAveragePooling1D": {"keepdims": False},
    "GlobalAveragePooling2D": {"keepdims": False},
    "GlobalMaxPooling1D": {"keepdims": False},
    "GlobalMaxPooling2D": {"keepdims": False},
}
"""Arguments younger than Keras 2.0, with the value that a file without them means."""

RENAMED: dict[str, dict[str, str]] = {
    "InputLayer": {"batch_input_shape": "batch_shape"},
    "LeakyReLU": {"alpha": "negative_slope"},
}
"""Arguments by their Keras 2 names and by those of Keras 3."""

TENSORFLOW_FUNCTIONS = (*FUNCTION_LAYERS, "TensorFlowOpLayer")
"""The layers that stand for a call of a TensorFlow function, or of an operator as in `x * 2`, between layers."""

OPERATIONS_MODULE = "keras.ops.tensorflow"
"""Where the operations come from that are such calls."""

ORIGIN = [str, int, int]
"""The types of a tensor's origin: its layer, which of the layer's calls made it, and which of the call's outputs it is;
a call's arguments may follow."""

POLICIES = ("Policy", "PolicyV1")
"""The classes of Keras 2's dtype policies."""


def is_keras2(version: str) -> bool:
    """Whether a stored version of Keras is one before 3."""
    return version.startswith(("0.", "1.", "2."))


def in_keras3_form(description: Mapping[str, object], version: str) -> Mapping[str, object]:
    """The description of a model by this version of Keras, in the form that a `.keras` file of Keras 3 has.

    Raises: ModelError for a TensorFlow function in the place of a layer.
    """
    return _described(_with_keras2_functions(description) if is_keras2(version) else description)


def _with_keras2_functions(value: Any) -> Any:
    """A description in which the function that has another meaning in Keras 3 has a name of its own."""
    if isinstance(value, list):
        return [_with_keras2_functions(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {key: _with_keras2_functions(item) for key, item in value.items()}
    return {**named, "activation": KERAS2_HARD_SIGMOID} if value.get("activation") == "hard_sigmoid" else named


def _described(description: Mapping[str, object]) -> Mapping[str, object]:
    """The description of a layer, or of a model with all layers in it."""
    class_name, config, module = description.get("class_name"), description.get("config"), description.get("module")
    if not isinstance(class_name, str):
        return description
    if class_name in TENSORFLOW_FUNCTIONS:
        return _operation(class_name, description)
    class_name = CLASSES.get(class_name, class_name)
    if class_name == "Sequential" and isinstance(config, list):  # before Keras 2.2.3
        config = {"name": "sequential", "layers": config}
    if isinstance(config, dict):
        config = _arguments(class_name, config)
        if class_name in MODELS and isinstance(config.get("layers"), list):
            config = _model(class_name, config)
    return {
        **description,
        "class_name": class_name,
        "config": config,
        "module": f"keras{module.removeprefix('tf_keras')}"
        if isinstance(module, str) and module.startswith("tf_keras")
        else (module or "keras.layers"),
    }


def _operation(class_name: str, description: Mapping[str, object]) -> Mapping[str, object]:
    """The call of a TensorFlow function as an operation; what it reads is told in `_model`."""
    config = description.get("config")
    config = config if isinstance(config, dict) else {}
    function = function_of(class_name, config)
    return {
        **description,
        "class_name": function.operation,
        "module": OPERATIONS_MODULE,
        "registered_name": None,
        "config": {"name": config.get("name"), "function": config.get("function")},
    }


def _arguments(class_name: str, config: Mapping[str, object]) -> dict[str, Any]:
    """A layer's arguments under Keras 3's names, with those that Keras 2 left out."""
    renamed = RENAMED.get(class_name, {})
    arguments: dict[str, Any] = {**DEFAULTS.get(class_name, {})}
    for key, value in config.items():
        # An argument that is there under its Keras 3 name keeps that value.
        if key not in renamed or renamed[key] not in config:
            arguments[renamed.get(key, key)] = _plain(value)
    dtype = arguments.get("dtype")
    if dtype is None:
        arguments.pop("dtype", None)
    elif isinstance(dtype, dict) and dtype.get("class_name") in POLICIES and isinstance(dtype.get("config"), dict):
        arguments["dtype"] = dtype["config"].get("name")
    for key in ("activation", "layer"):  # a layer in the place of a function, or inside of another
        inner = arguments.get(key)
        if isinstance(inner, dict):
            arguments[key] = _described(inner)
    return arguments


def _plain(value: object) -> object:
    """Lists out of the wrappers in which TensorFlow writes some of them."""
    if isinstance(value, dict) and value.get("class_name") == "__tuple__" and isinstance(value.get("items"), list):
        return value["items"]
    if isinstance(value, dict) and value.get("class_name") == "ListWrapper" and isinstance(value.get("config"), list):
        return value["config"]
    return value


def _model(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    layers = [_described(layer) if isinstance(layer, dict) else layer for layer in config["layers"]]
    if class_name == "Sequential":
        return {**config, "layers": [*_missing_input(layers, config), *layers]}
    described = [layer for layer in layers if isinstance(layer, dict)]
    calls = [(layer, node) for layer in described for node in _list(layer.get("inbound_nodes"))]
    if not any(isinstance(node, list) for _, node in calls):
        return {**config, "layers": layers}  # the nodes are in Keras 3's form already
    read = (origin for layer, node in calls for origin in (origins_in if _is_function(layer) else _origins)(node))
    first = _first_calls((*read, *_origins(config.get("output_layers"))))
    rewritten = [
        {**layer, "inbound_nodes": [_node(layer, node, first) for node in _list(layer.get("inbound_nodes"))]}
        if isinstance(layer, dict)
        else layer
        for layer in layers
    ]
    # Keras 3 counts the calls of a functional model from 1 among the outputs.
    functional = {str(layer.get("name")) for layer in described if layer.get("class_name") == "Functional"}
    outputs = [
        [origin[0], call + 1 if origin[0] in functional else call, origin[2]]
        for origin in _origins(config.get("output_layers"))
        for call in [origin[1] - first[origin[0]]]
    ]
    return {**config, "layers": rewritten, "output_layers": outputs}


def _missing_input(layers: list[Any], config: Mapping[str, object]) -> list[dict[str, object]]:
    """The InputLayer that older files leave out: there the first layer knows the shape, or the model."""
    first = layers[0] if layers and isinstance(layers[0], dict) else {}
    arguments = first.get("config")
    if first.get("class_name") == "InputLayer" or not isinstance(arguments, dict):
        return []
    shape = arguments.get("batch_input_shape", arguments.get("batch_shape", config.get("build_input_shape")))
    if not isinstance(shape, list):
        return []
    name = f"{arguments.get('name', 'model')}_input"
    return [{"class_name": "InputLayer", "module": "keras.layers", "config": {"name": name, "batch_shape": shape}}]


def _is_function(layer: Mapping[str, object]) -> bool:
    config = layer.get("config")
    return layer.get("module") == OPERATIONS_MODULE and isinstance(config, dict) and config.get("function") in FUNCTIONS


def _first_calls(origins: Iterable[list[Any]]) -> dict[str, int]:
    """The number of each layer's first call. Keras 2 counts a model's calls from 1 where the model was made on an input
    of its own, else from 0; as every call that is stored is read by something, the smallest number tells."""
    first: dict[str, int] = {}
    for origin in origins:
        first[origin[0]] = min(first.get(origin[0], origin[1]), origin[1])
    return first


def _node(layer: Mapping[str, Any], node: object, first: Mapping[str, int]) -> object:
    """A call's `[[layer, call, output, arguments], …]` as `{"args": [tensors], "kwargs": arguments}`."""

    def tensor(origin: list[Any]) -> dict[str, object]:
        name, call, output = origin[:3]
        return {
            "class_name": "__keras_tensor__",
            "config": {"keras_history": [name, call - first.get(name, 0), output]},
        }

    if _is_function(layer):
        return operation_call(FUNCTIONS[layer["config"]["function"]], node, tensor)
    if not isinstance(node, list):
        return node
    tensors: list[object] = []
    arguments: dict[str, Any] = {}
    for origin in _origins(node):
        tensors.append(tensor(origin))
        arguments.update(*origin[3:])
    return {"args": [tensors], "kwargs": arguments}


def _origins(value: object) -> Iterator[list[Any]]:
    """Each `[layer, call, output]` or `[layer, call, output, arguments]` in lists and dictionaries of them."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        raise ModelError(f"a tensor's origin is {shown(value)}, expected its layer, call and output")
    if value and isinstance(value[0], str):
        if [type(item) for item in value] not in (ORIGIN, [*ORIGIN, dict]):
            raise ModelError(f"a tensor's origin is {shown(value)}, expected its layer, call and output")
        yield value
    else:
        for item in value:
            yield from _origins(item)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
