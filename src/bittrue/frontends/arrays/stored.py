"""A trained array where it is stored, and its exact value."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bittrue.errors import ModelError
from bittrue.shapes import Shape


@dataclass(frozen=True)
class StoredArray:
    """A trained array whose shape is known before it is read, so that a wrong one costs nothing."""

    shape: Shape
    read: Callable[[], np.ndarray]


def exact_value(value: np.ndarray) -> np.ndarray:
    """`value` in float32 without a change of any number; in float64 where float32 can't hold every one.

    Raises: ModelError for values that are not floating point, and for finite ones beyond float32's range.
    """
    if value.dtype.name in ("float16", "bfloat16", "float32"):
        return np.ascontiguousarray(value, np.float32)
    if value.dtype.name != "float64":
        raise ModelError(f"its weights are {value.dtype.name}: save the float model, before any quantization")
    wide = np.ascontiguousarray(value, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = wide.astype(np.float32)
    beyond = np.isinf(narrow) & np.isfinite(wide)
    if beyond.any():
        raise ModelError(
            f"its weights reach {np.abs(wide[beyond]).max():.1e}, beyond float32, in which the float row is computed: "
            "train or export the model with weights that float32 holds"
        )
    return narrow if np.array_equal(narrow, wide, equal_nan=True) else wide
