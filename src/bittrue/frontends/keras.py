"""Keras models into Networks: `.keras` and `.h5` files, and Keras 3's model objects under any backend.

Both are read from their configuration and their arrays. A file is read without Keras, so that nothing in it can be
executed; a model object is asked for what its file would hold, by Keras's `get_config` and `save_own_variables`.
"""

import contextlib
import graphlib
import heapq
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.keras_archive import open_archive
from bittrue.frontends.keras_attention import INNER_LAYERS
from bittrue.frontends.keras_config import (
    FLOAT_POLICIES,
    MODELS,
    KerasLayer,
    KerasModel,
    Settings,
    TensorReference,
    is_from_keras,
    read_model,
    shown,
)
from bittrue.frontends.keras_h5 import open_h5
from bittrue.frontends.keras_layers import (
    LAYERS,
    MERGING,
    WITH_ACTIVATION,
    WITH_CONSTANTS,
    activation,
)
from bittrue.frontends.keras_use import Chain, Graph, LayerUse, ParameterReader
from bittrue.frontends.keras_weights import StoredArray, Weights, exact_value
from bittrue.frontends.keras_weights_file import open_weights
from bittrue.network import Network, NetworkBuilder, Operator, Parameter, check_parameters, format_shape
from bittrue.operators import Input
from bittrue.shapes import Shape

H5_SUFFIXES = (".h5", ".hdf5")

MAXIMUM_NODES = 5_000
"""Models nested in models nested in models can describe more nodes than any memory holds; none that is trained does."""

MAXIMUM_VALUES = 1 << 28
"""A layer's outputs for one image: 1 GiB in float32, beyond which a description is damaged or hostile."""


def from_keras(
    source: str | os.PathLike[str] | object,
    weights: str | os.PathLike[str] | None = None,
    *,
    told: Callable[[str], None] | None = None,
) -> Network:
    """The Network of a Keras model: the path of a `.keras` file (Keras 3) or of an `.h5` file with the whole model
    (Keras 2 and 3), or a functional or sequential model object of Keras 3.

    weights: where the weights of a model object are, if not in it; told: see `frontends.load`.

    Shapes are channels last without the batch axis; a fused `activation=` is a node of its own; a nested model's layers
    bear its name before theirs. Parameters are exact: float32, or float64 where float32 can't hold them.

    Raises: ModelError, in one sentence that names the file or the model, and the layer.
    """
    if not isinstance(source, str | os.PathLike):
        if weights is None:
            return from_keras_layers(source)[0]
        where = _named(source)
        with _naming(where):
            description = _describe(source)
            _check_class(description)
            with open_weights(Path(weights), source, told or (lambda line: None)) as stored:
                network, _ = _network(description, stored)
    else:
        where = os.fspath(source)
        open_file = open_h5 if Path(where).suffix.lower() in H5_SUFFIXES else open_archive
        with _naming(where), open_file(Path(where)) as (description, file_weights):
            network, _ = _network(description, file_weights)
    check_parameters(network, where)
    return network


@dataclass(frozen=True)
class Origin:
    """What of a Keras model a node was made from.

    layer: the layer itself. activation: whether the node is the layer's fused activation. roles: for each of the
    layer's weights, in Keras's order, the role of the parameter that it became.
    """

    layer: Any
    activation: bool
    roles: tuple[str, ...]


def from_keras_layers(model: object) -> tuple[Network, dict[str, Origin]]:
    """The Network of a model object as `from_keras` reads it, and by node what made it.

    The model's input has no origin, and neither has a node that is only a part of what a layer does.
    """
    where = _named(model)
    with _naming(where):
        network, made_by = _network(_describe(model), LayerWeights(model))
    check_parameters(network, where)
    return network, {
        name: Origin(weights.layer, activation, roles)
        for name, (weights, activation, roles) in made_by.items()
        if isinstance(weights, LayerWeights)
    }


def _named(model: object) -> str:
    return f"the Keras model {getattr(model, 'name', type(model).__name__)}"


@dataclass(frozen=True)
class LayerWeights:
    """The arrays of a layer of a model object: what Keras would write to a file."""

    layer: Any

    @property
    def key(self) -> object:
        """Equal for two uses of one layer."""
        return id(self.layer)

    def child(self, layer: str, stored_name: str) -> "LayerWeights":
        return LayerWeights(next((inner for inner in self.layer.layers if inner.name == layer), None))

    def inner(self, attribute: str, layer: str) -> "LayerWeights":
        return LayerWeights(getattr(self.layer, f"_{attribute}"))

    def arrays(self) -> list[StoredArray]:
        stored: dict[str, Any] = {}
        self.layer.save_own_variables(stored)
        return [StoredArray(tuple(value.shape), partial(_copied, value)) for value in stored.values()]


