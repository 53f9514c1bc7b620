"""Front ends: a trained model goes in, a Network comes out. No framework is imported before a model asks for it."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from bittrue.environment import exact_environment
from bittrue.errors import ModelError
from bittrue.files import check_ordinary, unchanged
from bittrue.frontends.doors import (
    READABLE,
    TORCH_OBJECT,
    ClosedDoor,
    FileDoor,
    ObjectDoor,
    called,
    file_door,
    object_door,
)
from bittrue.frontends.python_file import build_model, names_a_function, without_function
from bittrue.network import Network
from bittrue.plan import Plan, Spec


@exact_environment()
def load(
    source: str | os.PathLike[str] | object,
    weights: str | os.PathLike[str] | None = None,
    *,
    example_input: object | None = None,
    told: Callable[[str], None] | None = None,
    check: bool = True,
    output: str | None = None,
) -> Network:
    """The Network that `source` holds: a path, `file.py:function`, or a model object, by the doors of `doors.py`.

    weights: where the weights of a Keras model object, or of the one that the function builds, are: a `.weights.h5` or
    `.h5` file, or a TensorFlow checkpoint (its prefix, its index file, or its folder). The object's own stay as they
    are. With a `.json` file of Keras, the `.weights.h5` or `.h5` file of its weights.
    told: is given a line for each variable of a checkpoint, saying which of the model's weights it became, for each
    layer that only augments the images of the training, and for quantizers that a file holds beside the network.

    example_input: a tensor (batch, …) that a PyTorch module takes, of which the shape alone counts. The function
    returns both as a pair (module, example input).

    check: what can be run here (a model object, a .pt2 program, a SavedModel, an .onnx file where onnxruntime is
    installed) runs once beside the Network, on random images, and is refused where that computes something else.

    output: the name of the one that the Network computes, where a file's model has several: of an .onnx file, a
    SavedModel's signature, or a layer of a Keras file.

    Of a file nothing runs but operations that only compute; `file.py:function` is the user's own code.

    Raises: ModelError for a file that can't be read, a kind of model that bittrue doesn't read, or a layer that it
    doesn't support; BittrueError for files that are replaced or written to while they are read.
    """
    if example_input is not None:
        if object_door(source) is not TORCH_OBJECT:
            raise ModelError(
                f"an example input goes with a PyTorch module, and {called(source)} is none: leave it out."
            )
        source = (source, example_input)
    network, formats = _read(source, weights, told, check, output)
    if formats:
        from bittrue.frontends.file_plan import tell_left_out  # operators, and with them torch: not before a model asks

        tell_left_out(called(source), formats, told)
    return network


@exact_environment()
def load_with_plan(
    source: str | os.PathLike[str] | object,
    weights: str | os.PathLike[str] | None = None,
    *,
    told: Callable[[str], None] | None = None,
    check: bool = True,
    output: str | None = None,
) -> tuple[Network, Plan]:
    """The Network and the plan of a model that holds quantizers: an ONNX one (QDQ or QONNX), a Keras one (QKeras, HGQ).

    A quantizer's format is that of the node or the weight that it rounds; see `plan_of` for what the model rounds
    nowhere. weights, told, check, output: see `load`.

    Raises: ModelError for another kind of model, one without quantizers, and quantizers that no fixed-point format is.
    """
    network, plan = load_with_any_plan(source, weights, told=told, check=check, output=output)
    if plan is None:
        raise ModelError(
            f"{called(source)}: it holds no quantizers, so there is no plan in it (an .onnx file of QDQ or QONNX has "
            "one, and a Keras file of QKeras or HGQ): make one with `bittrue plan MODEL --word-length W`."
        )
    return network, plan


@exact_environment()
def load_with_any_plan(
    source: str | os.PathLike[str] | object,
    weights: str | os.PathLike[str] | None = None,
    *,
    told: Callable[[str], None] | None = None,
    check: bool = True,
    output: str | None = None,
) -> tuple[Network, Plan | None]:
    """The Network, as `load` reads it, and the plan that its quantizers are; None where the model holds none."""
    network, formats = _read(source, weights, told, check, output)
    if not formats:
        return network, None
    from bittrue.frontends.file_plan import plan_of

    return network, plan_of(network, formats)


def _read(
    source: Any,
    weights: str | os.PathLike[str] | None,
    told: Callable[[str], None] | None,
    check: bool,
    output: str | None,
) -> tuple[Network, Mapping[str, Spec]]:
    """The Network, and by site the formats that the model holds."""
    if isinstance(weights, str | os.PathLike):
        check_ordinary(weights)
    where, arguments = called(source), {"weights": weights, "told": told, "check": check, "output": output}
    if isinstance(source, str | os.PathLike):
        if not names_a_function(where):
            return _read_file(where, arguments)
        source = build_model(where)
    return _read_object(source, where, arguments)


def _read_file(path: str, arguments: Mapping[str, object]) -> tuple[Network, Mapping[str, Spec]]:
    check_ordinary(path)
    if path.endswith(".py"):
        raise without_function(path)
    door = file_door(path)
    if arguments["weights"] is not None and not (isinstance(door, FileDoor) and "weights" in door.accepts):
        raise ModelError(
            f"{path} is a model with weights of its own: give weights only with file.py:function or a model object."
        )
    if door is None:
        raise ModelError(
            f"{path} is not a model that bittrue reads: give {READABLE}; in Keras model.save('model.keras') writes one."
        )
    if isinstance(door, ClosedDoor):
        raise ModelError(f"{path} {door.sentence}")
    beside = arguments["weights"]
    with unchanged(path, *([beside] if isinstance(beside, str | os.PathLike) else ())):
        return _through(door, path, arguments)


def _read_object(source: object, where: str, arguments: Mapping[str, object]) -> tuple[Network, Mapping[str, Spec]]:
    """where: what errors call it; the source as it was given, a file's function included."""
    if isinstance(source, Network) and arguments["weights"] is None:
        return source, {}
    module, example_input = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    door = TORCH_OBJECT if module is not source and TORCH_OBJECT.recognises(module) else object_door(source)
    if arguments["weights"] is not None and (door is None or "weights" not in door.accepts):
        raise ModelError(f"{where} is no Keras model with weights to be put in: leave the weights out.")
    if door is None:
        made = f"{where} is" if where.startswith("a ") else f"{where} returned a {type(source).__qualname__}, which is"
        raise ModelError(f"{made} not a model that bittrue reads: give {READABLE}.")
    weights = arguments["weights"]
    with unchanged(*([weights] if isinstance(weights, str | os.PathLike) else ())):
        return _through(door, module, {**arguments, "example_input": example_input})


def _through(
    door: FileDoor | ObjectDoor, source: object, arguments: Mapping[str, object]
) -> tuple[Network, Mapping[str, Spec]]:
    """What comes through a door, given the arguments that it accepts."""
    if arguments["output"] is not None and "output" not in door.accepts:
        raise ModelError(
            f"{called(source)} has one output here, so leave --output out: of a model of several make one that returns "
            "the one that the hardware computes."
        )
    found = door.read(source, **{name: arguments[name] for name in door.accepts})
    return found if door.with_formats else (found, {})
