"""The walk over a Keras model's description, nested models included: each layer by its rule, its nodes to a builder."""

import contextlib
import graphlib
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from math import prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.arrays.stored import exact_value
from bittrue.frontends.keras.config import (
    FLOAT_POLICIES,
    KerasLayer,
    KerasModel,
    Settings,
    TensorReference,
    is_from_keras,
    read_model,
    shown,
)
from bittrue.frontends.keras.foreign import foreign_kind, remedy
from bittrue.frontends.keras.layers import LAYERS, activation
from bittrue.frontends.keras.operations import OPERATION_ADVICE, OPERATIONS, OTHER_OPERATIONS
from bittrue.frontends.keras.time_distributed import inner_layer, works_on_all_steps
from bittrue.frontends.keras.use import UNREAD, Chain, Graph, LayerKind, LayerUse, Outputs, Unsupported
from bittrue.frontends.keras.weights import Weights
from bittrue.network import NetworkBuilder, Operator, Parameter, format_shape
from bittrue.operators import Concatenate, Input, Reshape, Slice
from bittrue.plan import Spec
from bittrue.shapes import Shape
from bittrue.wording import excerpt

MAXIMUM_NODES = 5_000
"""Models nested in models nested in models can describe more nodes than any memory holds; none that is trained does."""

MAXIMUM_VALUES = 1 << 28
"""A layer's outputs for one image: 1 GiB in float32, beyond which a description is damaged or hostile."""

IN_ONNX = "under KERAS_BACKEND=torch give what model.export('model.onnx', format='onnx') writes"

MadeBy = dict[str, tuple[Weights, bool, tuple[str, ...]]]
"""By node: the weights of the layer that it was made from, whether it is its fused activation, and the roles of its
parameters in Keras's order."""


