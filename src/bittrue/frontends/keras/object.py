"""A model object of Keras 3, asked for what its file would hold: its configuration, and each layer's arrays."""

import json
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.arrays.stored import StoredArray
from bittrue.frontends.keras.config import MODELS, is_from_keras


def named(model: object) -> str:
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
        # Files leave out the underscore of an attribute that Keras keeps to itself.
        return LayerWeights(getattr(self.layer, attribute if hasattr(self.layer, attribute) else f"_{attribute}"))

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


def describe(model: Any) -> Mapping[str, object]:
    """A model object's configuration in the form that `config.json` has."""
    kind = type(model)
    version = str(getattr(sys.modules.get("keras"), "__version__", ""))
    if any(cls.__module__.startswith("tf_keras") for cls in kind.__mro__) or not version.startswith("3."):
        raise ModelError("it is a Keras 2 model: save it with model.save('model.keras') and give that file")
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
