"""The signal-to-quantization-noise ratio against the float outputs."""

from bittrue.analysis.charts.specifications import Axis
from bittrue.analysis.evaluating.metrics.deviation import deviation_metric

METRIC = deviation_metric(
    "sqnr",
    "Signal to quantization noise",
    Axis("SQNR in dB", lambda row: row.sqnr),
    "Signal-to-quantization-noise ratio of the outputs: higher is better, and a bit is worth about 6 dB.",
    lambda row: "no finite value" if row.sqnr is None else f"{row.sqnr:.1f} dB",
)
