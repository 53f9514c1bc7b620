"""A TensorFlow checkpoint's variables into a Keras model object: what `model.save_weights(path)` of TensorFlow 2 wrote.

The layers go by their order, a layer's variables by name, or by shape where no other has that shape. Whatever could go
two ways, and whatever is left over, is an error that names it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bittrue.errors import ModelError
from bittrue.frontends.arrays.stored import StoredArray
from bittrue.frontends.tensorflow.bundle import BundleEntry, read_bundle
from bittrue.network import format_shape
from bittrue.shapes import Shape

OF_TRAINING = re.compile(
    r"/\.OPTIMIZER_SLOT/|^_?optimizer/|^keras_api/|^save_counter/|^_CHECKPOINTABLE_OBJECT_GRAPH$|/_random_generator/"
)
"""Keys of what isn't the model's: an optimizer's state, metrics, seeds."""

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
"""What follows a variable's path in a checkpoint of objects."""

NUMBERED = "layer_with_weights-"
"""In the path of a layer of a functional or sequential model, with its number among those that have weights."""

OTHER_NAMES = {"depthwise_kernel": "kernel"}
"""Keras 3's names of variables that Keras 2 named otherwise."""


@dataclass(frozen=True)
class AssignedWeights:
    """The variables that became one layer's weights, and those of the layers inside of it."""

    by_layer: Mapping[tuple[str, ...], list[StoredArray]]
    path: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for two uses of one layer."""
        return self.path

    def child(self, layer: str, stored_name: str) -> "AssignedWeights":
        return AssignedWeights(self.by_layer, (*self.path, layer))

    def inner(self, attribute: str, layer: str) -> "AssignedWeights":
        return self.child(layer, "")

    def arrays(self) -> list[StoredArray]:
        return self.by_layer.get(self.path, [])


def find_checkpoint(path: Path) -> Path | None:
    """The prefix of the checkpoint that `path` names: by its prefix, its index, or the folder that holds it.

    Raises: ModelError for a folder that holds none or several and doesn't say which is meant.
    """
    if path.suffix == ".index":
        return path.with_suffix("") if path.is_file() else None
    if path.with_name(f"{path.name}.index").is_file():
        return path
    if not path.is_dir():
        return None
    found = {index.name.removesuffix(".index") for index in path.glob("*.index")}
    state = path / "checkpoint"
    if state.is_file():
        text = state.read_bytes()[:65536].decode(errors="replace")
        latest = re.search(r'^model_checkpoint_path: "([^"\n]*)"', text, re.MULTILINE)
        if latest is not None and Path(latest[1]).name in found:  # the folder may have moved
            return path / Path(latest[1]).name
    if len(found) != 1:
        names = ", ".join(sorted(found)[:5]) or "none"
        raise ModelError(f"the folder {path} holds {len(found)} checkpoints ({names}): name one by its .index file")
    return path / found.pop()


def assign(prefix: Path, model: Any, told: Callable[[str], None]) -> AssignedWeights:
    """The checkpoint's variables as the weights of the Keras model object `model`; `told` gets a line for each.

    Raises: ModelError for what is damaged, ambiguous, missing or left over.
    """
    groups = _groups(read_bundle(prefix))
    by_layer: dict[tuple[str, ...], list[StoredArray]] = {}
    rest = dict(groups)
    for path, group, layer in _matched(model, groups):
        by_layer[path] = []
        for variable, key in _matched_variables("/".join(path), layer, rest.pop(group)):
            by_layer[path].append(groups[group][key].array(_joined(group, key)))
            shape = format_shape(groups[group][key].shape)
            told(f"{_joined(group, key)} ({shape}) became {'/'.join(path)} {variable}")
    if rest:
        left = [_joined(group, key) for group, keys in rest.items() for key in keys]
        raise ModelError(
            f"the checkpoint {prefix.name} holds {len(left)} variables that no layer of the model has a place for "
            f"({_few(left)}): build the model as the saved one was built"
        )
    return AssignedWeights(by_layer)


def _groups(entries: Mapping[str, BundleEntry]) -> dict[str, dict[str, BundleEntry]]:
    """The model's variables: by the path of their layer, without what all paths begin with, then by their name."""
    paths = {key.removesuffix(VALUE): entry for key, entry in entries.items() if not OF_TRAINING.search(key)}
    roots = {path.partition(NUMBERED)[0] for path in paths}
    root = roots.pop() if len(roots) == 1 and all(NUMBERED in path for path in paths) else ""
    groups: dict[str, dict[str, BundleEntry]] = {}
    for path, entry in paths.items():
        layer, _, name = path.removeprefix(root).rpartition("/")
        groups.setdefault(layer, {})[name] = entry
    return groups


