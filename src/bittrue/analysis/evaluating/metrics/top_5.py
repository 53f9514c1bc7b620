"""Accuracy by the five top values, of a network with one output per class."""

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.ending import EndsIn
from bittrue.analysis.evaluating.metrics.accuracy import tally
from bittrue.analysis.evaluating.metrics.classes import PerImage, classes_metric
from bittrue.errors import BittrueError

PLACES = 5


def tally_top_5(
    outputs: NDArray[np.float64], labels: NDArray[np.int64], *, ends_in: EndsIn, first_image: int = 0
) -> PerImage:
    """As `accuracy.tally`, but an image is right where fewer than five outputs come before its label's: greater ones,
    and equal ones of smaller classes. `tied`: whether equal values decide that; `target_is_top`: whether it is right if
    they all come after."""
    _classes(outputs.shape[1:])
    first = tally(outputs, labels, ends_in=ends_in, first_image=first_image)
    target = outputs[np.arange(len(labels)), labels][:, None]
    greater = (outputs > target).sum(axis=1)
    equal = outputs == target
    before = greater + (equal & (np.arange(outputs.shape[1]) < labels[:, None])).sum(axis=1)
    return PerImage(
        prediction=first.prediction,
        correct=before < PLACES,
        tied=(greater < PLACES) & (greater + equal.sum(axis=1) > PLACES),
        target_is_top=greater < PLACES,
        loss=first.loss,
        zero_sum=first.zero_sum,
    )


def _classes(shape: tuple[int, ...]) -> int:
    """How many classes outputs of this shape tell apart."""
    if len(shape) != 1 or shape[0] <= PLACES:
        raise BittrueError(
            f"The network's outputs have the shape {shape} an image, and --metric top-5 needs a row of more than "
            f"{PLACES}: choose another, as --metric accuracy for a row of two or more."
        )
    return shape[0]


METRIC = classes_metric(
    "top-5",
    _classes,
    lambda outputs, labels, ending, first: vars(
        tally_top_5(outputs, labels, ends_in=ending.ends_in, first_image=first)
    ),
    PLACES,
)
