"""Accuracy of a network with a single output, which says one class of two."""

import math

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.ending import THRESHOLDS, EndsIn
from bittrue.analysis.evaluating.metrics.classes import (
    PerImage,
    classes_metric,
    logits_loss,
    probability_loss,
    require_labels,
)
from bittrue.analysis.evaluating.metrics.finite import require_finite
from bittrue.errors import BittrueError


def tally_binary(
    outputs: NDArray[np.float64], labels: NDArray[np.int64], *, ends_in: EndsIn, first_image: int = 0
) -> PerImage:
    """The records of one batch of a network with one output, which says class 1 above 0.5 (logits: above 0).

    `outputs`: (images,) or (images, 1). A value at the threshold says class 0 and counts as tied. Loss: binary cross
    entropy, of the probability clipped to [1e-7, 1 − 1e-7], or of the logit as it is. Raises: as `tally`.
    """
    _classes(outputs.shape[1:])
    require_finite(outputs, first_image)
    require_labels(labels, 2, first_image)
    values = outputs.reshape(len(outputs))
    threshold = THRESHOLDS[ends_in]
    prediction = (values > threshold).astype(np.int32)
    correct = prediction == labels
    tied = values == threshold
    loss = [
        logits_loss([0.0, value], value * label)
        if ends_in == "logits"
        else probability_loss(value if label else 1 - value, 1.0)
        for value, label in zip(values.tolist(), labels.tolist(), strict=True)
    ]
    return PerImage(
        prediction=prediction,
        correct=correct,
        tied=tied,
        target_is_top=correct | tied,
        loss=np.array(loss, np.float64),
        zero_sum=np.zeros(len(labels), np.bool_),
    )


def _classes(shape: tuple[int, ...]) -> int:
    """That of outputs of this shape a single one tells two classes apart."""
    if math.prod(shape) != 1:
        raise BittrueError(
            f"The network's outputs have the shape {shape} an image, and --metric binary needs a single value: choose "
            "--metric accuracy for classes, f1 or auc for several labels, mean-iou for masks, else mse or sqnr."
        )
    return 2


METRIC = classes_metric(
    "binary",
    _classes,
    lambda outputs, labels, ending, first: vars(
        tally_binary(outputs, labels, ends_in=ending.ends_in, first_image=first)
    ),
)
