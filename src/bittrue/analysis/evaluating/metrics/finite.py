"""Outputs that no metric can judge."""

import numpy as np
from numpy.typing import NDArray

from bittrue.errors import BittrueError


def require_finite(outputs: NDArray[np.float64], first_image: int) -> None:
    finite = np.isfinite(outputs.astype(np.float64, copy=False)).reshape(len(outputs), -1).all(axis=1)
    if not finite.all():
        image = first_image + int(finite.argmin())
        raise BittrueError(
            f"The network's output for image {image} is not a finite number: look for the node that overflows, or "
            "leave the image out."
        )
