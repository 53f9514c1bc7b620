"""Front ends: a trained model goes in, a Network comes out. No framework is imported before a model asks for it."""

import os
from collections.abc import Callable
from pathlib import Path

from bittrue.errors import ModelError
from bittrue.frontends.python_file import build_model, names_a_function
from bittrue.network import Network
from bittrue.plan import Plan

READABLE = (
    "a .keras file (Keras 3), an .h5 file (Keras 2 or 3), an .onnx file, a .pt2 file (torch.export), a SavedModel "
    "folder (TensorFlow), file.py:function for a function that builds the model, a Keras 3 model object, a PyTorch "
    "module with its example input, an exported PyTorch program or an ONNX model"
)

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
PICKLE_SUFFIXES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def load(
    source: str | os.PathLike[str] | object,
    weights: str | os.PathLike[str] | None = None,
    *,
    example_input: object | None = None,
    told: Callable[[str], None] | None = None,
) -> Network:
    """The Network that `source` holds: a path, dispatched by its suffix, `file.py:function`, or a model object.

    weights: where the weights of a Keras model object, or of the one that the function builds, are: a `.weights.h5` or
    `.h5` file, or a TensorFlow checkpoint (its prefix, its index file, or its folder). The object's own stay as they
    are.
    told: is given a line for each variable of a checkpoint, saying which of the model's weights it became.

    example_input: a tensor (batch, …) that a PyTorch module takes, of which the shape alone counts. The function
    returns both as a pair (module, example input).

    Only `file.py:function` runs anything, and that is the user's own code.

    Raises: ModelError for a file that can't be read, a kind of model that bittrue doesn't read, or a layer that it
    doesn't support.
    """
    if example_input is not None:
        if not _comes_from(source, "torch") or _comes_from(source, "keras"):
            raise ModelError(
                f"an example input goes with a PyTorch module, and {_called(source)} is none: leave it out."
            )
        source = (source, example_input)
    if isinstance(source, str | os.PathLike):
        where = os.fspath(source)
        if not names_a_function(where):
            if weights is not None:
                raise ModelError(
                    f"{where} is a model with weights of its own: give weights only with file.py:function or a model "
                    "object."
                )
            return _load_file(where)
        source = build_model(where)
    else:
        where = _called(source)
    if isinstance(source, Network) and weights is None:
        return source
    if _comes_from(source, "keras", "tf_keras"):
        from bittrue.frontends.keras.model import from_keras

        return from_keras(source, weights, told=told)
    if weights is not None:
        raise ModelError(f"{where} is no Keras model with weights to be put in: leave the weights out.")
    return _load_object(source, where)


def load_with_plan(source: str | os.PathLike[str] | object) -> tuple[Network, Plan]:
    """The Network that an ONNX file with quantizers (QDQ or QONNX) holds, and the plan that they are.

    Raises: ModelError for another kind of model, one without quantizers, and quantizers that no fixed-point format is.
    """
    if isinstance(source, str | os.PathLike):
        may_hold = Path(source).suffix.lower() == ".onnx"
    else:
        may_hold = _comes_from(source, "onnx")
    if not may_hold:
        raise ModelError(f"{source} holds no plan: only an .onnx file with quantizers (QDQ or QONNX) does.")
    from bittrue.frontends.onnx.model import from_onnx_with_plan

    return from_onnx_with_plan(source)


def _load_file(path: str) -> Network:
    suffix = Path(path).suffix.lower()
    if suffix in KERAS_SUFFIXES:
        from bittrue.frontends.keras.model import from_keras

        return from_keras(path)
    if suffix == ".onnx":
        from bittrue.frontends.onnx.model import from_onnx

        return from_onnx(path)
    if suffix == ".pt2":
        from bittrue.frontends.torch.model import from_torch

        return from_torch(path)
    if suffix in PICKLE_SUFFIXES:
        raise ModelError(
            f"{path} is a pickle, which bittrue never loads because it may run code: give file.py:function for a "
            "function that returns the module with its weights and an example input, or a .pt2 file of torch.export."
        )
    if (Path(path) / "saved_model.pb").is_file():
        from bittrue.frontends.tensorflow.saved_model import from_saved_model

        return from_saved_model(path)
    if suffix == ".index" or Path(f"{path}.index").is_file() or (Path(path) / "checkpoint").is_file():
        raise ModelError(
            f"{path} is a TensorFlow checkpoint, which holds weights but no model: give file.py:function for the "
            "function that builds the model, with this as its weights."
        )
    raise ModelError(
        f"{path} is not a model that bittrue reads: give {READABLE}; "
        "a model open in Keras becomes such a file with model.save('model.keras')."
    )


def _load_object(source: object, where: str) -> Network:
    if _comes_from(source, "onnx"):
        from bittrue.frontends.onnx.model import from_onnx

        return from_onnx(source)
    module, example_input = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    if _comes_from(module, "torch"):
        from bittrue.frontends.torch.model import from_torch

        return from_torch(module, example_input)
    made = f"{where} is" if where.startswith("a ") else f"{where} returned a {type(source).__qualname__}, which is"
    raise ModelError(f"{made} not a model that bittrue reads: give {READABLE}.")


def _called(source: object) -> str:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else f"a {type(source).__qualname__}"


def _comes_from(source: object, *packages: str) -> bool:
    """Whether the object's class, or one that it derives from, is from one of these packages (tf_keras is Keras 2 under
    another name; a Keras model under the torch backend is a PyTorch module as well)."""
    return any(cls.__module__.partition(".")[0] in packages for cls in type(source).__mro__)
