"""Accuracy by the top value, of a network with one output per class."""

import math

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.ending import EndsIn
from bittrue.analysis.evaluating.metrics.classes import (
    PerImage,
    classes_metric,
    logits_loss,
    probability_loss,
    require_labels,
)
from bittrue.analysis.evaluating.metrics.finite import require_finite
from bittrue.errors import BittrueError


def tally(
    outputs: NDArray[np.float64], labels: NDArray[np.int64], *, ends_in: EndsIn, first_image: int = 0
) -> PerImage:
    """The records of one batch of a network with one output per class.

    `outputs`: (images, classes), the exact values of the output codes. `labels`: (images,). `first_image`: the batch's
    place in the data set, for errors.

    Loss: −log of p/Σp clipped to [1e-7, 1 − 1e-7], and of 1e-7 where Σp ≤ 0; for logits −log-softmax of the values.

    Raises: DataError for a label that no output stands for; BittrueError for outputs of another shape or not finite.
    """
    _classes(outputs.shape[1:])
    require_finite(outputs, first_image)
    require_labels(labels, outputs.shape[1], first_image)
    top = outputs.max(axis=1, keepdims=True)
    prediction = outputs.argmax(axis=1)  # NumPy documents that the first of several wins
    target = outputs[np.arange(len(labels)), labels]
    if ends_in == "logits":
        loss = [logits_loss(row, value) for row, value in zip(outputs.tolist(), target.tolist(), strict=True)]
        zero_sum = np.zeros(len(labels), np.bool_)
    else:
        sums = [math.fsum(row) for row in outputs.tolist()]
        loss = [probability_loss(value, total) for value, total in zip(target.tolist(), sums, strict=True)]
        zero_sum = np.array(sums, np.float64) <= 0
    return PerImage(
        prediction=prediction.astype(np.int32),
        correct=prediction == labels,
        tied=(outputs == top).sum(axis=1) > 1,
        target_is_top=target == top[:, 0],
        loss=np.array(loss, np.float64),
        zero_sum=zero_sum,
    )


def _classes(shape: tuple[int, ...]) -> int:
    """How many classes outputs of this shape tell apart."""
    if len(shape) != 1 or shape[0] < 2:
        raise BittrueError(
            f"The network's outputs have the shape {shape}, and accuracy by the top value needs a row of "
            "two or more: choose --metric binary, f1 or auc for a single value, mean-iou or pixel-accuracy for masks, "
            "else mse or sqnr."
        )
    return shape[0]


METRIC = classes_metric(
    "accuracy",
    _classes,
    lambda outputs, labels, ending, first: vars(tally(outputs, labels, ends_in=ending.ends_in, first_image=first)),
)
