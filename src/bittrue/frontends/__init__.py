"""Front ends: a trained model goes in, a Network comes out. No framework is imported before a model asks for it."""

import os
from pathlib import Path

from bittrue.errors import ModelError
from bittrue.network import Network

READABLE = "a .keras file (Keras 3), an .h5 file (Keras 2 or 3) or a Keras 3 model object"

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")


def load(source: str | os.PathLike[str] | object) -> Network:
    """The Network that `source` holds: a path, dispatched by its suffix, or a framework's model object.

    Raises: ModelError for a file that can't be read, a kind of model that bittrue doesn't read, or a layer that it
    doesn't support.
    """
    if isinstance(source, str | os.PathLike):
        suffix = Path(source).suffix.lower()
        if suffix not in KERAS_SUFFIXES:
            raise ModelError(
                f"{os.fspath(source)} is not a model that bittrue reads: give {READABLE}; "
                "a model open in Keras becomes such a file with model.save('model.keras')."
            )
    elif not _comes_from_keras(source):
        raise ModelError(f"a {type(source).__qualname__} is not a model that bittrue reads: give {READABLE}.")
    from bittrue.frontends.keras import from_keras

    return from_keras(source)


def _comes_from_keras(source: object) -> bool:
    """Whether the object's class, or one that it derives from, is Keras's (tf_keras is Keras 2 under another name)."""
    return any(cls.__module__.partition(".")[0] in ("keras", "tf_keras") for cls in type(source).__mro__)
