"""The share of positions that a network gives the right class."""

from bittrue.analysis.evaluating.metrics.masks import ACCURACY, MEAN_IOU, masks_metric

METRIC = masks_metric("pixel-accuracy", ACCURACY, MEAN_IOU)
