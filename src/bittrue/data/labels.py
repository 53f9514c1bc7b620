"""Labels: classes where they can be; anything else is kept as it is, for the questions that need no classes."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from bittrue.data.source import Labels, Raw, Rows, Targets
from bittrue.errors import DataError

_MOST_CLASSES = 2**24  # columns of one-hot rows, of which one at least is held in memory
_CHUNK = 2**20  # bytes of labels read at a time


def read_labels(y: Rows, images: int, where: str) -> tuple[Labels | None, int | None, Targets | None]:
    """`y` as classes, int64 (N,), and how many there are; or, where it holds no classes, as targets.

    Classes are whole numbers from 0 to 2^31 − 1, (N,) or (N, 1), and their number is the highest plus one; or one-hot
    rows (N, classes). All else are targets: fractions, several ones in a row, masks.

    Raises: DataError for another number of rows than `images`.
    """
    if y.shape[0] != images:
        raise DataError(f"{where} holds {images:,} examples but {y.shape[0]:,} labels: there must be one each.")
    one = y.shape[1:]
    if 0 in one:
        raise DataError(f"{where} holds labels of shape {y.shape}, which are none: leave them out.")
    if len(one) > 1:
        return None, None, Targets(y, f"has labels of shape {one}")
    if prod(one) > _MOST_CLASSES:
        raise DataError(f"{where} holds labels of shape {y.shape}, more classes than any network has: save classes.")
    is_one_hot = prod(one) > 1
    labels = np.empty(images, np.int64)
    done = 0
    for rows in y.rows(0, images, max(1, _CHUNK // (prod(one) * y.dtype.itemsize))):
        found, wrong = _from_one_hot(rows) if is_one_hot else _from_classes(rows.reshape(-1))
        if wrong.size:
            label = np.array2string(rows[wrong[0]], threshold=6, edgeitems=3, separator=", ").replace("\n", "")
            return None, None, Targets(y, f"labels image {done + wrong[0]} with {label}")
        labels[done : done + len(rows)] = found
        done += len(rows)
    return labels, one[0] if is_one_hot else int(labels.max(initial=0)) + 1, None


def _from_one_hot(rows: Raw) -> tuple[Labels, NDArray[np.intp]]:
    """The classes of one-hot `rows`, and the indices of rows that are not one-hot."""
    ones = rows == 1
    wrong = np.flatnonzero((ones.sum(axis=1) != 1) | ((rows != 0).sum(axis=1) != 1))
    return ones.argmax(axis=1).astype(np.int64), wrong


def _from_classes(values: Raw) -> tuple[Labels, NDArray[np.intp]]:
    """`values` as classes, and the indices of those that are no whole number from 0 to 2^31 − 1."""
    numbers = values.astype(np.float64)
    in_range = (numbers >= 0) & (numbers < 2**31)  # false for NaN
    classes = np.where(in_range, numbers, 0).astype(np.int64)
    return classes, np.flatnonzero(~in_range | (classes != numbers))
