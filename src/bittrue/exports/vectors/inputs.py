"""The inputs of golden vectors: images of the data, and hostile ones beside them."""

from dataclasses import dataclass

import numpy as np

from bittrue.data import Dataset, as_dataset
from bittrue.exports.job import Job

_EXACT_BITS = 24
"""Codes that a float32 holds."""


@dataclass(frozen=True)
class Vectors:
    """Inputs, and where each comes from: a sentence an image, as vectors.json has it."""

    origins: tuple[str, ...]
    images: Dataset


def vectors_of(job: Job) -> tuple[Vectors, ...]:
    """The images of the job, then the hostile inputs."""
    parts = [] if job.images is None else [_of_the_data(job.images)]
    if (beyond := hostile(job)) is not None:
        parts.append(beyond)
    return tuple(parts)


def _of_the_data(images: Dataset) -> Vectors:
    return Vectors(
        tuple(f"image {place} of {images.name}, {images.split} split" for place in range(images.images)), images
    )


def hostile(job: Job) -> Vectors | None:
    """All zero, all one unit, all at either end of the input's format, and both ends by turns.

    None where the format has ends that float32 doesn't hold, which no input can reach.
    """
    step = job.program.steps[0]
    low, high, bits = step.type.low, step.type.high, step.type.binary_point
    if low is None or high is None or max(-low, high) >> _EXACT_BITS or abs(bits) > 100:
        return None
    shape = step.type.shape
    turns = np.indices(shape).sum(axis=0) % 2 if shape else np.zeros((), np.int64)
    codes = {
        "every code 0": np.zeros(shape),
        "every code 1": np.full(shape, min(1, high)),
        "every code the lowest": np.full(shape, low),
        "every code the highest": np.full(shape, high),
        "lowest and highest by turns": np.where(turns == 0, low, high),
        "highest and lowest by turns": np.where(turns == 0, high, low),
    }
    x = np.ldexp(np.stack(list(codes.values())), -bits).astype(np.float32)
    return Vectors(tuple(codes), as_dataset(x, name="hostile inputs"))