class Conversion:
    """Adds a model's nodes to a builder; a nested model's too, under its name."""

    def __init__(self, builder: NetworkBuilder, told: Callable[[str], None]) -> None:
        """told: is given a line for a layer of which there is something to tell."""
        self._builder = builder
        self._told = told
        self._nodes = 0
        self._parameters: dict[object, dict[str, Parameter]] = {}
        self.made_by: MadeBy = {}
        self.formats: dict[str, Spec] = {}
        self.ends: dict[str, list[str]] = defaultdict(list)  # by a layer's name the nodes of its uses' outputs
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
            sources = [_value(values, reference) for reference in layer.calls[call].tensors]
            _check_call(layer, call)
            layer_weights = weights.child(layer.name, layer.stored_name)
            if layer.is_model:
                inner = read_model(layer.class_name, layer.settings)
                values[layer.name, call] = self.add_model(inner, layer_weights, sources, f"{prefix}{layer.name}_")
                self.ends[layer.name] += values[layer.name, call]
                continue
            name = names[layer.name] if call == 0 else self._builder.unique_name(prefix + layer.name)
            # Parameters bear the first use's name, whichever use comes first in the graph.
            first = names[layer.name]
            if layer.is_time_distributed:
                values[layer.name, call] = self._add_steps(layer, call, name, first, layer_weights, sources)
            else:
                outputs = self._add_layer(layer, call, name, first, layer_weights, sources)
                roles = tuple(self._parameters.get(layer_weights.key, ()))
                if name not in self._not_a_layer:
                    self.made_by[name] = layer_weights, False, roles
                if len(outputs) == 1 and outputs != [name]:
                    self.made_by[outputs[0]] = layer_weights, True, roles
                values[layer.name, call] = outputs
            self.ends[layer.name] += values[layer.name, call]
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
        self, layer: KerasLayer, call: int, name: str, first: str, weights: Weights, sources: list[str]
    ) -> list[str]:
        """Add the nodes of one use of a layer, called `name`, whose first use is called `first`."""
        shapes = tuple(self._builder.shape(source) for source in sources)
        fused: tuple[str, Operator] | None = None
        with naming(f"layer {excerpt(name)} ({excerpt(layer.class_name)})"):
            kind = (_operation_kind if layer.is_operation else _layer_kind)(layer, len(sources))
            arguments = layer.calls[call]
            use = LayerUse(
                Settings({**layer.settings.values, **arguments.named}),
                shapes,
                partial(self._read, weights, kind.inner, first),
                partial(self._parameter_name, first),
                partial(_arrays, weights),
                arguments.operands,
            )
            made = kind.rule(use)
            if kind.note:
                self._told(f"layer {name} ({layer.class_name}) {kind.note}")
            if kind.has_activation:
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
            sources = [values[place] for place in made.reads] or sources
            self._not_a_layer.add(name)
            self._note(name, first, made.quantizers)
            values[""] = end = self._add(name, made.last, *sources)
            for part, operator, inputs in made.behind:
                end = self._add(self._part_name(name, part), operator, *(values[place] for place in inputs))
                values[part] = end
            return [end] if fused is None else self._fused(name, fused, end)
        elif isinstance(made, Outputs):
            self._not_a_layer.add(name)
            names = [name, *(self._builder.unique_name(name) for _ in made.operators[1:])]
            return [self._add(node, operator, *sources) for node, operator in zip(names, made.operators, strict=True)]
        elif kind.holds_constants:
            self._not_a_layer.add(name)
        node = self._add(name, made, *sources)
        return [node] if fused is None else self._fused(name, fused, node)

    def _fused(self, name: str, fused: tuple[str, Operator], source: str) -> list[str]:
        """The node of the layer's `activation` argument."""
        if fused[0] == "linear":
            return [source]
        return [self._add(self._builder.unique_name(f"{name}_{fused[0]}"), fused[1], source)]

    def _note(self, name: str, first: str, quantizers: Mapping[str, Spec]) -> None:
        """Keep the quantizers of the layer `name`, whose parameters bear the name `first`."""
        for role, spec in quantizers.items():
            is_output = role == "output" or role.endswith(".output")
            self.formats[self._parameter_name(name if is_output else first, role)] = spec

    def _add_steps(
        self, layer: KerasLayer, call: int, name: str, first: str, weights: Weights, sources: list[str]
    ) -> list[str]:
        """Add a TimeDistributed: the layer in it once for all steps, or for each step with the same weights."""
        with naming(f"layer {excerpt(name)} ({excerpt(layer.class_name)})"):
            inner = inner_layer(layer.settings, name, layer.calls)
            weights = weights.inner("layer", inner.stored_name)
            if works_on_all_steps(inner):
                return self._add_layer(inner, call, name, first, weights, sources)
            [source] = sources
            steps, *shape = self._builder.shape(source)
            if not shape:
                raise ModelError("it reads one number a step, which Keras doesn't build: save the model in Keras again")
        ends: list[str] = []
        for step in range(steps):
            one = Slice((step,), (step + 1,), (1,), (0,))
            taken = self._add(self._builder.unique_name(f"{name}_{step}_in"), one, source)
            taken = self._add(self._builder.unique_name(f"{name}_{step}_shape"), Reshape(tuple(shape)), taken)
            if inner.is_model:
                model = read_model(inner.class_name, inner.settings)
                outputs = self.add_model(model, weights, [taken], f"{name}_{step}_")
            else:
                step_name = self._builder.unique_name(f"{name}_{step}")
                outputs = self._add_layer(inner, call, step_name, first, weights, [taken])
            if len(outputs) != 1:
                raise ModelError(
                    f"layer {name} makes {len(outputs)} tensors a step, expected one: save the model in Keras again"
                )
            end = (1, *self._builder.shape(outputs[0]))
            ends.append(self._add(self._builder.unique_name(f"{name}_{step}_out"), Reshape(end), outputs[0]))
        return [self._add(name, Concatenate(0), *ends)]

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
                if not role.startswith(UNREAD)
            }
        return self._parameters[weights.key]


def _arrays(weights: Weights, path: tuple[str, ...], count: int) -> list[np.ndarray]:
    """The arrays of the layer that these attributes lead to, whose names are not looked at."""
    for attribute in path:
        weights = weights.inner(attribute, "")
    stored = weights.arrays()
    if len(stored) != count:
        raise ModelError(f"{len(stored)} arrays are stored for its quantizer, expected {count}: save the model again")
    return [array.read() for array in stored]