def _copied(value: Any) -> np.ndarray:
    """A copy of a variable, which may share its memory with the array that Keras gives, and may be trained on."""
    ops = sys.modules["keras"].ops
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras's torch backend and NumPy 2 between themselves
        return np.array(ops.convert_to_numpy(ops.convert_to_tensor(value)))


def _describe(model: Any) -> Mapping[str, object]:
    """A model object's configuration in the form that `config.json` has."""
    kind = type(model)
    version = str(getattr(sys.modules.get("keras"), "__version__", ""))
    if any(cls.__module__.startswith("tf_keras") for cls in kind.__mro__) or not version.startswith("3."):
        raise ModelError("it is a Keras 2 model: load it in Keras 3 (keras.saving.load_model) and pass that one")
    description: dict[str, object] = {"class_name": kind.__name__, "module": kind.__module__, "config": {}}
    if kind.__name__ in MODELS and is_from_keras(kind.__module__):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras warns of Python code in a layer, which is refused by name below
                description["config"] = json.loads(json.dumps(model.get_config(), default=repr))
        except Exception as error:  # the get_config of an author's layer raises what it likes
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ModelError(
                f"Keras can't describe one of its layers ({reason}): use layers of keras.layers"
            ) from error
    return description


def _check_class(description: Mapping[str, object]) -> None:
    class_name, module = description.get("class_name"), description.get("module")
    if class_name not in MODELS or not isinstance(module, str) or not is_from_keras(module):
        raise ModelError(
            f"its class {class_name} is not keras.Model(inputs, outputs) or keras.Sequential, and what it computes is "
            "Python code: build the model from layers in one of these two ways and copy the weights"
        )


MadeBy = dict[str, tuple[Weights, bool, tuple[str, ...]]]
"""By node the weights of the layer that it was made from, and Origin's other fields."""


def _network(description: Mapping[str, object], weights: Weights) -> tuple[Network, MadeBy]:
    _check_class(description)
    class_name, config = description.get("class_name"), description.get("config")
    if not isinstance(config, dict):
        raise ModelError("its configuration is damaged: save the model in Keras again")
    model = read_model(str(class_name), Settings(config))
    _refuse_several(model.inputs, "inputs")
    _refuse_several(model.outputs, "outputs")
    builder = NetworkBuilder(model.name)
    conversion = _Conversion(builder)
    [output] = conversion.add_model(model, weights, None, "")
    return builder.finish(output), conversion.made_by


