"""The metrics of rule B13, by name: one file each, which holds METRIC. A new metric is a file and its name here."""

from importlib import import_module
from typing import TYPE_CHECKING

from bittrue.errors import BittrueError

if TYPE_CHECKING:
    from bittrue.analysis.evaluating.metrics.metric import Metric

NAMES = ("accuracy", "top-5", "binary", "f1", "auc", "pixel-accuracy", "mean-iou", "mse", "sqnr")
"""In the order in which the command line lists them; a file is called as its metric, with _ for -."""

__all__ = ["NAMES", "metric_named"]


def metric_named(name: str) -> "Metric":
    """The metric `name`; its file is imported at its first use, so that the names alone are light.

    Raises: BittrueError where there is none.
    """
    if name not in NAMES:
        raise BittrueError(f"There is no metric {name!r}: choose one of {', '.join(NAMES)}.")
    metric: Metric = import_module(f"{__name__}.{name.replace('-', '_')}").METRIC
    return metric
