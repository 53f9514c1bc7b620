"""The images on which a model is run beside its Network."""

import numpy as np

from bittrue.shapes import Shape


def random_images(shape: Shape, whole: bool = False) -> list[np.ndarray]:
    """Numbers of both signs, then numbers between 0 and 1, in float32; whole: numbers of pixels, 0 to 255, instead."""
    generator = np.random.default_rng(0)
    if whole:
        return [generator.integers(0, 256, shape).astype(np.float32) for _ in range(2)]
    return [generator.normal(size=shape).astype(np.float32), generator.random(shape, np.float32)]
