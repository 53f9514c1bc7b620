"""TimeDistributed: the layer inside of it, and whether it works on all steps at once."""

from collections.abc import Mapping

from bittrue.errors import ModelError
from bittrue.frontends.keras.config import Calls, KerasLayer, Settings, shown

EVERY_AXIS = frozenset(
    (
        *("Activation", "ActivityRegularization", "Dense", "Dropout", "ELU", "GaussianDropout", "GaussianNoise"),
        *("Identity", "LeakyReLU", "ReLU", "Rescaling"),
    )
)
"""Layers that do with each step what they do with all of them: number by number, or along the last axis."""

AXIS = frozenset(("BatchNormalization", "LayerNormalization", "RMSNormalization", "Softmax", "UnitNormalization"))
"""Layers that do so where their axis is the last, counted from the end."""


def inner_layer(settings: Settings, name: str, calls: Calls) -> KerasLayer:
    """The layer inside of a TimeDistributed with these settings, under the name `name`."""
    described = settings.mapping("layer")
    class_name, config, inner_module = (described.get(key) for key in ("class_name", "config", "module"))
    if not isinstance(class_name, str) or not isinstance(config, dict):
        raise ModelError(f"the layer in it is {shown(described)}, expected a class and its config")
    registered = described.get("registered_name")
    module = inner_module if isinstance(inner_module, str) and registered in (None, class_name) else ""
    origin = inner_module if isinstance(inner_module, str) else str(registered).partition(">")[0]
    return KerasLayer(name, class_name, module, Settings(config), calls, _name(config), origin)


def _name(config: Mapping[str, object]) -> str:
    name = config.get("name")
    if not isinstance(name, str):
        raise ModelError("the layer in it has no name: save the model in Keras again")
    return name


def works_on_all_steps(layer: KerasLayer) -> bool:
    """Whether the layer gives for all steps at once what it gives for each."""
    return layer.class_name in EVERY_AXIS or (
        layer.class_name in AXIS and layer.settings.values.get("axis", -1) in (-1, [-1])
    )
