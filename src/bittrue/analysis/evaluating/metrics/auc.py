"""AUC, the area under the receiver operating characteristic: how often an image with the label is put before one
without it.

By ranks, ties at half: of all pairs of an image with the label and one without, those where the first has the greater
output, and half of those where both have the same. It needs no threshold. Source: J. A. Hanley, B. J. McNeil, "The
meaning and use of the area under a receiver operating characteristic (ROC) curve", Radiology 143 (1982) 29–36.
"""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.ending import Ending
from bittrue.analysis.evaluating.metrics.finite import require_finite
from bittrue.analysis.evaluating.metrics.scores import Score, Scores, mean, scores_metric
from bittrue.analysis.evaluating.metrics.several import check_several, label_rows
from bittrue.analysis.evaluating.record import Arrays


def tally_auc(outputs: NDArray[Any], reference: NDArray[np.generic], ending: Ending, first_image: int) -> Arrays:
    """Of each image: for every label the output as the float64 `high` and what that leaves of it, `low`, which is 0 up
    to 53 bits, and whether the image has the label (`there`, bool); all (images,).

    Raises: DataError for labels that are neither 0 nor 1, BittrueError for outputs that are not finite.
    """
    require_finite(outputs, first_image)
    rows = outputs.reshape(len(outputs), -1)
    there = label_rows(reference, rows.shape[1], first_image)
    found: dict[str, NDArray[Any]] = {}
    for label in range(rows.shape[1]):
        high = rows[:, label].astype(np.float64)
        found |= {f"high_{label}": high, f"low_{label}": _left(rows[:, label], high), f"there_{label}": there[:, label]}
    return found


def _left(values: NDArray[Any], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """values − high; values of more than 53 bits come as Fractions."""
    if values.dtype != np.object_:
        return np.zeros(len(values))
    return np.array([float(value - Fraction(near)) for value, near in zip(values, high.tolist(), strict=True)])


def summarise_auc(arrays: Arrays) -> Scores:
    """The AUC of each label that some images have and some don't, and their mean."""
    labels = range(sum(name.startswith("there_") for name in arrays))
    found = {
        label: area
        for label in labels
        if (area := area_by_ranks(arrays[f"high_{label}"], arrays[f"low_{label}"], arrays[f"there_{label}"]))
        is not None
    }
    return {
        "auc": mean(list(found.values())),
        "labels": len(found) / len(labels),
        **{f"auc_{label}": float(area) for label, area in found.items()},
    }


def area_by_ranks(high: NDArray[np.float64], low: NDArray[np.float64], there: NDArray[np.bool_]) -> Fraction | None:
    """The share of pairs in their right order, ties at half; None without a pair. The values are high + low."""
    order = np.lexsort((low, high))
    high, low, there = high[order], low[order], there[order]
    begins = np.flatnonzero(np.r_[True, (high[1:] != high[:-1]) | (low[1:] != low[:-1])])
    with_label = np.add.reduceat(there.astype(np.int64), begins)
    without = np.diff(np.r_[begins, len(there)]) - with_label
    below = np.cumsum(without) - without
    pairs = int(with_label.sum()) * int(without.sum())
    # An int64 holds twice the pairs of three thousand million images.
    twice = int((with_label * (2 * below + without)).sum())
    return Fraction(twice, 2 * pairs) if pairs else None


METRIC = scores_metric(
    "auc",
    (Score("auc", "AUC"),),
    "The mean over the labels that some images have and some don’t; 0.5 is chance.",
    lambda shape, dataset: check_several("auc", shape, dataset),
    tally_auc,
    summarise_auc,
)