class _Conversion:
    """Adds a model's nodes to a builder; a nested model's too, under its name."""

    def __init__(self, builder: NetworkBuilder) -> None:
        self._builder = builder
        self._nodes = 0
        self._parameters: dict[object, dict[str, Parameter]] = {}
        self.made_by: MadeBy = {}
        self._part_names: dict[tuple[str, str], str] = {}
        self._not_a_layer: set[str] = set()  # nodes that no layer with other weights could stand for

    def add_model(self, model: KerasModel, weights: Weights, inputs: list[str] | None, prefix: str) -> list[str]:
        """Add the model's nodes, reading the nodes `inputs` (None: its own input, a new node); returns its outputs."""
        layers = {layer.name: layer for layer in model.layers}
        # A layer's first use has its name, whatever the names that second uses and fused activations ask for.
        names = {
            layer.name: self._builder.unique_name(prefix + layer.name)
            for layer in model.layers
            if not layer.is_model and (layer.class_name != "InputLayer" or inputs is None)
        }
        values = self._inputs(model, layers, names, inputs)
        for layer, call in _in_order(model.layers):
            sources = [_value(values, reference) for reference in layer.calls[call]]
            layer_weights = weights.child(layer.name, layer.stored_name)
            if layer.is_model:
                inner = read_model(layer.class_name, layer.settings)
                values[layer.name, call] = self.add_model(inner, layer_weights, sources, f"{prefix}{layer.name}_")
            else:
                name = names[layer.name] if call == 0 else self._builder.unique_name(prefix + layer.name)
                # Parameters bear the first use's name, whichever use comes first in the graph.
                first = names[layer.name]
                read = partial(self._read, layer_weights, INNER_LAYERS.get(layer.class_name, ()), first)
                output = self._add_layer(layer, name, read, partial(self._parameter_name, first), sources)
                roles = tuple(self._parameters.get(layer_weights.key, ()))
                if name not in self._not_a_layer:
                    self.made_by[name] = layer_weights, False, roles
                if output != name:
                    self.made_by[output] = layer_weights, True, roles
                values[layer.name, call] = [output]
        return [_value(values, reference) for reference in model.outputs]

    def _inputs(
        self, model: KerasModel, layers: Mapping[str, KerasLayer], names: Mapping[str, str], given: list[str] | None
    ) -> dict[tuple[str, int], list[str]]:
        if given is None:
            [(name, _, _)] = model.inputs
            given = [self._add(names.get(name, name), Input(_input_shape(layers, name)))]
        if len(given) != len(model.inputs):
            raise ModelError(f"the model {model.name} reads {len(model.inputs)} tensors and is given {len(given)}")
        return {(name, call): [source] for (name, call, _), source in zip(model.inputs, given, strict=True)}

    def _add_layer(
        self,
        layer: KerasLayer,
        name: str,
        read: ParameterReader,
        parameter_name: Callable[[str], str],
        sources: list[str],
    ) -> str:
        shapes = tuple(self._builder.shape(source) for source in sources)
        fused: tuple[str, Operator] | None = None
        with _naming(f"layer {name} ({layer.class_name})"):
            _check_layer(layer, len(sources))
            made = LAYERS[layer.class_name](LayerUse(layer.settings, shapes, read, parameter_name))
            if layer.class_name in WITH_ACTIVATION:
                fused = activation(layer.settings, shapes[0])
        if isinstance(made, Chain):
            for part, operator in made.parts:
                sources = [self._add(self._part_name(name, part), operator, *sources)]
            made = made.last
            self._not_a_layer.add(name)
        elif isinstance(made, Graph):
            values: dict[str | int, str] = dict(enumerate(sources))
            for part, operator, inputs in made.parts:
                sources = [self._add(self._part_name(name, part), operator, *(values[place] for place in inputs))]
                values[part] = sources[0]
            made = made.last
            self._not_a_layer.add(name)
        elif layer.class_name in WITH_CONSTANTS:
            self._not_a_layer.add(name)
        node = self._add(name, made, *sources)
        if fused is None or fused[0] == "linear":
            return node
        return self._add(self._builder.unique_name(f"{name}_{fused[0]}"), fused[1], node)

    def _part_name(self, name: str, part: str) -> str:
        """The name of the node for a part of what the layer `name` does."""
        if (name, part) not in self._part_names:
            self._part_names[name, part] = self._builder.unique_name(f"{name}_{part}")
        return self._part_names[name, part]

    def _parameter_name(self, name: str, role: str) -> str:
        part, dot, part_role = role.rpartition(".")
        return f"{self._part_name(name, part)}.{part_role}" if dot else f"{name}.{role}"

    def _add(self, name: str, operator: Operator, *sources: str) -> str:
        self._builder.add(name, operator, *sources)
        self._nodes += 1
        if self._nodes > MAXIMUM_NODES:
            raise ModelError(f"it describes more than {MAXIMUM_NODES:,} nodes: give the models in it fewer layers")
        if prod(self._builder.shape(name)) > MAXIMUM_VALUES:
            shape = format_shape(self._builder.shape(name))
            raise ModelError(f"layer {name}: {shape} is more than one image's values can be: correct its arguments")
        return name

    def _read(
        self, weights: Weights, inner: tuple[tuple[str, str], ...], name: str, shapes: dict[str, Shape | None]
    ) -> dict[str, Parameter]:
        """The parameters for these roles; a layer's second use gets those of its first, names included.

        inner: the layers inside of the layer that hold its weights, if it doesn't hold them itself.
        """
        if weights.key not in self._parameters:
            wanted = {role: shape for role, shape in shapes.items() if shape is not None}
            holders = [weights.inner(*layer) for layer in inner] or [weights]
            stored = [array for holder in holders for array in holder.arrays()]
            if [array.shape for array in stored] != list(wanted.values()):
                raise ModelError(
                    f"its arguments ask for weights of {_listed(wanted.values())} and "
                    f"{_listed(array.shape for array in stored)} are stored: build the model and save it in Keras again"
                )
            self._parameters[weights.key] = {
                role: Parameter(self._parameter_name(name, role), exact_value(array.read()))
                for role, array in zip(wanted, stored, strict=True)
            }
        return self._parameters[weights.key]


