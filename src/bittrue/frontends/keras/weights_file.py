"""The weights of a Keras model object from a file: Keras's `.weights.h5`, Keras 2's `.h5`, or a TensorFlow checkpoint.

They go where Keras itself would put them, by the layers' order; whatever doesn't fit, or is left over, is an error.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bittrue.errors import ModelError
from bittrue.frontends.arrays.hdf5 import (
    Group,
    damage_as_model_error,
    group_at,
    has_text_list,
    open_hdf5,
    text_list_attribute,
)
from bittrue.frontends.keras.archive import ArchiveWeights
from bittrue.frontends.keras.h5 import WEIGHT_NAMES, WEIGHTS, H5Weights, read_names
from bittrue.frontends.keras.weights import Weights
from bittrue.frontends.tensorflow.checkpoint import assign, find_checkpoint

LAYER_NAMES = "layer_names"


@contextlib.contextmanager
def open_weights(path: Path, model: Any, told: Callable[[str], None]) -> Iterator[Weights]:
    """The weights at `path` for the Keras model object `model`, readable until the exit.

    Raises: ModelError for a file that is missing, damaged, of another kind, or another model's.
    """
    checkpoint = find_checkpoint(path)
    if checkpoint is not None:
        yield assign(checkpoint, model, told)
        return
    if not path.is_file():
        raise ModelError(f"there is no file with weights {path}: check the path")
    with contextlib.ExitStack() as stack:
        with damage_as_model_error(path.name):
            root = stack.enter_context(open_hdf5(path, path.name))
            found = _keras3(root, path.name, model) or _keras2(root, path.name, model)
        if found is None:
            raise ModelError(f"{path.name} holds no weights of a Keras model: write them with model.save_weights")
        yield found


def _keras3(root: Group, file: str, model: Any) -> Weights | None:
    """Groups named after the layers' classes, numbered in the model's order."""
    layers = group_at(root, "layers")
    if layers is None or LAYER_NAMES in root.texts:
        return None
    expected = {layer.name for layer in model.layers}
    stored = len(
        [name for name in layers.members if (group := group_at(layers, f"{name}/vars")) is not None and group.members]
    )
    wanted = len([layer for layer in model.layers if layer.weights and not hasattr(layer, "layers")])
    if stored != wanted:
        raise ModelError(
            f"{file} holds weights of {stored} layers outside nested models, and the model has "
            f"{wanted} such layers of {len(expected)}: build the model as the saved one was built"
        )
    return ArchiveWeights(root, names_matter=False)


def _keras2(root: Group, file: str, model: Any) -> Weights | None:
    """One group a layer, by order among those that have weights."""
    group = root if has_text_list(root, LAYER_NAMES) else group_at(root, WEIGHTS)
    names = None if group is None else text_list_attribute(group, LAYER_NAMES)
    if group is None or names is None:
        return None
    read = functools.cache(functools.partial(read_names, group))
    stored = [name for name in names if read(name)]
    wanted = [layer.name for layer in model.layers if layer.weights]
    if len(stored) != len(wanted):
        raise ModelError(
            f"{file} holds {WEIGHT_NAMES} of {len(stored)} layers, and the model has {len(wanted)} "
            "layers with weights: build the model as the saved one was built"
        )
    return H5Weights(group, read, dict(zip(wanted, stored, strict=True)))
