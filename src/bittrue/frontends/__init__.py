"""Front ends: a trained model goes in, a Network comes out. No framework is imported before a model asks for it."""

import os
from collections.abc import Callable

from bittrue.environment import exact_environment
from bittrue.errors import ModelError
from bittrue.files import check_ordinary, unchanged
from bittrue.frontends.doors import READABLE, TORCH_OBJECT, ClosedDoor, FileDoor, called, file_door, object_door
from bittrue.frontends.python_file import build_model, names_a_function, without_function
from bittrue.network import Network
from bittrue.plan import Plan


@exact_environment()
def load(
    source: str | os.PathLike[str] | object,
    weights: str | os.PathLike[str] | None = None,
    *,
    example_input: object | None = None,
    told: Callable[[str], None] | None = None,
    check: bool = True,
) -> Network:
    """The Network that `source` holds: a path, `file.py:function`, or a model object, by the doors of `doors.py`.

    weights: where the weights of a Keras model object, or of the one that the function builds, are: a `.weights.h5` or
    `.h5` file, or a TensorFlow checkpoint (its prefix, its index file, or its folder). The object's own stay as they
    are. With a `.json` file of Keras, the `.weights.h5` or `.h5` file of its weights.
    told: is given a line for each variable of a checkpoint, saying which of the model's weights it became, for each
    layer that only augments the images of the training, and for quantizers that a file holds beside the network.

    example_input: a tensor (batch, …) that a PyTorch module takes, of which the shape alone counts. The function
    returns both as a pair (module, example input).

    check: what can be run here (a model object, a .pt2 program; of an .onnx file see `from_onnx`)
    runs once beside the Network, on random images, and is refused where that computes something else.

    Only `file.py:function` runs anything, and that is the user's own code.

    Raises: ModelError for a file that can't be read, a kind of model that bittrue doesn't read, or a layer that it
    doesn't support; BittrueError for files that are replaced or written to while they are read.
    """
    if isinstance(weights, str | os.PathLike):
        check_ordinary(weights)
    if example_input is not None:
        if object_door(source) is not TORCH_OBJECT:
            raise ModelError(
                f"an example input goes with a PyTorch module, and {called(source)} is none: leave it out."
            )
        source = (source, example_input)
    where = called(source)
    if isinstance(source, str | os.PathLike):
        if not names_a_function(where):
            return _load_file(where, {"weights": weights, "told": told, "check": check})
        source = build_model(where)
    return _load_object(source, where, {"weights": weights, "told": told, "check": check})


@exact_environment()
def load_with_plan(source: str | os.PathLike[str] | object) -> tuple[Network, Plan]:
    """The Network and the plan of a model that holds quantizers: an ONNX one (QDQ or QONNX), a Keras one (QKeras, HGQ).

    Raises: ModelError for another kind of model, one without quantizers, and quantizers that no fixed-point format is.
    """
    door = file_door(os.fspath(source)) if isinstance(source, str | os.PathLike) else object_door(source)
    if door is None or isinstance(door, ClosedDoor) or door.with_plan is None:
        raise ModelError(
            f"{called(source)} holds no plan: an .onnx file with quantizers (QDQ, QONNX) does, and a Keras file of "
            "QKeras or HGQ."
        )
    with unchanged(*([source] if isinstance(source, str | os.PathLike) else ())):
        network, plan = door.with_plan(source)
    return network, plan


def _load_file(path: str, arguments: dict[str, object]) -> Network:
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
            f"{path} is not a model that bittrue reads: give {READABLE}; "
            "a model open in Keras becomes such a file with model.save('model.keras')."
        )
    if isinstance(door, ClosedDoor):
        raise ModelError(f"{path} {door.sentence}")
    beside = arguments["weights"]
    with unchanged(path, *([beside] if isinstance(beside, str | os.PathLike) else ())):
        network: Network = door.read(path, **{name: arguments[name] for name in door.accepts})
    return network


def _load_object(source: object, where: str, arguments: dict[str, object]) -> Network:
    """where: what errors call it; the source as it was given, a file's function included."""
    if isinstance(source, Network) and arguments["weights"] is None:
        return source
    module, example_input = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    door = TORCH_OBJECT if module is not source and TORCH_OBJECT.recognises(module) else object_door(source)
    if arguments["weights"] is not None and (door is None or "weights" not in door.accepts):
        raise ModelError(f"{where} is no Keras model with weights to be put in: leave the weights out.")
    if door is None:
        made = f"{where} is" if where.startswith("a ") else f"{where} returned a {type(source).__qualname__}, which is"
        raise ModelError(f"{made} not a model that bittrue reads: give {READABLE}.")
    arguments = {**arguments, "example_input": example_input}
    weights = arguments["weights"]
    with unchanged(*([weights] if isinstance(weights, str | os.PathLike) else ())):
        network: Network = door.read(module, **{name: arguments[name] for name in door.accepts})
    return network