def _check_call(layer: KerasLayer, call: int) -> None:
    """Refuse arguments that would change what a layer computes, as `training=True`."""
    kind = LAYERS.get(layer.class_name)
    if kind is None and is_from_keras(layer.module) and not layer.is_operation:
        return  # it isn't read, however it is called
    flags = kind.call_flags if isinstance(kind, LayerKind) else ()
    for key, value in layer.calls[call].named.items():
        if not layer.is_operation and not (key in flags and value is True):
            raise ModelError(
                f"layer {layer.name} is called with {key}={shown(value)}, which changes what it computes: "
                "call it on its inputs alone"
            )


def _operation_kind(layer: KerasLayer, sources: int) -> LayerKind:
    """The row of an operation of `keras.ops`, whose constants are in its arguments. Raises: ModelError for another."""
    if layer.class_name not in OPERATIONS:
        advice = OPERATION_ADVICE.get(layer.class_name, OTHER_OPERATIONS)
        raise ModelError(f"the operation {layer.class_name} of keras.ops is not supported: {advice}")
    if sources == 0:
        raise ModelError("it reads no tensor: save the model in Keras again")
    _check_data_format(layer)
    return LayerKind(OPERATIONS[layer.class_name], reads_several=True, holds_constants=True)


def _check_data_format(layer: KerasLayer) -> None:
    """Raises: ModelError for anything but channels last, which is meant where nothing is said."""
    found = layer.settings.values.get("data_format")
    if found == "channels_first":
        raise ModelError(f"data_format='channels_first' is not supported in Keras's files: {IN_ONNX}")
    if found not in (None, "channels_last"):
        raise ModelError(f"data_format is {shown(found)}, expected channels_last: save the model in Keras again")


def _layer_kind(layer: KerasLayer, sources: int) -> LayerKind:
    """The layer's row. Raises: ModelError for what isn't read, before its arguments or weights are looked at."""
    if layer.class_name == "Lambda":
        raise ModelError(
            "a Lambda holds Python code, which bittrue never executes from a file (it could do anything to your "
            "machine) and can't turn into hardware: replace it by layers that bittrue knows"
        )
    kind = LAYERS.get(layer.class_name) if is_from_keras(layer.module) else None
    kind = kind or foreign_kind(layer.origin, layer.class_name)
    if isinstance(kind, Unsupported):
        raise ModelError(f"the class {excerpt(layer.class_name)} is not supported: {kind.remedy}")
    if kind is None:
        raise ModelError(
            f"the class {excerpt(layer.class_name)} is not supported: {remedy(layer.origin, layer.class_name)}"
        )
    _check_data_format(layer)
    policy = layer.settings.values.get("dtype", "float32")
    if isinstance(policy, dict) and policy.get("class_name") in ("DTypePolicy", "FloatDTypePolicy"):
        policy = Settings(policy).mapping("config").get("name")
    if policy not in FLOAT_POLICIES:
        policy = policy.get("class_name") if isinstance(policy, dict) else policy
        raise ModelError(
            f"its dtype {shown(policy)} is not supported: give the model in floating point, as it was trained"
        )
    if sources == 0 or (sources > 1 and not kind.reads_several):
        raise ModelError(f"it reads {sources} tensors, expected one: save the model in Keras again")
    return kind


def _input_shape(layers: Mapping[str, KerasLayer], name: str) -> Shape:
    with naming(f"layer {name}"):
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
        sources = [(name, source_call) for name, source_call, _ in layer.calls[call].tensors]
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


def _listed(shapes: Iterable[Shape]) -> str:
    return ", ".join(format_shape(shape) for shape in shapes) or "none"


@contextlib.contextmanager
def naming(where: str) -> Iterator[None]:
    """Put the file or the layer before an error's sentence, and a full stop after it."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{where}: {str(error).rstrip('.')}.") from error
    except RecursionError:
        raise ModelError(f"{where}: its models are nested too deeply: give it fewer levels.") from None
