"""What a network's outputs say about it (rule B13): accuracy with its ties, loss, flips, and distance from float.

A batch becomes one record per image, and only whole sets of records are summarised: counts are integers and sums are
correctly rounded (`math.fsum`), so that no result depends on batch size, thread count or the order of batches. For the
same reason logarithms and exponentials are taken one number at a time: NumPy's vector loops may differ by an ulp
between the body and the tail of an array.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.statistics import wilson_interval
from bittrue.errors import BittrueError, DataError

EndsIn = Literal["probabilities", "logits"]
"""What the values of the last node are: it decides the loss, and the threshold of a binary network."""

SMALLEST_PROBABILITY = 1e-7
"""Probabilities are clipped to [this, 1 − this] in the loss, as Keras does."""


@dataclass(frozen=True, eq=False)
class PerImage:
    """What is kept of a classifier's outputs; every array has the shape (images,).

    `prediction`: the class of the top value, the first one of several (int32). `correct`: whether it is the label.
    `tied`: whether more than one class has the top value. `target_is_top`: whether the label's value is the top value.
    `loss`: in nats (float64). `zero_sum`: whether the probabilities' sum was not above 0.
    """

    prediction: NDArray[np.int32]
    correct: NDArray[np.bool_]
    tied: NDArray[np.bool_]
    target_is_top: NDArray[np.bool_]
    loss: NDArray[np.float64]
    zero_sum: NDArray[np.bool_]


@dataclass(frozen=True)
class Metrics:
    """A classifier on a data set.

    `interval`: Wilson's, 95 %. `over_ties`: the accuracy if every tie were lost and if every tie were won. `loss`: the
    mean, in nats. `tied` and `zero_sum`: numbers of images (see `PerImage`).
    """

    accuracy: float
    interval: tuple[float, float]
    over_ties: tuple[float, float]
    loss: float
    correct: int
    images: int
    tied: int
    zero_sum: int


@dataclass(frozen=True, eq=False)
class PerImageDeviation:
    """How far the outputs are from the float outputs; both arrays have the shape (images,) and the dtype float64.

    `error`: the mean over the image's outputs of (output − float output)². `signal`: the mean of (float output)².
    """

    error: NDArray[np.float64]
    signal: NDArray[np.float64]


@dataclass(frozen=True)
class Deviation:
    """Outputs beside the float outputs of the same images.

    `mse`: the mean squared error. `sqnr`: the signal-to-quantization-noise ratio 10·log₁₀(Σ signal / Σ error) in
    decibels, or None where there is no error, or no signal, and so no finite ratio.
    """

    mse: float
    sqnr: float | None
    images: int


Records = TypeVar("Records", PerImage, PerImageDeviation)


def tally(
    outputs: NDArray[np.float64], labels: NDArray[np.int64], *, ends_in: EndsIn, first_image: int = 0
) -> PerImage:
    """The records of one batch of a network with one output per class.

    `outputs`: (images, classes), the exact values of the output codes. `labels`: (images,). `first_image`: the batch's
    place in the data set, for errors.

    Loss: −log of p/Σp clipped to [1e-7, 1 − 1e-7], and of 1e-7 where Σp ≤ 0; for logits −log-softmax of the values.

    Raises: DataError for a label that no output stands for; BittrueError for outputs of another shape or not finite.
    """
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        raise BittrueError(
            f"The network's outputs have the shape {outputs.shape[1:]} an image, and accuracy by the top value needs a "
            "row of two or more: choose --metric binary, mse or sqnr."
        )
    _require_finite(outputs, first_image)
    _require_labels(labels, outputs.shape[1], first_image)
    top = outputs.max(axis=1, keepdims=True)
    prediction = outputs.argmax(axis=1)  # NumPy documents that the first of several wins
    target = outputs[np.arange(len(labels)), labels]
    if ends_in == "logits":
        loss = [_logits_loss(row, value) for row, value in zip(outputs.tolist(), target.tolist(), strict=True)]
        zero_sum = np.zeros(len(labels), np.bool_)
    else:
        sums = [math.fsum(row) for row in outputs.tolist()]
        loss = [_probability_loss(value, total) for value, total in zip(target.tolist(), sums, strict=True)]
        zero_sum = np.array(sums, np.float64) <= 0
    return PerImage(
        prediction=prediction.astype(np.int32),
        correct=prediction == labels,
        tied=(outputs == top).sum(axis=1) > 1,
        target_is_top=target == top[:, 0],
        loss=np.array(loss, np.float64),
        zero_sum=zero_sum,
    )


def tally_binary(
    outputs: NDArray[np.float64], labels: NDArray[np.int64], *, ends_in: EndsIn, first_image: int = 0
) -> PerImage:
    """The records of one batch of a network with one output, which says class 1 above 0.5 (logits: above 0).

    `outputs`: (images,) or (images, 1). A value at the threshold says class 0 and counts as tied. Loss: binary cross
    entropy, of the probability clipped to [1e-7, 1 − 1e-7], or of the logit as it is. Raises: as `tally`.
    """
    if math.prod(outputs.shape[1:]) != 1:
        raise BittrueError(
            f"The network's outputs have the shape {outputs.shape[1:]} an image, and --metric binary needs a single "
            "value: choose --metric accuracy, mse or sqnr."
        )
    _require_finite(outputs, first_image)
    _require_labels(labels, 2, first_image)
    values = outputs.reshape(len(outputs))
    threshold = 0.0 if ends_in == "logits" else 0.5
    prediction = (values > threshold).astype(np.int32)
    correct = prediction == labels
    tied = values == threshold
    loss = [
        _logits_loss([0.0, value], value * label)
        if ends_in == "logits"
        else _probability_loss(value if label else 1 - value, 1.0)
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


def tally_deviation(
    outputs: NDArray[np.float64], float_outputs: NDArray[np.float64], *, first_image: int = 0
) -> PerImageDeviation:
    """The records of one batch beside the float network's outputs for it, both (images, …) with any shape an image.

    Raises: BittrueError for outputs that are not finite.
    """
    for values in (outputs, float_outputs):
        _require_finite(values, first_image)
    return PerImageDeviation(error=_mean_squares(outputs - float_outputs), signal=_mean_squares(float_outputs))


def join(batches: Sequence[Records]) -> Records:
    """The records of several batches as those of one."""
    kind = type(batches[0])
    return kind(
        **{field.name: np.concatenate([getattr(batch, field.name) for batch in batches]) for field in fields(kind)}
    )


def summarise(records: PerImage) -> Metrics:
    """The metrics of a data set from the records of all its images."""
    images = len(records.correct)
    correct = int(records.correct.sum())
    ties_lost = int((records.target_is_top & ~records.tied).sum())
    ties_won = int(records.target_is_top.sum())
    return Metrics(
        accuracy=correct / images,
        interval=wilson_interval(correct, images),
        over_ties=(ties_lost / images, ties_won / images),
        loss=math.fsum(records.loss.tolist()) / images,
        correct=correct,
        images=images,
        tied=int(records.tied.sum()),
        zero_sum=int(records.zero_sum.sum()),
    )


def summarise_deviation(records: PerImageDeviation) -> Deviation:
    """The distance from float on a data set from the records of all its images."""
    images = len(records.error)
    error, signal = math.fsum(records.error.tolist()), math.fsum(records.signal.tolist())
    ratio = 10 * math.log10(signal / error) if error > 0 and signal > 0 else None
    return Deviation(mse=error / images, sqnr=ratio, images=images)


def flips(float_correct: NDArray[np.bool_], correct: NDArray[np.bool_]) -> tuple[int, int]:
    """How many images only the float network gets right (lost), and how many only the other does (gained)."""
    return int((float_correct & ~correct).sum()), int((~float_correct & correct).sum())


def _probability_loss(value: float, total: float) -> float:
    """−log of the clipped probability value/total."""
    probability = value / total if total > 0 else 0.0
    return -math.log(min(max(probability, SMALLEST_PROBABILITY), 1 - SMALLEST_PROBABILITY))


def _logits_loss(row: list[float], target: float) -> float:
    """−log-softmax: log Σ exp(value − top) − (target − top), which no large logit can overflow."""
    top = max(row)
    return math.log(math.fsum(math.exp(value - top) for value in row)) - (target - top)


def _mean_squares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = np.square(values).reshape(len(values), -1)
    return np.array([math.fsum(row.tolist()) / row.size for row in rows], np.float64)


def _require_finite(outputs: NDArray[np.float64], first_image: int) -> None:
    finite = np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)
    if not finite.all():
        image = first_image + int(finite.argmin())
        raise BittrueError(
            f"The network's output for image {image} is not a finite number: look for the node that overflows, or "
            "leave the image out."
        )


def _require_labels(labels: NDArray[np.int64], classes: int, first_image: int) -> None:
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        place = int(wrong.argmax())
        raise DataError(
            f"Image {first_image + place} has the label {labels[place]}, and the network tells the classes 0 to "
            f"{classes - 1} apart: use the data set that the network was trained for."
        )
