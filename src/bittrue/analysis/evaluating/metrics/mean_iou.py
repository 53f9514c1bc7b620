"""The mean over the classes of intersection over union, of a network that gives each position a class."""

from bittrue.analysis.evaluating.metrics.masks import ACCURACY, MEAN_IOU, masks_metric

METRIC = masks_metric("mean-iou", MEAN_IOU, ACCURACY)