def _check_layer(layer: KerasLayer, sources: int) -> None:
    """Refuse what bittrue doesn't read, before the layer's arguments or weights are looked at."""
    if layer.class_name == "Lambda":
        raise ModelError(
            "a Lambda holds Python code, which bittrue never executes from a file (it could do anything to your "
            "machine) and can't turn into hardware: replace it by layers that bittrue knows"
        )
    if layer.class_name not in LAYERS or not is_from_keras(layer.module):
        origin = "" if is_from_keras(layer.module) else f" from {layer.module or 'the model itself'}"
        raise ModelError(
            f"the class {layer.class_name}{origin} is not supported: "
            f"build the model from keras.layers' {', '.join(LAYERS)}"
        )
    if layer.settings.values.get("data_format") == "channels_first":
        raise ModelError(
            "data_format='channels_first' is not supported: build the model with data_format='channels_last' and copy "
            "the weights with set_weights, which need no change"
        )
    policy = layer.settings.values.get("dtype", "float32")
    if isinstance(policy, dict) and policy.get("class_name") in ("DTypePolicy", "FloatDTypePolicy"):
        policy = Settings(policy).mapping("config").get("name")
    if policy not in FLOAT_POLICIES:
        policy = policy.get("class_name") if isinstance(policy, dict) else policy
        raise ModelError(
            f"its dtype {shown(policy)} is not supported: give the model in floating point, as it was trained"
        )
    if sources == 0 or (sources > 1 and layer.class_name not in MERGING):
        raise ModelError(f"it reads {sources} tensors, expected one: save the model in Keras again")


def _input_shape(layers: Mapping[str, KerasLayer], name: str) -> Shape:
    with _naming(f"layer {name}"):
        if name not in layers or layers[name].class_name != "InputLayer":
            raise ModelError("the model's input is no InputLayer: save the model in Keras again")
        sizes = layers[name].settings.shape("batch_shape")[1:]
        known = tuple(size for size in sizes if size is not None)
        if not known or len(known) < len(sizes):
            raise ModelError(
                f"the input's shape {sizes} leaves sizes open, and hardware has fixed ones: "
                "build the model on keras.Input with every size given"
            )
        return known


def _in_order(layers: tuple[KerasLayer, ...]) -> Iterator[tuple[KerasLayer, int]]:
    """Each (layer, call) after those whose outputs it reads, otherwise in the layers' order."""
    calls = [(layer, call) for layer in layers for call in range(len(layer.calls))]
    numbers = {(layer.name, call): number for number, (layer, call) in enumerate(calls)}
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()
    for number, (layer, call) in enumerate(calls):
        sources = [(name, source_call) for name, source_call, _ in layer.calls[call]]
        sorter.add(number, *(numbers[source] for source in sources if source in numbers))
    try:
        sorter.prepare()
    except graphlib.CycleError:
        raise ModelError("its layers read each other in a circle: save the model in Keras again") from None
    ready: list[int] = []
    while sorter.is_active():
        for number in sorter.get_ready():
            heapq.heappush(ready, number)
        number = heapq.heappop(ready)
        sorter.done(number)
        yield calls[number]


def _value(values: Mapping[tuple[str, int], list[str]], reference: TensorReference) -> str:
    layer, call, output = reference
    found = values.get((layer, call), [])
    if output >= len(found):
        raise ModelError(f"it reads output {output} of layer {layer}, which isn't there: save the model in Keras again")
    return found[output]


def _refuse_several(references: tuple[TensorReference, ...], what: str) -> None:
    if len(references) != 1:
        found = ", ".join(name for name, _, _ in references)
        raise ModelError(
            f"it has {len(references)} {what} ({found}) and bittrue takes one: build "
            "keras.Model(inputs, outputs) on the one input and the one output that the hardware computes"
        )


def _listed(shapes: Iterable[Shape]) -> str:
    return ", ".join(format_shape(shape) for shape in shapes) or "none"


@contextlib.contextmanager
def _naming(where: str) -> Iterator[None]:
    """Put the file or the layer before an error's sentence, and a full stop after it."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{where}: {str(error).rstrip('.')}.") from error
    except RecursionError:
        raise ModelError(f"{where}: its models are nested too deeply: give it fewer levels.") from None
