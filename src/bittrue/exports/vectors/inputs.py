"""The inputs of golden vectors: images of the data, and hostile ones beside them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bittrue.data import Dataset, as_dataset
from bittrue.environment import exact_environment
from bittrue.exports.job import Job
from bittrue.simulation.simulator import Simulator

_EXACT_BITS = 24
"""Codes that a float32 holds."""


@dataclass(frozen=True)
class Vectors:
    """Inputs, and where each comes from: a sentence an image, as vectors.json has it."""

    origins: tuple[str, ...]
    images: Dataset


def vectors_of(job: Job) -> tuple[Vectors, ...]:
    """The images of the job, then the hostile inputs: images that overflow, and what the input's format can have."""
    overflowing = first_overflows(job)
    parts = [] if job.images is None else [_of_the_data(job.images, overflowing)]
    if job.data is not None and (others := _other_images(job, job.data, overflowing)) is not None:
        parts.append(others)
    if (beyond := hostile(job)) is not None:
        parts.append(beyond)
    return tuple(parts)


@exact_environment()
def first_overflows(job: Job) -> dict[int, list[str]]:
    """By image, in the order in which they are searched, the sites that overflow in it and in none before."""
    found: dict[int, list[str]] = {}
    if job.data is None or not job.searched:
        return found
    simulator = Simulator(job.program)
    seen: set[str] = set()
    for number in job.searched:
        overflows = simulator.run(_image(job.data, number)).overflows
        fresh = [site for site, count in overflows.items() if count and site not in seen]
        if fresh:
            found[number] = fresh
            seen.update(fresh)
        if len(seen) == len(overflows):
            break
    return found


def _image(data: Dataset, number: int) -> np.ndarray:
    return next(iter(data.skip(number).take(1).batches(1))).x


def _of_the_data(images: Dataset, overflowing: Mapping[int, list[str]]) -> Vectors:
    return Vectors(tuple(_origin(images, place, overflowing) for place in range(images.images)), images)


def _other_images(job: Job, data: Dataset, overflowing: Mapping[int, list[str]]) -> Vectors | None:
    """The images that overflow and aren't among the first, which are vectors anyway."""
    first = 0 if job.images is None else job.images.images
    numbers = [number for number in overflowing if number >= first]
    if not numbers:
        return None
    x = np.concatenate([_image(data, number) for number in numbers])
    origins = tuple(_origin(data, number, overflowing) for number in numbers)
    return Vectors(origins, as_dataset(x, name="images that overflow"))


def _origin(data: Dataset, number: int, overflowing: Mapping[int, list[str]]) -> str:
    origin = f"image {number} of {data.name}, {data.split} split"
    sites = overflowing.get(number)
    return origin if sites is None else f"{origin}: the first that overflows at {', '.join(sites)}"


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
