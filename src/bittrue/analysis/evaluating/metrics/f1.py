"""F1, the harmonic mean of precision and recall: of a single output, of several labels, and of classes.

Of several labels each output above its threshold says that the image has the label; where an image has one class of
several, the top value says which. Source: C. J. van Rijsbergen, Information Retrieval, 1979, as in D. D. Lewis et al.,
"RCV1", Journal of Machine Learning Research 5 (2004), macro- and micro-averaged.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.ending import THRESHOLDS, Ending
from bittrue.analysis.evaluating.metrics.finite import require_finite
from bittrue.analysis.evaluating.metrics.scores import Score, Scores, mean, scores_metric
from bittrue.analysis.evaluating.metrics.several import check_several, label_rows
from bittrue.analysis.evaluating.record import Arrays


def tally_f1(outputs: NDArray[np.float64], reference: NDArray[np.generic], ending: Ending, first_image: int) -> Arrays:
    """Of each image: for every label whether the network says it (`said`) and whether the image has it (`there`), bool
    (images,); and how many of these answers hang on a tie, at the threshold or of the top, int64.

    Raises: DataError for labels that are neither 0 nor 1, BittrueError for outputs that are not finite.
    """
    require_finite(outputs, first_image)
    rows = outputs.reshape(len(outputs), -1)
    there = label_rows(reference, rows.shape[1], first_image)
    if reference.ndim == 1 and rows.shape[1] > 1:
        said = np.arange(rows.shape[1]) == rows.argmax(axis=1)[:, None]  # the first of several
        top = rows == rows.max(axis=1, keepdims=True)
        tied = top & (top.sum(axis=1, keepdims=True) > 1)
    else:
        threshold = THRESHOLDS[ending.ends_in]
        said, tied = rows > threshold, rows == threshold
    found = {f"said_{label}": said[:, label] for label in range(rows.shape[1])}
    found |= {f"there_{label}": there[:, label] for label in range(rows.shape[1])}
    return {**found, "tied": tied.sum(axis=1).astype(np.int64)}


def summarise_f1(arrays: Arrays) -> Scores:
    """F1 = 2·both / (said + there) of each label that is said or there at all; their mean (macro), and F1 of all
    answers together (micro); the share of answers that hang on a tie."""
    labels = range(sum(name.startswith("said_") for name in arrays))
    both = [int((arrays[f"said_{label}"] & arrays[f"there_{label}"]).sum()) for label in labels]
    sizes = [int(arrays[f"said_{label}"].sum()) + int(arrays[f"there_{label}"].sum()) for label in labels]
    found = {label: Fraction(2 * both[label], sizes[label]) for label in labels if sizes[label]}
    return {
        "f1": mean(list(found.values())),
        "f1_micro": 2 * sum(both) / sum(sizes) if found else None,
        "tied": int(arrays["tied"].sum()) / (len(labels) * len(arrays["tied"])),
        **{f"f1_{label}": float(value) for label, value in found.items()},
    }


METRIC = scores_metric(
    "f1",
    (Score("f1", "F1"), Score("f1_micro", "F1 micro"), Score("tied", "tied")),
    "The mean over the labels, of those that the network says or an image has.",
    lambda shape, dataset: check_several("f1", shape, dataset),
    tally_f1,
    summarise_f1,
)
