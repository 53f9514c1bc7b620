"""Where a Keras model ends: what its output doesn't need is left out, and so is a final argmax, which the host does."""

from dataclasses import replace

from bittrue.errors import ModelError
from bittrue.frontends.keras.config import KerasLayer, KerasModel, Settings, TensorReference
from bittrue.frontends.keras.operations import OPERATION_ADVICE
from bittrue.shapes import Shape


def pruned(model: KerasModel) -> KerasModel:
    """The model without layers that no output needs, as where one of several outputs was chosen."""
    layers = {layer.name: layer for layer in model.layers}
    needed: set[str] = set()
    wanted = [name for name, _, _ in (*model.inputs, *model.outputs)]
    while wanted:
        name = wanted.pop()
        if name in layers and name not in needed:
            needed.add(name)
            wanted += [source for call in layers[name].calls for source, _, _ in call.tensors]
    return replace(model, layers=tuple(layer for layer in model.layers if layer.name in needed))


def without_argmax(model: KerasModel) -> tuple[KerasModel, KerasLayer | None]:
    """The model of one output up to what a final `keras.ops.argmax` reads, and that operation."""
    [(name, call, _)] = model.outputs
    found = [layer for layer in model.layers if layer.name == name and layer.is_operation]
    if not found or found[0].class_name != "Argmax" or call >= len(found[0].calls):
        return model, None
    tensors = found[0].calls[call].tensors
    if len(tensors) != 1:
        return model, None
    outputs: tuple[TensorReference, ...] = tensors
    return replace(model, outputs=outputs), found[0]


def keeps_axis(argmax: KerasLayer, shape: Shape) -> bool:
    """Whether the axis of a final argmax stays, with size 1; shape: of one image's values before it.

    Raises: ModelError where it works along another axis than the last, along which classes lie.
    """
    settings = Settings({"axis": None, "keepdims": False} | dict(argmax.settings.values))
    rank = len(shape) + 1
    if settings.values["axis"] not in (-1, rank - 1) or rank < 2 or shape[-1] < 2:
        axis = settings.values["axis"]
        raise ModelError(f"argmax along axis {axis!r:.20} of {rank} is not supported: {OPERATION_ADVICE['Argmax']}")
    return settings.flag("keepdims")
