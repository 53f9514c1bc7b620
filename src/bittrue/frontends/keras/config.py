"""A Keras 3 model's configuration, read without Keras: layers, their arguments, and which tensor goes where.

The configuration comes from a file that may be damaged or hostile: every value is checked for its type as it is read,
and nothing in it is ever imported, called or executed. The layout is that of Keras's `get_config` and `config.json`:
https://keras.io/api/models/model_saving_apis/serialization_utils.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bittrue.errors import ModelError

TensorReference = tuple[str, int, int]
"""(layer, which of its calls, which of the call's outputs), as Keras's `keras_history`."""


@dataclass(frozen=True)
class Operand:
    """A tensor among an operation's arguments: its number among those that the call reads."""

    number: int


@dataclass(frozen=True)
class Call:
    """One use of a layer: the tensors that it reads.

    operands: the positional arguments of an operation of `keras.ops`, with an Operand in the place of each tensor.
    named: its others, where they say anything.
    """

    tensors: tuple[TensorReference, ...]
    operands: tuple[object, ...] = ()
    named: Mapping[str, object] = field(default_factory=dict)


Calls = tuple[Call, ...]

MODELS = ("Functional", "Sequential")
"""The classes of models whose graph is data; a subclass's is Python code."""

MAXIMUM_INTEGER = 2**31 - 1
"""No size, count or index of a network that runs is larger; products of sizes are bounded where they are used."""

TENSOR_ARGUMENTS = ("inputs", "query", "value", "key")
"""The arguments of a call that are tensors, in the order in which a layer reads them."""

FLOAT_POLICIES = ("float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


@dataclass(frozen=True)
class Settings:
    """A layer's stored arguments; each reader raises ModelError where the value is missing or of another type."""

    values: Mapping[str, object]

    def integer(self, key: str, minimum: int = 1) -> int:
        return _integer(key, self._value(key), minimum)

    def integers(self, key: str, count: int, minimum: int = 1) -> tuple[int, ...]:
        """`count` integers, or one that stands for all."""
        stored = self._value(key)
        if isinstance(stored, int | float):
            return (self.integer(key, minimum),) * count
        return tuple(_integer(key, value, minimum) for value in _list(key, stored, count))

    def integer_pairs(self, key: str, count: int, minimum: int = 0) -> tuple[tuple[int, int], ...]:
        """`count` pairs, as ZeroPadding2D's ((top, bottom), (left, right))."""
        pairs = (_list(key, pair, 2) for pair in _list(key, self._value(key), count))
        return tuple((_integer(key, first, minimum), _integer(key, second, minimum)) for first, second in pairs)

    def number(self, key: str) -> float:
        value = self._value(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
            raise ModelError(f"{key} is {shown(value)}, expected a finite number")
        return float(value)

    def optional_number(self, key: str) -> float | None:
        return None if self.values.get(key) is None else self.number(key)

    def flag(self, key: str) -> bool:
        """Older files have 0 and 1 for false and true."""
        value = self._value(key)
        if value not in (0, 1):
            raise ModelError(f"{key} is {shown(value)}, expected true or false")
        return bool(value)

    def choice(self, key: str, *choices: str) -> str:
        value = self._value(key)
        if not isinstance(value, str) or value not in choices:
            raise ModelError(f"{key} is {shown(value)}, expected {' or '.join(choices)}")
        return value

    def axis(self, key: str, rank: int) -> int:
        """An axis that Keras counts with the batch axis, or from the end, counted without it: from 0."""
        value = self._value(key)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        axis = _integer(key, value, -rank)
        if axis == 0 or axis > rank:
            raise ModelError(f"{key} is {axis}, which is no axis of one image's {rank} (the batch axis is axis 0)")
        return axis + rank if axis < 0 else axis - 1

    def axes(self, key: str, rank: int) -> tuple[int, ...]:
        """One axis or several, counted as in `axis`."""
        value = self._value(key)
        if value is None:
            raise ModelError(f"{key} is None, which stands for the batch axis too: name the axes of one image")
        return tuple(Settings({key: axis}).axis(key, rank) for axis in (value if isinstance(value, list) else [value]))

    def shape(self, key: str) -> tuple[int | None, ...]:
        """A shape with the batch axis left out; None where a size is open, and for Reshape's −1."""
        sizes = _list(key, self._value(key))
        return tuple(None if size is None or size == -1 else _integer(key, size, 1) for size in sizes)

    def mapping(self, key: str) -> Mapping[str, object]:
        return _mapping(key, self._value(key))

    def _value(self, key: str) -> object:
        if key not in self.values:
            raise ModelError(f"the argument {key} is missing")
        return self.values[key]


@dataclass(frozen=True)
class KerasLayer:
    """A layer, or an operation of `keras.ops`, as its configuration describes it.

    stored_name: the name of its group in a weights file: the class's name, numbered among the model's layers.
    origin: the module or the package that the file names, for an error's sentence alone.
    """

    name: str
    class_name: str
    module: str
    settings: Settings
    calls: Calls
    stored_name: str
    origin: str = ""

    @property
    def is_operation(self) -> bool:
        return _is_operation(self.module)

    @property
    def is_model(self) -> bool:
        return self.class_name in MODELS and is_from_keras(self.module)

    @property
    def is_time_distributed(self) -> bool:
        """Whether it does with every step what the layer in it does with one."""
        return self.class_name == "TimeDistributed" and is_from_keras(self.module)


@dataclass(frozen=True)
class KerasModel:
    """A functional or sequential model's graph: its layers in Keras's order, and its input and output tensors."""

    name: str
    layers: tuple[KerasLayer, ...]
    inputs: tuple[TensorReference, ...]
    outputs: tuple[TensorReference, ...]


def is_from_keras(module: str) -> bool:
    """Whether a stored module is Keras's own, and holds layers or models (not `keras.ops`, whose names clash)."""
    parts = module.split(".")
    return parts[0] == "keras" and "ops" not in parts


def _is_operation(module: object) -> bool:
    return isinstance(module, str) and module.split(".")[0] == "keras" and "ops" in module.split(".")


def read_model(class_name: str, settings: Settings) -> KerasModel:
    """The graph of a model of class `Functional` or `Sequential` from its settings (Keras's `get_config()`)."""
    descriptions = [_mapping("a layer", layer) for layer in _list("layers", settings.values.get("layers"))]
    name = _text("the model's name", settings.values.get("name"))
    if class_name == "Sequential":
        return _read_sequential(name, descriptions)
    layers = tuple(_read_layers(descriptions, [_read_calls(layer) for layer in descriptions]))
    return KerasModel(
        name,
        layers,
        tuple(_references(settings.values.get("input_layers"))),
        tuple(_without_first_call(layers, _references(settings.values.get("output_layers")))),
    )


def _read_sequential(name: str, descriptions: list[Mapping[str, object]]) -> KerasModel:
    """Each layer reads the one before it; Keras puts an InputLayer first as soon as the input's shape is known."""
    if not descriptions or descriptions[0].get("class_name") != "InputLayer":
        raise ModelError(
            f"the model {name} has no input shape: put keras.Input((height, width, channels)) first, "
            "or call model.build with the input's shape, before you save or pass it"
        )
    references = [(_layer_name(layer), 0, 0) for layer in descriptions]
    calls = [(), *((Call((reference,)),) for reference in references[:-1])]
    return KerasModel(name, tuple(_read_layers(descriptions, calls)), (references[0],), (references[-1],))


def _read_layers(descriptions: list[Mapping[str, object]], calls: list[Calls]) -> Iterator[KerasLayer]:
    taken: dict[str, int] = {}
    names: set[str] = set()
    for description, layer_calls in zip(descriptions, calls, strict=True):
        name = _layer_name(description)
        if name in names:
            raise ModelError(f"two layers of one model are named {name}")
        names.add(name)
        class_name = _text(f"layer {name}'s class", description.get("class_name"))
        module = description.get("module")
        registered = description.get("registered_name")
        stored_name, count = _snake_case(class_name), 0
        if not _is_operation(module):
            count = taken[stored_name] = taken.get(stored_name, -1) + 1
        yield KerasLayer(
            name=name,
            class_name=class_name,
            # A class that the model's author registered may bear the name of one of Keras's own.
            module=module if isinstance(module, str) and registered in (None, class_name) else "",
            settings=Settings(_mapping(f"layer {name}'s config", description.get("config"))),
            calls=layer_calls,
            stored_name=f"{stored_name}_{count}" if count else stored_name,
            origin=module if isinstance(module, str) else str(registered).partition(">")[0],
        )


def _read_calls(description: Mapping[str, object]) -> Calls:
    name = _layer_name(description)
    calls = []
    for node in _list(f"layer {name}'s inbound_nodes", description.get("inbound_nodes")):
        if not isinstance(node, dict):
            raise ModelError(
                f"layer {name} is described as Keras 2 did it: load the model in Keras 3 and save it again"
            )
        arguments = _mapping(f"layer {name}'s kwargs", node.get("kwargs", {}))
        if _is_operation(description.get("module")):
            calls.append(_read_operation(name, node.get("args", []), arguments))
        else:
            calls.append(_read_call(name, node.get("args", []), arguments))
    return tuple(calls)


def _read_call(name: str, positional: object, named: Mapping[str, object]) -> Call:
    """The tensors of a layer's call, and the other arguments that say anything."""
    tensors = tuple(_tensors(name, [positional, *map(named.get, TENSOR_ARGUMENTS)]))
    others = {key: value for key, value in named.items() if key not in TENSOR_ARGUMENTS and not _is_nothing(value)}
    return Call(tensors, named=others)


def _tensors(name: str, argument: object) -> Iterator[TensorReference]:
    """The tensors in a call's positional arguments, lists of tensors included."""
    if isinstance(argument, list):
        for item in argument:
            yield from _tensors(name, item)
    elif _is_tensor(argument):
        yield _tensor(argument)
    elif argument is not None:
        raise ModelError(f"layer {name} is called on {shown(argument)}, which is no tensor: call it on tensors alone")


def _read_operation(name: str, positional: object, named: Mapping[str, object]) -> Call:
    tensors: list[TensorReference] = []

    def operand(argument: object) -> object:
        if isinstance(argument, list):
            return [operand(item) for item in argument]
        if not _is_tensor(argument):
            return argument
        tensors.append(_tensor(argument))
        return Operand(len(tensors) - 1)

    operands = tuple(operand(argument) for argument in _list(f"operation {name}'s args", positional))
    return Call(tuple(tensors), operands, {key: value for key, value in named.items() if value is not None})


def _is_tensor(argument: object) -> bool:
    return isinstance(argument, dict) and argument.get("class_name") == "__keras_tensor__"


def _tensor(argument: object) -> TensorReference:
    return _reference(_mapping("a tensor", _mapping("a tensor", argument).get("config")).get("keras_history"))


def _is_nothing(value: object) -> bool:
    """An argument left out: None, `training=False`, or a list of absent masks, one a tensor."""
    return value in (None, False) if not isinstance(value, list) else all(_is_nothing(item) for item in value)


def _references(value: object) -> Iterator[TensorReference]:
    """A model's inputs or outputs: one tensor, a list or a dictionary of them."""
    if isinstance(value, dict):
        value = list(value.values())
    items = _list("the model's inputs or outputs", value)
    if items and isinstance(items[0], str):
        yield _reference(items)
    else:
        for item in items:
            yield from _references(item)


def _reference(value: object) -> TensorReference:
    layer, call, output = _list("a tensor's origin", value, 3)
    return (
        _text("a tensor's layer", layer),
        _integer("a tensor's call", call, 0),
        _integer("a tensor's index", output, 0),
    )


def _without_first_call(
    layers: tuple[KerasLayer, ...], references: Iterator[TensorReference]
) -> Iterator[TensorReference]:
    """Keras counts a nested functional model's own inputs as its call 0 among the outputs, but nowhere else."""
    functional = {layer.name for layer in layers if layer.class_name == "Functional"}
    for layer, call, output in references:
        yield layer, call - 1 if layer in functional else call, output


def _layer_name(description: Mapping[str, object]) -> str:
    config = _mapping("a layer's config", description.get("config"))
    # A layer that its author wrote without get_config has no name there; its class is what its refusal names.
    return _text("a layer's name", description.get("name", config.get("name", description.get("class_name"))))


def _snake_case(class_name: str) -> str:
    """The name that Keras's weights files derive from a class (`keras.src.utils.naming.to_snake_case`)."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _mapping(what: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ModelError(f"{what} is {shown(value)}, expected an object with named values")
    return value


def _list(what: str, value: object, count: int | None = None) -> list[object]:
    if not isinstance(value, list) or (count is not None and len(value) != count):
        raise ModelError(f"{what} is {shown(value)}, expected a list" + (f" of {count}" if count is not None else ""))
    return value


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise ModelError(f"{what} is {shown(value)}, expected a text")
    return value


def _integer(what: str, value: object, minimum: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= MAXIMUM_INTEGER:
        raise ModelError(f"{what} is {shown(value)}, expected a whole number from {minimum} to {MAXIMUM_INTEGER}")
    return value


def shown(value: object) -> str:
    """A value in an error's sentence, short however long it is."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
