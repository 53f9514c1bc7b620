"""The mean squared error against the float outputs."""

from bittrue.analysis.charts.specifications import Axis
from bittrue.analysis.evaluating.metrics.deviation import deviation_metric

METRIC = deviation_metric(
    "mse",
    "Mean squared error",
    Axis("mean squared error", lambda row: row.mse, logarithmic=True),
    "Mean squared error of the outputs, on a logarithmic axis: lower is better.",
    lambda row: f"{row.mse:.3g}",
)
