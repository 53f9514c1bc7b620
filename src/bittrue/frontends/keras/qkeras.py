"""QKeras's layers: Keras's own, with the quantizers of their weights and of their result."""

from bittrue.errors import ModelError
from bittrue.frontends.keras.activations import ACTIVATIONS
from bittrue.frontends.keras.products import convolution, dense, depthwise
from bittrue.frontends.keras.quantizers import quantizer_class, quantizer_of
from bittrue.frontends.keras.use import Graph, LayerKind, LayerUse, Part, Rule
from bittrue.network import Operator
from bittrue.operators import Identity, ReLU
from bittrue.plan import Spec

_OPERATORS: dict[str, Operator] = {
    "quantized_bits": Identity(),
    "quantized_linear": Identity(),
    "quantized_relu": ReLU(),
}
"""What a quantizer of activations does beside rounding."""


def _product(rule: Rule, kernel: str) -> Rule:
    """A layer of products; kernel: the argument with the quantizer of its weights."""

    def quantized(use: LayerUse) -> Graph:
        made = rule(use)
        if not isinstance(made, Operator):
            raise ModelError("it takes several steps, whose quantizers are not supported: use QConv2D")
        quantizers: dict[str, Spec] = {}
        for role, argument in (("weight", kernel), ("bias", "bias_quantizer")):
            description = use.settings.values.get(argument)
            if description is not None and (role == "weight" or use.settings.flag("use_bias")):
                quantizers[role] = quantizer_of(description, trained=role == "weight")
        behind, result = _activation(use)
        return Graph((), made, (0,), behind, {**quantizers, **result})

    return quantized


def _activation(use: LayerUse) -> tuple[tuple[Part, ...], dict[str, Spec]]:
    """The node of the `activation` argument, if there is one, and its quantizer."""
    description = use.settings.values.get("activation")
    if description is None or description == "linear":
        return (), {}
    if isinstance(description, str) and description in ACTIVATIONS:
        return ((description, ACTIVATIONS[description], ("",)),), {}
    name, operator, quantizer = _rounded(description)
    return ((name, operator, ("",)),), {f"{name}.output": quantizer}


def _rounded(description: object) -> tuple[str, Operator, Spec]:
    quantizer = quantizer_of(description)
    name, _ = quantizer_class(description)
    return name, _OPERATORS[name], quantizer


def _quantized_activation(use: LayerUse) -> Operator | Graph:
    description = use.settings.values.get("activation")
    if isinstance(description, str) and description in ACTIVATIONS:
        return ACTIVATIONS[description]
    _, operator, quantizer = _rounded(description)
    return Graph((), operator, (0,), (), {"output": quantizer})


LAYERS = {
    "QActivation": LayerKind(_quantized_activation),
    "QConv1D": LayerKind(_product(convolution(1), "kernel_quantizer")),
    "QConv2D": LayerKind(_product(convolution(2), "kernel_quantizer")),
    "QDense": LayerKind(_product(dense, "kernel_quantizer")),
    "QDepthwiseConv2D": LayerKind(_product(depthwise(2), "depthwise_quantizer")),
}
"""By class, as LAYERS of Keras's own; what isn't here is refused with the remedy in `foreign.py`."""
