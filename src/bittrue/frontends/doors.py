"""The doors that a model comes through: one row a kind of file or object, which `load` walks.

A row names its reader and what the reader needs as text, so that nothing is imported for a door that stays closed.
"""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bittrue.errors import ModelError


@dataclass(frozen=True)
class Needs:
    """Packages that don't come with bittrue itself, and the sentence where they are missing."""

    packages: tuple[str, ...]
    missing: str

    def check(self) -> None:
        """Raises: ModelError where one of the packages is not installed."""
        if any(importlib.util.find_spec(package) is None for package in self.packages):
            raise ModelError(self.missing)


@dataclass(frozen=True)
class Reader:
    """A function of a front end by its module there, imported when it is called."""

    module: str
    function: str

    def __call__(self, source: object, **arguments: object) -> Any:
        return getattr(import_module(f"bittrue.frontends.{self.module}"), self.function)(source, **arguments)


@dataclass(frozen=True)
class FileDoor:
    """A kind of file or folder that is read.

    called: what a list of all that is read calls it, a file by its ending. recognises: whether a path is one. accepts:
    as an ObjectDoor's. with_formats: the reader gives the Network and the formats of the file's quantizers, by site;
    else the Network.
    """

    called: str
    recognises: Callable[[Path], bool]
    read: Reader
    accepts: tuple[str, ...] = ()
    with_formats: bool = False


@dataclass(frozen=True)
class ClosedDoor:
    """A kind of file that people try and that is not read: what it is and the way that works, behind its path."""

    recognises: Callable[[Path], bool]
    sentence: str


@dataclass(frozen=True)
class ObjectDoor:
    """A kind of model in memory.

    packages: those of its class, or of one that its class derives from. accepts: the arguments of `load` that the
    reader takes beside the model. with_formats: as a FileDoor's.
    """

    called: str
    packages: tuple[str, ...]
    read: Reader
    accepts: tuple[str, ...] = ()
    with_formats: bool = False

    def recognises(self, source: object) -> bool:
        return any(cls.__module__.partition(".")[0] in self.packages for cls in type(source).__mro__)


def _ends_in(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.suffix.lower() in suffixes


def _holds(name: str) -> Callable[[Path], bool]:
    return lambda path: (path / name).is_file()


def _is_checkpoint(path: Path) -> bool:
    """By its index file, its prefix, or its folder."""
    return path.suffix.lower() == ".index" or Path(f"{path}.index").is_file() or (path / "checkpoint").is_file()


NEEDS_ONNX = Needs(
    ("onnx",),
    "ONNX models are read with the onnx package, which is not installed: run `pip install 'bittrue[onnx]'`",
)
NEEDS_ONNX_TO_WRITE = Needs(
    ("onnx",),
    "ONNX files are written with the onnx package, which is not installed: run `pip install 'bittrue[onnx]'`.",
)
NEEDS_EXPORTER = Needs(
    ("onnx", "onnxscript"),
    "PyTorch models are read by way of ONNX, and its packages are not installed: run `pip install 'bittrue[onnx]'`",
)
NEEDS_TENSORFLOW = Needs(
    ("tensorflow", "tf2onnx", "onnx"),
    "a SavedModel is read with TensorFlow and tf2onnx, which are not installed: "
    "run `pip install 'bittrue[tensorflow]'`",
)
"""Each reader checks its own as it begins, since it may be called without a door."""

_KERAS = Reader("keras.model", "from_keras_with_formats")
_ONNX = Reader("onnx.model", "from_onnx_with_formats")
_TORCH = Reader("torch.model", "from_torch")

FILES: tuple[FileDoor | ClosedDoor, ...] = (
    FileDoor(".keras", _ends_in(".keras"), _KERAS, ("told", "output"), with_formats=True),
    FileDoor(".h5", _ends_in(".h5", ".hdf5"), _KERAS, ("told", "output"), with_formats=True),
    FileDoor(
        ".json",
        _ends_in(".json"),
        _KERAS,
        ("weights", "told", "output"),
        with_formats=True,
    ),
    FileDoor(".onnx", _ends_in(".onnx"), _ONNX, ("told", "check", "output"), with_formats=True),
    FileDoor(".pt2", _ends_in(".pt2"), _TORCH, ("check", "told")),
    ClosedDoor(
        _ends_in(".pt", ".pth", ".ckpt", ".pkl", ".pickle"),
        "is a pickle, which bittrue never loads because it may run code: give file.py:function for a function that "
        "returns the module with its weights and an example input, or a .pt2 file of torch.export.",
    ),
    FileDoor(
        "a SavedModel folder",
        _holds("saved_model.pb"),
        Reader("tensorflow.saved_model", "from_saved_model"),
        ("check", "told", "output"),
    ),
    ClosedDoor(
        _ends_in(".tflite"),
        "is a TensorFlow Lite model, whose integers don't say the formats: give the .keras, .h5 or .onnx file or the "
        "SavedModel folder that it was made from.",
    ),
    ClosedDoor(
        _ends_in(".npy", ".npz", ".csv", ".parquet"),
        "holds data, no model: give the model first, and data as --data.",
    ),
    ClosedDoor(
        _ends_in(".pb"), "is a part of a SavedModel: give the folder that holds saved_model.pb and its variables."
    ),
    ClosedDoor(
        _is_checkpoint,
        "is a TensorFlow checkpoint, which holds weights but no model: give file.py:function for the function that "
        "builds the model, with this as its weights.",
    ),
)
"""A path goes through the first that recognises it."""

KERAS_OBJECT = ObjectDoor("Keras", ("keras", "tf_keras"), _KERAS, ("weights", "told", "check"), with_formats=True)
TORCH_OBJECT = ObjectDoor(
    "PyTorch",
    ("torch",),
    _TORCH,
    ("example_input", "check", "told"),
)
ONNX_OBJECT = ObjectDoor("ONNX", ("onnx",), _ONNX, ("told", "check", "output"), with_formats=True)

OBJECTS = (KERAS_OBJECT, TORCH_OBJECT, ONNX_OBJECT)
"""An object goes through the first that recognises it: a Keras model may be a PyTorch module as well."""

_ENDINGS, _FOLDERS, _OBJECTS = (
    [door.called for door in FILES if isinstance(door, FileDoor) and door.called.startswith(".")],
    [door.called for door in FILES if isinstance(door, FileDoor) and not door.called.startswith(".")],
    [door.called for door in OBJECTS],
)
READABLE = (
    f"a {', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]} file, {', '.join(_FOLDERS)}, file.py:function, or a model object "
    f"of {', '.join(_OBJECTS[:-1])} or {_OBJECTS[-1]}"
)
"""All that is read, for an error's sentence."""


def file_door(path: str) -> FileDoor | ClosedDoor | None:
    """The door of the file or folder at `path`, None where there is none."""
    return next((door for door in FILES if door.recognises(Path(path))), None)


def object_door(source: object) -> ObjectDoor | None:
    """The door that a model in memory goes through, None where there is none."""
    return next((door for door in OBJECTS if door.recognises(source)), None)


def called(source: object) -> str:
    """What an error's sentence calls the source."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else f"a {type(source).__qualname__}"