def _matched(model: Any, groups: Mapping[str, Mapping[str, BundleEntry]]) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Each layer with weights: its names from the outermost model's on, its group, and itself."""
    by_number = dict(_numbered(model, (), ""))
    if groups and all(group.startswith(NUMBERED) for group in groups):
        for group, (path, layer) in by_number.items():
            if group not in groups:
                raise ModelError(
                    f"the checkpoint has no variables {group} for layer {'/'.join(path)}: "
                    "build the model as the saved one was built"
                )
            yield path, group, layer
        return
    # A model of the user's own class: its layers go by the names of its attributes, or by shapes that no other has.
    free = dict(groups)
    for path, layer in by_number.values():
        shapes = sorted(tuple(weight.shape) for weight in layer.weights)
        found = [group for group in free if group.rpartition("/")[2] == path[-1]] or [
            group for group, keys in free.items() if sorted(entry.shape for entry in keys.values()) == shapes
        ]
        if len(found) != 1:
            raise ModelError(
                f"layer {'/'.join(path)} could take {len(found)} groups of the checkpoint's variables "
                f"({_few(found or groups)}): name the layers as the saved model's attributes"
            )
        del free[found[0]]
        yield path, found[0], layer


def _numbered(model: Any, path: tuple[str, ...], group: str) -> Iterator[tuple[str, tuple[tuple[str, ...], Any]]]:
    """The layers with weights in their order, by the paths that TensorFlow gives them."""
    for number, layer in enumerate(layer for layer in model.layers if layer.weights):
        inner = f"{group}{NUMBERED}{number}"
        if hasattr(layer, "layers"):
            yield from _numbered(layer, (*path, layer.name), f"{inner}/")
        else:
            yield inner, ((*path, layer.name), layer)


def _matched_variables(where: str, layer: Any, stored: Mapping[str, BundleEntry]) -> list[tuple[str, str]]:
    """Each of the layer's weights in Keras's order, with the variable that it takes."""
    wanted: list[tuple[str, Shape]] = [(weight.name, tuple(weight.shape)) for weight in layer.weights]
    by_name = {OTHER_NAMES.get(key, key): key for key in stored} | {key: key for key in stored}
    found: list[tuple[str, str]] = []
    for name, shape in wanted:
        fitting = [key for key, entry in stored.items() if entry.shape == shape]
        key = by_name.get(name)
        if key is None and len(fitting) == 1 and sum(other == shape for _, other in wanted) == 1:
            key = fitting[0]
        if key is None or stored[key].shape != shape:
            raise ModelError(
                f"layer {where}'s {name} ({format_shape(shape)}) could take {len(fitting)} of the checkpoint's "
                f"variables {_few(stored)}: build the model as the saved one was built"
            )
        found.append((name, key))
    taken = [key for _, key in found]
    left = [key for key in stored if key not in taken]
    if left or len(set(taken)) < len(taken):
        raise ModelError(
            f"the checkpoint's variables {_few(stored)} are not layer {where}'s {_few(name for name, _ in wanted)}: "
            "build the model as the saved one was built"
        )
    return found


def _joined(group: str, key: str) -> str:
    return f"{group}/{key}" if group else key


def _few(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
