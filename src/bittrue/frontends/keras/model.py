"""Keras models into Networks: `.keras` and `.h5` files, and Keras 3's model objects under any backend.

Both are read from their configuration and their arrays. A file is read without Keras, so that nothing in it can be
executed; a model object is asked for what its file would hold, by Keras's `get_config` and `save_own_variables`.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bittrue.errors import ModelError
from bittrue.frontends.file_plan import tell_left_out
from bittrue.frontends.keras.archive import open_archive
from bittrue.frontends.keras.config import MODELS, Settings, TensorReference, is_from_keras, read_model
from bittrue.frontends.keras.conversion import Conversion, naming
from bittrue.frontends.keras.ending import keeps_axis, pruned, without_argmax
from bittrue.frontends.keras.h5 import open_h5
from bittrue.frontends.keras.json_file import open_json
from bittrue.frontends.keras.live import keras_live
from bittrue.frontends.keras.object import LayerWeights, describe, named
from bittrue.frontends.keras.weights import Weights
from bittrue.frontends.keras.weights_file import open_weights
from bittrue.frontends.live import check_live
from bittrue.frontends.outputs import chosen_output
from bittrue.network import ArgMax, Network, NetworkBuilder, check_parameters
from bittrue.plan import Spec
from bittrue.wording import excerpt

PACKED = (
    "pack them in one and slice it, as in x = keras.Input((8, 8, 3)); keras.Model(x, model([x[..., :1], x[..., 1:]])), "
    "and pack the data alike"
)
CHOSEN = "save the one that the hardware computes, as in keras.Model(model.inputs, model.outputs[0]).save('part.keras')"

H5_SUFFIXES = (".h5", ".hdf5")


def from_keras(
    source: str | os.PathLike[str] | object,
    weights: str | os.PathLike[str] | None = None,
    *,
    told: Callable[[str], None] | None = None,
    check: bool = True,
    output: str | None = None,
) -> Network:
    """The Network of a Keras model: the path of a `.keras` file (Keras 3) or of an `.h5` file with the whole model
    (Keras 2 and 3), or a functional or sequential model object of Keras 3.

    weights: where the weights of a model object are, if not in it, or those of a `.json` file (Keras's to_json).
    told: see `frontends.load`.
    check: a model object runs beside the Network, with its own weights and on random images, and another result is
    refused. One whose quantizers are left out isn't compared, and no file is run.

    Shapes are channels last without the batch axis; a fused `activation=` is a node of its own; a nested model's layers
    bear its name before theirs. output: the layer whose output the Network computes, where a file's model has several;
    of a model object make one of one output. Parameters are exact: float32, or float64 where float32 can't hold them.

    Quantizers (QKeras, HGQ) are left out, which is told, or where no one listens a warning: `load_with_plan` reads
    them.

    Raises: ModelError, in one sentence that names the file or the model, and the layer.
    """
    network, formats = from_keras_with_formats(source, weights, told=told, check=check, output=output)
    tell_left_out(_where(source), formats, told)
    return network


def from_keras_with_formats(
    source: str | os.PathLike[str] | object,
    weights: str | os.PathLike[str] | None = None,
    *,
    told: Callable[[str], None] | None = None,
    check: bool = True,
    output: str | None = None,
) -> tuple[Network, Mapping[str, Spec]]:
    """The Network of a Keras model as `from_keras` reads it, and the formats of its quantizers (QKeras, HGQ, HGQ2).

    HGQ's weights are the rounded ones.

    Raises: ModelError for a quantizer that no fixed-point format is.
    """
    network, conversion = _read(source, weights, told, output)
    if check and not isinstance(source, str | os.PathLike):
        _check_object(source, *((network, conversion) if weights is None else _read(source, None, None, None)), told)
    return network, conversion.formats


def _check_object(model: object, network: Network, conversion: Conversion, told: Callable[[str], None] | None) -> None:
    """Run a model object beside its Network; quantizers that the Network leaves out it would have."""
    if not conversion.formats:
        with naming(named(model)):
            check_live(network, keras_live(model, conversion.ends, network), named(model), told)


def _where(source: object) -> str:
    """What an error calls the model."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else named(source)


def _read(
    source: str | os.PathLike[str] | object,
    weights: str | os.PathLike[str] | None,
    told: Callable[[str], None] | None,
    output: str | None,
) -> tuple[Network, Conversion]:
    where = _where(source)
    with naming(where), _opened(source, weights, told) as (description, stored):
        is_file = isinstance(source, str | os.PathLike)
        network, conversion = _network(description, stored, told, output, is_file=is_file)
    check_parameters(network, where)
    return network, conversion


@contextlib.contextmanager
def _opened(
    source: str | os.PathLike[str] | object,
    weights: str | os.PathLike[str] | None,
    told: Callable[[str], None] | None,
) -> Iterator[tuple[Mapping[str, object], Weights]]:
    """The description of a model, and its weights."""
    if not isinstance(source, str | os.PathLike):
        description = describe(source)
        if weights is None:
            yield description, LayerWeights(source)
            return
        _check_class(description)
        with open_weights(Path(weights), source, told or _untold) as stored:
            yield description, stored
        return
    path = Path(os.fspath(source))
    if path.suffix.lower() == ".json":
        with open_json(path, Path(weights) if weights else None) as json_opened:
            yield json_opened
    elif path.suffix.lower() in H5_SUFFIXES:
        with open_h5(path) as h5_opened:
            yield h5_opened
    else:
        with open_archive(path) as opened:
            yield opened


@dataclass(frozen=True)
class Origin:
    """What of a Keras model a node was made from.

    layer: the layer itself. activation: whether the node is the layer's fused activation. roles: for each of the
    layer's weights, in Keras's order, the role of the parameter that it became.
    """

    layer: Any
    activation: bool
    roles: tuple[str, ...]


def from_keras_layers(model: object, told: Callable[[str], None] | None = None) -> tuple[Network, dict[str, Origin]]:
    """The Network of a model object as `from_keras` reads it, and by node what made it.

    The model's input has no origin, and neither has a node that is only a part of what a layer does.
    """
    where = named(model)
    with naming(where):
        network, conversion = _network(describe(model), LayerWeights(model), told)
    check_parameters(network, where)
    return network, {
        name: Origin(weights.layer, activation, roles)
        for name, (weights, activation, roles) in conversion.made_by.items()
        if isinstance(weights, LayerWeights)
    }


def _check_class(description: Mapping[str, object]) -> None:
    class_name, module = description.get("class_name"), description.get("module")
    if class_name not in MODELS or not isinstance(module, str) or not is_from_keras(module):
        raise ModelError(
            f"its class {excerpt(class_name)} is not keras.Model(inputs, outputs) or keras.Sequential, and what it "
            "computes is Python code: build the model from layers in one of these two ways and copy the weights"
        )


def _untold(line: str) -> None:
    """No one listens."""


def _network(
    description: Mapping[str, object],
    weights: Weights,
    told: Callable[[str], None] | None,
    output: str | None = None,
    *,
    is_file: bool = False,
) -> tuple[Network, Conversion]:
    _check_class(description)
    class_name, config = description.get("class_name"), description.get("config")
    if not isinstance(config, dict):
        raise ModelError("its configuration is damaged: save the model in Keras again")
    model = read_model(str(class_name), Settings(config))
    _refuse_several(model.inputs, "inputs", PACKED)
    if is_file:
        model = replace(model, outputs=(model.outputs[chosen_output(_output_names(model.outputs), output)],))
    _refuse_several(model.outputs, "outputs", CHOSEN)
    model, argmax = without_argmax(model)
    builder = NetworkBuilder(model.name)
    conversion = Conversion(builder, told or _untold)
    [end] = conversion.add_model(pruned(model), weights, None, "")
    network = builder.finish(end)
    if argmax is not None:
        with naming(f"layer {argmax.name}"):
            ending = ArgMax(builder.unique_name(argmax.name), keeps_axis(argmax, network.by_name[end].shape))
        network = replace(network, argmax=ending)
    return network, conversion


def _output_names(references: tuple[TensorReference, ...]) -> list[str]:
    """The layers' names; of a layer with several outputs, or several uses, with the number of each."""
    layers = [name for name, _, _ in references]
    return [
        name if layers.count(name) == 1 else f"{name}:{layers[:place].count(name)}" for place, name in enumerate(layers)
    ]


def _refuse_several(references: tuple[TensorReference, ...], what: str, remedy: str) -> None:
    if len(references) != 1:
        found = ", ".join(name for name, _, _ in references)
        raise ModelError(f"it has {len(references)} {what} ({found}) and bittrue takes one: {remedy}")
