"""Python pickles of plain values and arrays, read without running anything that they name.

A pickle may name any function and have it called. Here only the names with which NumPy's arrays are spelled are known,
and each leads to an inert stand-in that merely keeps what it is given; the array is made afterwards from checked bytes.
"""

import pickle
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue.data.source import reason
from bittrue.data.unchanged import DataFile
from bittrue.errors import ChangedError, DataError


class _Array:
    """Stands in for an array: keeps numpy's state (version, shape, type, Fortran order, bytes)."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def pixels(self) -> NDArray[np.uint8] | None:
        """The array, if it is a complete uint8 array in C order."""
        match self.state:
            case (_, tuple(shape), _Type(name="u1" | b"u1"), False | 0, bytes(content)):
                if all(type(size) is int and size >= 0 for size in shape):
                    flat = np.frombuffer(content, np.uint8)
                    return flat.reshape(shape) if flat.size == prod(shape) else None
        return None


class _Type:
    """Stands in for numpy.dtype: keeps the type's name."""

    def __init__(self, name: Any = None, *_: Any) -> None:
        self.name = name

    def __setstate__(self, state: Any) -> None:
        """A type's byte order and the like; a uint8 has none."""


def _latin1(text: str, encoding: str) -> bytes:
    """Stands in for `_codecs.encode`, by which Python 3 spells bytes in old pickles."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r}")
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _latin1,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no plain array")
        return _KNOWN[module, name]


def load_plain_pickle(file: DataFile) -> object:
    """The pickle in `file`: numbers, strings (bytes where Python 2 wrote them), lists, dictionaries, uint8 arrays.

    An array that is anything but a complete uint8 array becomes None; only the values of a dictionary at the top may be
    arrays. Raises DataError for a damaged file and for one that names anything else; nothing is run.
    """
    try:
        with file.opened() as stream:
            content = _PlainUnpickler(stream, encoding="bytes").load()
            file.check(stream)
    except ChangedError:
        raise
    # A hostile or damaged pickle can make the unpickler raise nearly anything.
    except Exception as error:
        raise DataError(
            f"{file.path} can't be read ({reason(error)}): it is damaged, or no plain CIFAR-10 batch, so it is refused."
        ) from error
    if isinstance(content, dict):
        return {key: value.pixels() if isinstance(value, _Array) else value for key, value in content.items()}
    return content
