"""The inputs of golden vectors: images of the data, and hostile ones beside them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bittrue.exports.job import Job

_EXACT_BITS = 24
"""Codes that a float32 holds."""


@dataclass(frozen=True)
class Vector:
    """Where an input comes from: a sentence, as vectors.json has it."""

    origin: str
    x: NDArray[np.float32]


def vectors_of(job: Job) -> Iterator[Vector]:
    """The images of the job, then the hostile inputs: each a float32 tensor of the input's shape."""
    if job.images is not None:
        for batch in job.images.batches(1):
            yield Vector(f"image {batch.start} of {job.images.name}, {job.images.split} split", batch.x[0])
    yield from hostile(job)


def hostile(job: Job) -> Iterator[Vector]:
    """All zero, all one unit, all at either end of the input's format, and both ends by turns.

    None where the format has ends that float32 doesn't hold, which no input can reach.
    """
    step = job.program.steps[0]
    low, high, bits = step.type.low, step.type.high, step.type.binary_point
    if low is None or high is None or max(-low, high) >> _EXACT_BITS or abs(bits) > 100:
        return
    shape = step.type.shape
    turns = np.indices(shape).sum(axis=0) % 2 if shape else np.zeros((), np.int64)
    for origin, codes in (
        ("every code 0", np.zeros(shape)),
        ("every code 1", np.full(shape, min(1, high))),
        ("every code the lowest", np.full(shape, low)),
        ("every code the highest", np.full(shape, high)),
        ("lowest and highest by turns", np.where(turns == 0, low, high)),
        ("highest and lowest by turns", np.where(turns == 0, high, low)),
    ):
        yield Vector(origin, np.ldexp(codes, -bits).astype(np.float32))
