"""Tensors as an ONNX file stores them, in itself or beside it: what they declare is compared with what is there."""

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bittrue.errors import ModelError
from bittrue.shapes import Shape

if TYPE_CHECKING:
    from onnx import TensorProto

MAXIMUM_VALUES = 1 << 28
"""One tensor's values: 1 GiB in float32, beyond which a description is damaged or hostile."""


def decode(tensor: "TensorProto", folder: Path | None) -> np.ndarray:
    """A stored tensor as an array, once what it declares is seen to be there."""
    from onnx import TensorProto, numpy_helper

    dims = tuple(tensor.dims)
    if any(size < 0 for size in dims) or prod(dims) > MAXIMUM_VALUES:
        raise ModelError(f"it declares the shape {dims}: export the model again")
    try:
        if tensor.data_location == TensorProto.EXTERNAL:
            return _external(tensor, dims, folder)
        return np.asarray(numpy_helper.to_array(tensor))
    except ModelError:
        raise
    except Exception as error:  # numpy_helper meets damage with ValueError, TypeError, KeyError and others
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(
            f"it doesn't hold the values of its shape {dims} ({reason}): export the model again"
        ) from error


def _external(tensor: "TensorProto", dims: Shape, folder: Path | None) -> np.ndarray:
    """A tensor kept in another file, which must be an ordinary one in the model's folder or below."""
    from onnx.helper import tensor_dtype_to_np_dtype

    place = {entry.key: entry.value for entry in tensor.external_data}
    location = place.get("location", "")
    if folder is None:
        raise ModelError(f"it lies in {location}, and a model in memory has no folder: pass the model's path")
    target, root = (folder / location).resolve(), folder.resolve()
    if not location or Path(location).is_absolute() or not target.is_relative_to(root):
        raise ModelError(f"it lies in {location!r}, outside the model's folder: export the model in one folder")
    if not target.is_file():
        raise ModelError(f"it lies in {location}, and there is no such file: copy the model's data files, too")
    kind = tensor_dtype_to_np_dtype(tensor.data_type)
    offset, length = int(place.get("offset", "0")), prod(dims) * kind.itemsize
    if int(place.get("length", length)) != length or offset < 0 or offset + length > target.stat().st_size:
        raise ModelError(f"it needs {length:,} bytes of {location}, which holds others: copy the model's data files")
    with target.open("rb") as stream:
        stream.seek(offset)
        data = stream.read(length)
    return np.frombuffer(data, kind.newbyteorder("<")).astype(kind).reshape(dims)
