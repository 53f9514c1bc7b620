"""The family of metrics that judge the outputs by the float network's: how far they are from them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.charts.specifications import Axis, deviation_chart
from bittrue.analysis.evaluating.metrics.finite import require_finite
from bittrue.analysis.evaluating.metrics.metric import ByFloat, Figures, Metric, Shown
from bittrue.analysis.evaluating.record import Arrays
from bittrue.analysis.row_names import CALLED
from bittrue.analysis.standard import Standard
from bittrue.analysis.verdict import Row, ends_verdict
from bittrue.display import Column


@dataclass(frozen=True, eq=False)
class PerImageDeviation:
    """How far the outputs are from the float outputs; both arrays have the shape (images,) and the dtype float64.

    `error`: the mean over the image's outputs of (output − float output)². `signal`: the mean of (float output)².
    """

    error: NDArray[np.float64]
    signal: NDArray[np.float64]


@dataclass(frozen=True)
class Deviation:
    """Outputs beside the float outputs of the same images.

    `mse`: the mean squared error. `sqnr`: the signal-to-quantization-noise ratio 10·log₁₀(Σ signal / Σ error) in
    decibels, or None where there is no error, or no signal, and so no finite ratio.
    """

    mse: float
    sqnr: float | None
    images: int


def tally_deviation(
    outputs: NDArray[np.float64], float_outputs: NDArray[np.float64], *, first_image: int = 0
) -> PerImageDeviation:
    """The records of one batch beside the float network's outputs for it, both (images, …) with any shape an image.

    Raises: BittrueError for outputs that are not finite.
    """
    for values in (outputs, float_outputs):
        require_finite(values, first_image)
    return PerImageDeviation(error=_mean_squares(outputs - float_outputs), signal=_mean_squares(float_outputs))


def summarise_deviation(records: PerImageDeviation) -> Deviation:
    """The distance from float on a data set from the records of all its images."""
    images = len(records.error)
    error, signal = math.fsum(records.error.tolist()), math.fsum(records.signal.tolist())
    ratio = 10 * math.log10(signal / error) if error > 0 and signal > 0 else None
    return Deviation(mse=error / images, sqnr=ratio, images=images)


def _mean_squares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = np.square(values).reshape(len(values), -1)
    return np.array([math.fsum(row.tolist()) / row.size for row in rows], np.float64)


def deviation_metric(name: str, what: str, axis: Axis, caption: str, text: Callable[[Row], str]) -> Metric:
    """A metric of the distance from float. caption: below the chart. what, text: how the verdict names it, and a row's
    value."""
    return Metric(
        name=name,
        judged=ByFloat({"mse": 0.0}),
        tally=lambda outputs, floats, ending, first: vars(tally_deviation(outputs, floats, first_image=first)),
        summarise=_figures,
        shown=Shown(
            section="deviation",
            heading="Distance from the float network",
            caption=lambda rows: caption,
            note="",
            columns=[Column("mean squared error", number=True), Column("SQNR", number=True)],
            cells=_cells,
            chart=lambda rows, standard: deviation_chart(rows, axis),
        ),
        verdict=lambda rows, standard: ends_verdict(rows, f"{what} against {CALLED[rows[0].name]}", text),
        sufficient=lambda rows, standard: None,  # no test says what is enough
    )


def _figures(arrays: Arrays) -> Figures:
    found = summarise_deviation(PerImageDeviation(**arrays))
    return {"mse": found.mse, "sqnr": found.sqnr}


def _cells(row: Row, standard: Standard) -> list[str]:
    return [f"{row.mse:.6g}", "" if row.sqnr is None else f"{row.sqnr:.2f} dB"]
