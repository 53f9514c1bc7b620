"""What metrics of segmentation share: a class for each position of the output, beside a mask that says the right one.

The outputs are (*positions, classes), an image's (height, width, classes), or (*positions, 1) with a single value that
says class 1. Sources of the definitions: M. Everingham et al., "The PASCAL visual object classes challenge",
International Journal of Computer Vision 88 (2010); J. Long, E. Shelhamer, T. Darrell, "Fully convolutional networks for
semantic segmentation", CVPR 2015.
"""

from fractions import Fraction
from math import prod

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.ending import THRESHOLDS, Ending
from bittrue.analysis.evaluating.metrics.finite import require_finite
from bittrue.analysis.evaluating.metrics.metric import Metric
from bittrue.analysis.evaluating.metrics.scores import Score, Scores, mean, scores_metric
from bittrue.analysis.evaluating.record import Arrays
from bittrue.data import Dataset
from bittrue.errors import BittrueError, DataError

VOID = 255
"""In a mask: not to be judged, where no output stands for it; −1 means the same. From PASCAL VOC."""

ACCURACY = Score("pixel_accuracy", "pixel accuracy")
MEAN_IOU = Score("mean_iou", "mean IoU")
REST = (Score("tied", "tied"), Score("not_judged", "not judged"))
"""Shares: of the judged positions those whose top is tied, of all those that the mask leaves out."""


def masks_metric(name: str, first: Score, second: Score) -> Metric:
    """first: the score that chart and verdict speak of."""
    return scores_metric(
        name,
        (first, second, *REST),
        "Tied positions have several top values, and the first class takes them.",
        lambda shape, dataset: check_masks(name, shape, dataset),
        tally_masks,
        summarise_masks,
    )


def check_masks(name: str, shape: tuple[int, ...], dataset: Dataset) -> None:
    """Raise BittrueError for outputs without positions, DataError for labels that are no masks of theirs."""
    if len(shape) < 2:
        raise BittrueError(
            f"The network's outputs have the shape {shape} an image, and --metric {name} needs a class for each "
            "position: choose --metric accuracy, binary, f1, auc, mse or sqnr."
        )
    target = dataset.target_shape
    if target is None or not (_is_mask(target, shape) or _is_one_hot(target, shape)):
        found = {"none": "has no labels", "classes": "has one class an image"}.get(
            dataset.labels_are, f"has labels of shape {target}"
        )
        raise DataError(
            f"{dataset.source.where} {found}, and --metric {name} needs masks, arrays y of shape {shape[:-1]} or "
            f"{(*shape[:-1], 1)} an image that hold classes: save those, or choose --metric mse or sqnr."
        )


def tally_masks(outputs: NDArray[np.float64], targets: NDArray[np.generic], ending: Ending, first_image: int) -> Arrays:
    """Of each image: for every class how many judged positions the network gives it (`said`), the mask gives it
    (`there`), and both do (`both`); how many of them are tied, and how many are not judged; all int64 (images,).

    Raises: DataError for labels that no output stands for; BittrueError for outputs that are not finite.
    """
    require_finite(outputs, first_image)
    images, classes = len(outputs), _classes(ending.shape)
    labels = _labels(targets, ending.shape, first_image)
    if ending.shape[-1] == 1:
        values = outputs.reshape(images, -1)
        threshold = THRESHOLDS[ending.ends_in]
        prediction, tied = (values > threshold).astype(np.int64), values == threshold
    else:
        rows = outputs.reshape(images, -1, classes)
        prediction = rows.argmax(axis=2)  # the first of several
        tied = (rows == rows.max(axis=2, keepdims=True)).sum(axis=2) > 1
    judged = labels >= 0
    found = {"tied": tied & judged, "not_judged": ~judged}
    for label in range(classes):
        said, there = (prediction == label) & judged, labels == label
        found |= {f"said_{label}": said, f"there_{label}": there, f"both_{label}": said & there}
    return {name: hits.sum(axis=1).astype(np.int64) for name, hits in found.items()}


def summarise_masks(arrays: Arrays) -> Scores:
    """The pixel accuracy, right positions of all that are judged; for each class its IoU, the positions that network
    and mask give it over those that either does; and the mean IoU over the classes that either gives any.

    Raises: DataError where nothing is judged, or where masks of 0 and 255 leave one class of two.
    """
    counts = {name: int(array.sum()) for name, array in arrays.items()}
    classes = range(sum(name.startswith("said_") for name in counts))
    judged = sum(counts[f"there_{label}"] for label in classes)
    if judged == 0:
        raise DataError(f"The masks leave every position out ({VOID} and -1 are not judged): save classes in them.")
    if len(classes) == 2 and counts["not_judged"] and counts["there_0"] == judged:
        raise DataError(
            f"The masks hold no class but 0, and {VOID} or -1, which are not judged: where {VOID} means class 1, save "
            f"the masks divided by {VOID}."
        )
    ious: dict[str, Fraction] = {}
    for label in classes:
        both = counts[f"both_{label}"]
        either = counts[f"said_{label}"] + counts[f"there_{label}"] - both
        if either:
            ious[f"iou_{label}"] = Fraction(both, either)
    return {
        "pixel_accuracy": sum(counts[f"both_{label}"] for label in classes) / judged,
        "mean_iou": mean(list(ious.values())),
        "tied": counts["tied"] / judged,
        "not_judged": counts["not_judged"] / (judged + counts["not_judged"]),
        **{name: float(iou) for name, iou in ious.items()},
    }


def _labels(targets: NDArray[np.generic], shape: tuple[int, ...], first_image: int) -> NDArray[np.int64]:
    """The masks as classes, int64 (images, positions), with −1 for what is not judged."""
    classes = _classes(shape)
    if _is_mask(targets.shape[1:], shape):
        numbers = targets.reshape(len(targets), -1).astype(np.float64)
        void = np.isin(numbers, _void(shape))
        wrong = ~void & ~((numbers >= 0) & (numbers < classes) & (numbers == np.floor(numbers)))
    else:
        rows = targets.reshape(len(targets), -1, classes)
        numbers = rows.argmax(axis=2).astype(np.float64)
        void = np.zeros_like(numbers, np.bool_)
        wrong = ((rows == 1).sum(axis=2) != 1) | ((rows != 0).sum(axis=2) != 1)
    if wrong.any():
        image, place = (int(index) for index in np.argwhere(wrong)[0])
        found = np.array2string(targets.reshape(*wrong.shape, -1)[image, place], threshold=6, edgeitems=3)
        where = tuple(map(int, np.unravel_index(place, shape[:-1])))
        left_out = f", and {_void(shape)[0]} where nothing is judged" if _void(shape) else ""
        raise DataError(
            f"The mask of image {first_image + image} holds {found} at {where}, and the network tells the classes 0 to "
            f"{classes - 1} apart: save masks of these{left_out}."
        )
    return np.where(void, -1, numbers).astype(np.int64)


def _void(shape: tuple[int, ...]) -> tuple[int, ...]:
    """What a mask holds where nothing is judged. A mask for a single value is often one of 0 and 255: refused."""
    if shape[-1] == 1:
        return ()
    return (-1, VOID) if shape[-1] <= VOID else (-1,)


def _classes(shape: tuple[int, ...]) -> int:
    return max(shape[-1], 2)


def _is_mask(target: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether targets hold one number a position; axes of length 1 say nothing."""
    return [n for n in target if n > 1] == [n for n in shape[:-1] if n > 1] and prod(target) == prod(shape[:-1])


def _is_one_hot(target: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return target == shape and shape[-1] > 1
