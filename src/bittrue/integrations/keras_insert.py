"""A plan's quantizers put into the user's own Keras model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bittrue.errors import FormatError, ModelError, PlanError
from bittrue.fixed import Quantizer
from bittrue.frontends.keras.model import Origin, from_keras_layers
from bittrue.integrations.float32 import check_float32
from bittrue.integrations.keras_quantize import Quantize, Tensor
from bittrue.integrations.with_keras import keras
from bittrue.lowering import LoweringContext, bypass
from bittrue.network import Network, Node, Operator, Parameter
from bittrue.operators import BatchNormalization, ReLU
from bittrue.plan import Guard, Plan, Word, check_plan, sites_of
from bittrue.plan.sites import unknown_site


@dataclass(frozen=True, eq=False)
class Inserted:
    """The model with a plan's layers; `values`: for each node of the network the tensor that its readers get."""

    network: Network
    model: Any
    values: Mapping[str, Tensor]


@keras.saving.register_keras_serializable(package="bittrue")
class ScaleOffset(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """scale·x + offset for each channel of the last axis: what a batch norm in `affine` form computes.

    Keras's own batch norm would multiply by 1/√1 as well, which compilers approximate.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1:]
        self.scale = self.add_weight(channels, "ones", name="scale")
        self.offset = self.add_weight(channels, "zeros", name="offset")

    def call(self, inputs: Tensor) -> Tensor:
        return inputs * self.scale + self.offset

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


def insert(model: Any, plan: Plan, *, enabled: bool = True) -> Any:
    """A new Keras model that computes `model` under `plan` in float32: "fake" quantization.

    Weights are rounded as the plan says, and after each node whose output site has a quantizer stands a `Quantize`
    (EXACT and FLOAT: none; GUARD: with 16 fraction bits more). Its layers are named like the network's nodes, nested
    models unfolded and fused activations layers of their own; a batch norm in `affine` form becomes a `ScaleOffset`.
    Where `model` is compiled, the new one is in the same way. `model` and its weights stay as they are.

    enabled: False leaves the weights as trained and switches every `Quantize` off: the float model, bit for bit.

    Sums are float32 here, added in the backend's order, so that a value next to a rounding boundary may come out one
    step off, and a few images may be classified otherwise than by the bit-true simulation: `bittrue.compare` counts
    them. A parameter of more than 24 significant bits is rounded to float32.

    Raises: ModelError for a model that bittrue can't read or a layer that can't take its rounded numbers; PlanError
    for a plan of other sites or another network, or with formats inside a sum, a softmax or a layer normalization,
    where no layer can stand; FormatError for an output's format whose values float32 doesn't hold.
    """
    return insert_layers(model, plan, enabled=enabled).model


def insert_layers(model: Any, plan: Plan, *, enabled: bool = True) -> Inserted:
    """`insert`, with the network and the tensors by node."""
    network, origins = from_keras_layers(model)
    _check_plan(plan, network)
    quantizers = _output_quantizers(plan, network)
    clones = _Clones(network, plan if enabled else None)
    names = {node.name for node in network.nodes}
    image = keras.Input(network.input.shape, name=network.input.name, dtype="float32")
    values: dict[str, Tensor] = {}
    for node in network.nodes:
        value = image
        if node.inputs:
            layer = clones.layer_of(node, origins.get(node.name))
            sources = [values[name] for name in node.inputs]
            value = layer(sources[0] if len(sources) == 1 else sources)
        if node.name in quantizers:
            value = _quantize_layer(quantizers[node.name], _unused(f"{node.name}_quantize", names), enabled)(value)
        values[node.name] = value
    inserted = keras.Model(image, values[network.output], name=network.name)
    clones.set_weights()
    if model.compiled:
        inserted.compile_from_config(model.get_compile_config())
    return Inserted(network, inserted, values)


def _check_plan(plan: Plan, network: Network) -> None:
    """Refuse a plan that isn't the network's, or that asks for what no layer can do."""
    found = sites_of(network, plan.options)
    for name in plan.sites:
        if name not in found:  # said first, since another network's hash helps nobody to find a misspelt name
            raise unknown_site(name, found)
    check_plan(plan, network)
    for name, site in found.items():
        if site.role != "output" and site.values is None and plan.sites.get(name, Word.EXACT) is not Word.EXACT:
            raise PlanError(
                f"site {name}: it lies inside of what Keras computes in one layer, where nothing can be rounded; make "
                "the plan with exact accumulators, softmax and layer normalization, or use `bittrue simulate`."
            )


def _output_quantizers(plan: Plan, network: Network) -> dict[str, Quantizer]:
    """By node the quantizer of its output, where it has one."""
    found = {}
    for node in network.nodes:
        site = f"{node.name}.output"
        spec = plan.sites[site]
        quantizer = spec.quantizer if isinstance(spec, Guard) else spec
        if isinstance(quantizer, Quantizer):
            try:
                check_float32(quantizer)
            except FormatError as error:
                raise FormatError(f"site {site}: {error}") from None
            found[node.name] = quantizer
    return found


def _quantize_layer(quantizer: Quantizer, name: str, enabled: bool) -> Any:
    shape = quantizer.format
    return Quantize(
        shape.word_length,
        shape.fraction_bits,
        shape.signed,
        quantizer.rounding,
        quantizer.overflow,
        enabled,
        name=name,
        dtype="float32",
    )


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


class _Clones:
    """Copies of a model's layers, one for however many uses of a layer; plan: by which their numbers are rounded."""

    def __init__(self, network: Network, plan: Plan | None) -> None:
        self._network = network
        self._plan = plan
        self._layers: dict[tuple[int, bool], Any] = {}
        self._weights: list[tuple[Any, list[np.ndarray]]] = []

    def layer_of(self, node: Node, origin: Origin | None) -> Any:
        """The layer that computes a node; `set_weights` gives it its weights, when it is built."""
        if origin is None or (origin.activation and any(node.operator.parameters())):
            raise _of_several_nodes(node)
        key = id(origin.layer), origin.activation
        if key not in self._layers:
            layer, values = self._copy(node, origin)
            self._layers[key] = layer
            self._weights.append((layer, values))
        return self._layers[key]

    def set_weights(self) -> None:
        """Give each copy its weights."""
        for layer, values in self._weights:
            for variable, value in zip(layer.weights, values, strict=True):
                variable.assign(value)

    def _copy(self, node: Node, origin: Origin) -> tuple[Any, list[np.ndarray]]:
        rounded = node.operator if self._plan is None else self._rounded(node, self._plan)
        if not _same_form(node.operator, rounded):
            if type(rounded) not in REBUILT:
                raise ModelError(f"layer {node.name}: its class can't take its rounded numbers; leave them EXACT.")
            return REBUILT[type(rounded)](rounded, node.name)
        if origin.activation:
            return _activation_layer(origin.layer.activation, node.name), []
        config = {**origin.layer.get_config(), "name": node.name, "dtype": "float32"}
        if "activation" in config and type(origin.layer) is not keras.layers.Activation:
            config["activation"] = "linear"
        return type(origin.layer).from_config(config), self._stored_values(node, origin, rounded)

    def _rounded(self, node: Node, plan: Plan) -> Operator:
        """The operator with its numbers rounded."""
        context = LoweringContext(self._network, plan)
        context.begin(node)
        return bypass[type(node.operator)](node.operator, context)

    def _stored_values(self, node: Node, origin: Origin, rounded: Operator) -> list[np.ndarray]:
        """The layer's weights in Keras's order and layout, rounded where the operator has them."""
        trained, values = dict(node.operator.parameters()), dict(rounded.parameters())
        stored = []
        for role, variable in zip(origin.roles, origin.layer.weights, strict=True):
            value = np.asarray(keras.ops.convert_to_numpy(variable))
            if role in trained and self._plan is not None:
                value = self._stored_value(trained[role], values[role], value, self._plan)
            elif role not in trained and not role.startswith("renorm"):  # which only training reads
                raise _of_several_nodes(node)
            stored.append(value)
        return stored

    def _stored_value(self, trained: Parameter, rounded: Parameter, stored: np.ndarray, plan: Plan) -> np.ndarray:
        """A rounded parameter in the layout that Keras stores, which may be another than bittrue computes with."""
        if trained.value.size == stored.size and np.array_equal(trained.value.reshape(stored.shape), stored):
            return rounded.value.reshape(stored.shape)
        if isinstance(plan.sites[trained.name], tuple):
            raise PlanError(
                f"site {trained.name}: Keras stores it in another order than its channels', so that they can't be told "
                "apart; give it a single format."
            )
        return LoweringContext(self._network, plan).rounded_parameter(Parameter(trained.name, stored)).value


def _of_several_nodes(node: Node) -> ModelError:
    return ModelError(
        f"layer {node.name}: it is an operation of keras.ops, or a layer that computes several nodes, none of which "
        "can be rounded alone; build it of simpler keras.layers."
    )


def _same_form(operator: Operator, rounded: Operator) -> bool:
    """Whether nothing but the values of parameters differs."""
    pairs = [(getattr(operator, field.name), getattr(rounded, field.name)) for field in fields(operator)]
    return all(type(one) is type(other) and (isinstance(one, Parameter) or one == other) for one, other in pairs)


def _activation_layer(activation: Any, name: str) -> Any:
    if isinstance(activation, keras.layers.Layer):
        return type(activation).from_config({**activation.get_config(), "name": name, "dtype": "float32"})
    return keras.layers.Activation(activation, name=name, dtype="float32")


def _relu(operator: ReLU, name: str) -> tuple[Any, list[np.ndarray]]:
    arguments = operator.max_value, operator.negative_slope, operator.threshold
    return keras.layers.ReLU(*arguments, name=name, dtype="float32"), []


def _affine(operator: BatchNormalization, name: str) -> tuple[Any, list[np.ndarray]]:
    """Only the affine form needs a layer of another class, and rounding it gives both parameters."""
    values = [parameter.value for parameter in (operator.gamma, operator.beta) if parameter is not None]
    return ScaleOffset(name=name, dtype="float32"), values


REBUILT: dict[type[Operator], Callable[..., tuple[Any, list[np.ndarray]]]] = {
    BatchNormalization: _affine,
    ReLU: _relu,
}
"""For operators whose rounded numbers their Keras layer may not take: a layer that does, and its weights."""
