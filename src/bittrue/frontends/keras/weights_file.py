"""The weights of a Keras model object from a file: Keras's `.weights.h5`, Keras 2's `.h5`, or a TensorFlow checkpoint.

They go where Keras itself would put them, by the layers' order; whatever doesn't fit, or is left over, is an error.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py

from bittrue.errors import ModelError
from bittrue.frontends.arrays.hdf5 import damage_as_model_error, group_at, text_list_attribute
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
    with damage_as_model_error(path.name):
        file = h5py.File(path, "r")
    with file:
        with damage_as_model_error(path.name):
            found = _keras3(file, model) or _keras2(file, model)
        if found is None:
            raise ModelError(f"{path.name} holds no weights of a Keras model: write them with model.save_weights")
        yield found


def _keras3(file: h5py.File, model: Any) -> Weights | None:
    """Groups named after the layers' classes, numbered in the model's order."""
    layers = group_at(file, "layers")
    if layers is None or LAYER_NAMES in file.attrs:
        return None
    expected = {layer.name for layer in model.layers}
    stored = len([name for name in layers if (group := group_at(layers, f"{name}/vars")) is not None and len(group)])
    wanted = len([layer for layer in model.layers if layer.weights and not hasattr(layer, "layers")])
    if stored != wanted:
        raise ModelError(
            f"{Path(file.filename).name} holds weights of {stored} layers outside nested models, and the model has "
            f"{wanted} such layers of {len(expected)}: build the model as the saved one was built"
        )
    return ArchiveWeights(file, names_matter=False)


def _keras2(file: h5py.File, model: Any) -> Weights | None:
    """One group a layer, by order among those that have weights."""
    group = file if LAYER_NAMES in file.attrs or f"{LAYER_NAMES}0" in file.attrs else group_at(file, WEIGHTS)
    names = None if group is None else text_list_attribute(group, LAYER_NAMES)
    if group is None or names is None:
        return None
    read = functools.cache(functools.partial(read_names, group))
    stored = [name for name in names if read(name)]
    wanted = [layer.name for layer in model.layers if layer.weights]
    if len(stored) != len(wanted):
        raise ModelError(
            f"{Path(file.filename).name} holds {WEIGHT_NAMES} of {len(stored)} layers, and the model has {len(wanted)} "
            "layers with weights: build the model as the saved one was built"
        )
    return H5Weights(group, read, dict(zip(wanted, stored, strict=True)))
