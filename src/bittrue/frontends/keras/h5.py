"""A whole model in an `.h5` file, as Keras 2 wrote it and Keras 3 still does, read without Keras.

The configuration is JSON in the attribute `model_config`; `model_weights` has a group for each of the model's layers,
whose attribute `weight_names` lists its arrays; those of a nested model's layers bear these layers' names.
"""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bittrue.errors import ModelError
from bittrue.frontends.arrays.hdf5 import (
    Group,
    damage_as_model_error,
    group_at,
    open_hdf5,
    plain_array,
    text_attribute,
    text_list_attribute,
)
from bittrue.frontends.arrays.stored import StoredArray
from bittrue.frontends.keras.keras2 import in_keras3_form

CONFIG = "model_config"
WEIGHTS = "model_weights"
WEIGHT_NAMES = "weight_names"

BACKENDS_OF_OTHER_KERNELS = ("cntk", "theano")
"""They stored the kernels of convolutions flipped."""

NamesByScope = Mapping[str, tuple[str, ...]]
"""A layer's arrays by what precedes the last slash of their names; in a nested model that tells whose they are."""


@dataclass(frozen=True)
class H5Weights:
    """The group of an HDF5 file that holds the arrays of one layer of the model, and of a layer inside of it.

    names: reads the names of a layer's arrays, once a layer.
    stored: the groups of those of the model's layers that have another name in the file.
    within: the names of the nested models and of the layer in them, where the layer is a model.
    """

    group: Group
    names: Callable[[str], NamesByScope]
    stored: Mapping[str, str]
    layer: str = ""
    within: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Equal for two uses of one layer."""
        return "/".join((self.layer, *self.within))

    def child(self, layer: str, stored_name: str) -> "H5Weights":
        if not self.layer:
            return H5Weights(self.group, self.names, self.stored, self.stored.get(layer, layer))
        return H5Weights(self.group, self.names, self.stored, self.layer, (*self.within, layer))

    def inner(self, attribute: str, layer: str) -> "H5Weights":
        return self.child(layer, "")

    def arrays(self) -> list[StoredArray]:
        """The layer's arrays in Keras's order: trainable ones first.

        Raises: ModelError where they are missing or anything but plain arrays.
        """
        with damage_as_model_error(WEIGHTS):
            by_scope = self.names(self.layer)
            scopes = [self._scope(by_scope)] if self.within else list(by_scope)
            names = [f"{self.layer}/{name}" for scope in scopes for name in by_scope[scope]]
            return [plain_array(WEIGHTS, self.group, name, self.key) for name in names]

    def _scope(self, by_scope: NamesByScope) -> str:
        """The one scope that ends in the layer's name, preceded by as many of its models' names as tell it apart."""
        trail = (self.layer, *self.within)
        # Keras 2 names the arrays of a layer inside of a wrapper after the wrapper alone.
        for ending in (*("/".join(trail[first:]) for first in range(len(trail))), "/".join(trail[:-1])):
            found = [scope for scope in by_scope if f"/{scope}".endswith(f"/{ending}")]
            if len(found) == 1:
                return found[0]
            if found:
                break
        raise ModelError(
            f"{WEIGHTS} doesn't tell which arrays of the model {self.layer} are layer {self.within[-1]}'s: "
            "give the nested layers names of their own, or load the model in Keras 3 and save it as a .keras file"
        )


def read_names(group: Group, layer: str) -> NamesByScope:
    """The names of the arrays of one of the model's layers. Raises: ModelError where the file has none for it."""
    holder = group_at(group, layer)
    names = None if holder is None else text_list_attribute(holder, WEIGHT_NAMES)
    if names is None:
        raise ModelError(f"{WEIGHTS} holds no weights of layer {layer}: save the whole model again")
    by_scope: dict[str, list[str]] = {}
    for name in names:
        by_scope.setdefault(name.rpartition("/")[0], []).append(name)
    return {scope: tuple(found) for scope, found in by_scope.items()}


@contextlib.contextmanager
def open_h5(path: Path) -> Iterator[tuple[Mapping[str, object], H5Weights]]:
    """The configuration, in the form of Keras 3's files, and the weights of the `.h5` file at `path`; the weights are
    readable until the exit.

    Raises: ModelError for a file that is missing, damaged, or holds no whole model.
    """
    if not path.is_file():
        raise ModelError("there is no such file: check the path")
    with contextlib.ExitStack() as stack:
        with damage_as_model_error("it"):
            root = stack.enter_context(open_hdf5(path))
            description = _description(root)
            group = group_at(root, WEIGHTS)
        if group is None:
            raise ModelError(f"it holds no {WEIGHTS}: save the whole model in Keras with model.save")
        yield description, H5Weights(group, functools.cache(functools.partial(read_names, group)), {})


def _description(root: Group) -> Mapping[str, object]:
    text = text_attribute(root, CONFIG)
    if text is None:
        raise ModelError(
            "it holds weights at most, no model: save the whole model with model.save, or give the Python function "
            "that builds the model as MODEL and this file as its --weights"
        )
    version, backend = text_attribute(root, "keras_version"), text_attribute(root, "backend")
    if version is None or version.startswith(("0.", "1.")):
        raise ModelError(f"it was saved by Keras {version or 1}: load it in Keras 2 and save it again")
    if backend in BACKENDS_OF_OTHER_KERNELS:
        raise ModelError(
            f"it was saved under {backend}, whose kernels are flipped: load it in Keras 2 and save it again"
        )
    description = json.loads(text)
    if not isinstance(description, dict):
        raise ModelError(f"its {CONFIG} is damaged: save the model in Keras again")
    return in_keras3_form(description, version)
