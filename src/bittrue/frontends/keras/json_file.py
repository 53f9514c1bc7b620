"""A Keras model in two files, as `model.to_json()` and `model.save_weights` write them, read without Keras.

The weights belong to the layers of the same names; a layer without weights, and weights without a layer, are errors.
"""

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

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
from bittrue.frontends.keras.config import MODELS, Settings, read_model
from bittrue.frontends.keras.h5 import WEIGHTS, H5Weights, read_names
from bittrue.frontends.keras.keras2 import in_keras3_form
from bittrue.frontends.keras.weights import Weights

LAYER_NAMES = "layer_names"


@contextlib.contextmanager
def open_json(path: Path, weights: Path | None) -> Iterator[tuple[Mapping[str, object], Weights]]:
    """The configuration in the JSON file at `path` and the weights in the HDF5 file, readable until the exit.

    Raises: ModelError for files that are missing, damaged, or not of one model.
    """
    if not path.is_file():
        raise ModelError("there is no such file: check the path")
    if weights is None:
        raise ModelError("it describes a model without weights: give the file of model.save_weights as --weights")
    if not weights.is_file():
        raise ModelError(f"there is no file with weights {weights}: check the path")
    description = _description(path)
    with contextlib.ExitStack() as stack:
        with damage_as_model_error(weights.name):
            found = _weights(stack.enter_context(open_hdf5(weights, weights.name)), weights.name, description)
        yield description, found


def _description(path: Path) -> Mapping[str, object]:
    with damage_as_model_error("it"):
        description = json.loads(path.read_text())
    config = description.get("config") if isinstance(description, dict) else None
    if not isinstance(config, dict | list) or description.get("class_name") not in (*MODELS, "Model"):
        raise ModelError(
            "it describes no model of keras.Model(inputs, outputs) or keras.Sequential: write model.to_json()"
        )
    version = description.get("keras_version")
    return in_keras3_form(description, version if isinstance(version, str) else "3")


def _weights(root: Group, name: str, description: Mapping[str, object]) -> Weights:
    config = description.get("config")
    model = read_model(str(description.get("class_name")), Settings(config if isinstance(config, dict) else {}))
    groups = group_at(root, "layers")
    group = root if has_text_list(root, LAYER_NAMES) else group_at(root, WEIGHTS)
    found: Weights
    if group is not None and (names := text_list_attribute(group, LAYER_NAMES)) is not None:
        read = functools.cache(functools.partial(read_names, group))
        left = [stored for stored in names if read(stored) and stored not in {layer.name for layer in model.layers}]
        found = H5Weights(group, read, {})
    elif groups is not None:
        stored_names = {layer.stored_name for layer in model.layers}
        holders = {stored: group_at(groups, f"{stored}/vars") for stored in groups.members}
        left = [
            stored
            for stored, held in holders.items()
            if held is not None and held.members and stored not in stored_names
        ]
        found = ArchiveWeights(root)
    else:
        raise ModelError(f"{name} holds no weights of a Keras model: write them with model.save_weights")
    if left:
        raise ModelError(f"{name} holds weights of {left[0]}, which is no layer of the model: give the model's own")
    return found
