"""What metrics of several labels share: an output for each label, which says whether the image has it.

A single output with classes 0 and 1 is one label; one class an image, of as many as there are outputs, is a label that
each image has one of.
"""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.metrics.classes import require_labels
from bittrue.data import Dataset
from bittrue.errors import BittrueError, DataError


def check_several(name: str, shape: tuple[int, ...], dataset: Dataset) -> None:
    """Raise BittrueError for outputs that are no row, DataError for labels that are neither classes nor a row."""
    labels = prod(shape)
    if len(shape) > 1:
        raise BittrueError(
            f"The network's outputs have the shape {shape} an image, and --metric {name} needs one value a label: "
            "choose --metric mean-iou or pixel-accuracy for masks, or mse or sqnr."
        )
    if dataset.labels_are == "classes":
        dataset.check_classes(max(labels, 2))
    elif dataset.target_shape is None or prod(dataset.target_shape) != labels:
        found = "has no labels" if dataset.target_shape is None else f"has labels of shape {dataset.target_shape}"
        raise DataError(
            f"{dataset.source.where} {found}, and --metric {name} needs an array y of {labels} numbers 0 or 1 an "
            "image: save that, or choose --metric mse or sqnr."
        )


def label_rows(reference: NDArray[Any], labels: int, first_image: int) -> NDArray[np.bool_]:
    """Which of so many labels each image has, (images, labels). reference: classes (images,), or zeros and ones.

    Raises: DataError for other numbers.
    """
    if reference.ndim == 1 and reference.dtype == np.int64:
        require_labels(reference, max(labels, 2), first_image)
        one_hot: NDArray[np.bool_] = reference[:, None] == (np.arange(labels) if labels > 1 else 1)
        return one_hot
    rows = reference.reshape(len(reference), labels)
    wrong = (rows != 0) & (rows != 1)
    if wrong.any():
        image, label = (int(index) for index in np.argwhere(wrong)[0])
        raise DataError(
            f"Image {first_image + image} has {rows[image, label]} for label {label}, which is neither 0 nor 1: save "
            "zeros and ones, or choose --metric mse or sqnr."
        )
    there: NDArray[np.bool_] = rows == 1
    return there
