"""The family of metrics that judge each image right or wrong: accuracy with its ties, loss, and flips against float.

A batch becomes one entry per image, and only whole sets of images are summarised: counts are integers and sums are
correctly rounded (`math.fsum`), so that no result depends on batch size, thread count or the order of batches. For the
same reason logarithms and exponentials are taken one number at a time: NumPy's vector loops may differ by an ulp
between the body and the tail of an array.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.charts.heat_map import heat_map_chart
from bittrue.analysis.charts.lines import lines_chart
from bittrue.analysis.charts.specifications import Specification, accuracy_chart
from bittrue.analysis.evaluating.metrics.metric import ByLabels, Figures, Metric, Shown, Tally
from bittrue.analysis.evaluating.record import Arrays
from bittrue.analysis.row_names import grid_of, lines_of
from bittrue.analysis.standard import Standard
from bittrue.analysis.statistics.fixed_sample import mcnemar_exact, wilson_interval
from bittrue.analysis.verdict import Row, drop, flips_verdict, sufficient
from bittrue.display import Column
from bittrue.errors import DataError

SMALLEST_PROBABILITY = 1e-7
"""Probabilities are clipped to [this, 1 − this] in the loss, as Keras does."""


@dataclass(frozen=True, eq=False)
class PerImage:
    """What is kept of a classifier's outputs; every array has the shape (images,).

    `prediction`: the class of the top value, the first one of several (int32). `correct`: whether it is the label.
    `tied`: whether more than one class has the top value. `target_is_top`: whether the label's value is the top value.
    `loss`: in nats (float64). `zero_sum`: whether the probabilities' sum was not above 0.
    """

    prediction: NDArray[np.int32]
    correct: NDArray[np.bool_]
    tied: NDArray[np.bool_]
    target_is_top: NDArray[np.bool_]
    loss: NDArray[np.float64]
    zero_sum: NDArray[np.bool_]


@dataclass(frozen=True)
class Metrics:
    """A classifier on a data set.

    `interval`: Wilson's, 95 %. `over_ties`: the accuracy if every tie were lost and if every tie were won. `loss`: the
    mean, in nats. `tied` and `zero_sum`: numbers of images (see `PerImage`).
    """

    accuracy: float
    interval: tuple[float, float]
    over_ties: tuple[float, float]
    loss: float
    correct: int
    images: int
    tied: int
    zero_sum: int


def summarise(records: PerImage) -> Metrics:
    """The metrics of a data set from the records of all its images."""
    images = len(records.correct)
    correct = int(records.correct.sum())
    ties_lost = int((records.target_is_top & ~records.tied).sum())
    ties_won = int(records.target_is_top.sum())
    return Metrics(
        accuracy=correct / images,
        interval=wilson_interval(correct, images),
        over_ties=(ties_lost / images, ties_won / images),
        loss=math.fsum(records.loss.tolist()) / images,
        correct=correct,
        images=images,
        tied=int(records.tied.sum()),
        zero_sum=int(records.zero_sum.sum()),
    )


def flips(float_correct: NDArray[np.bool_], correct: NDArray[np.bool_]) -> tuple[int, int]:
    """How many images only the float network gets right (lost), and how many only the other does (gained)."""
    return int((float_correct & ~correct).sum()), int((~float_correct & correct).sum())


def probability_loss(value: float, total: float) -> float:
    """−log of the clipped probability value/total."""
    probability = value / total if total > 0 else 0.0
    return -math.log(min(max(probability, SMALLEST_PROBABILITY), 1 - SMALLEST_PROBABILITY))


def logits_loss(row: list[float], target: float) -> float:
    """−log-softmax: log Σ exp(value − top) − (target − top), which no large logit can overflow."""
    top = max(row)
    return math.log(math.fsum(math.exp(value - top) for value in row)) - (target - top)


def require_labels(labels: NDArray[np.int64], classes: int, first_image: int) -> None:
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        place = int(wrong.argmax())
        raise DataError(
            f"Image {first_image + place} has the label {labels[place]}, and the network tells the classes 0 to "
            f"{classes - 1} apart: use the data set that the network was trained for."
        )


CAPTION = """The line across is the accuracy of what the rows are compared with, and the band its 95 % interval. A \
point is a row’s accuracy, with its 95 % interval as whiskers. A grey bar reaches from the accuracy if every tie for \
the top class were lost to the accuracy if every tie were won: a long one means that the output has too few bits to \
tell classes apart."""

OF_LINES = """The line across is the accuracy of what the rows are compared with, and the band its 95 % interval. Each \
other line is a recipe, and a point a row’s accuracy with its 95 % interval as whiskers. Recipes may count different \
bits: those behind the binary point, or those of a whole word."""

OF_A_GRID = """A cell is a row: its accuracy in %, and below that what is shown of its loss against what the rows are \
compared with. The table below has the intervals."""

HEADINGS = ("accuracy %", "95 %", "over ties", "loss", "flips")


def classes_metric(name: str, classes: Callable[[tuple[int, ...]], int], tally: Tally, named: int = 1) -> Metric:
    """A metric whose tally is a PerImage's arrays; classes, named: see ByLabels."""
    return Metric(
        name=name,
        judged=ByLabels(classes, _beside, named),
        tally=tally,
        summarise=_figures,
        shown=Shown(
            section="accuracy",
            heading="Accuracy against bits",
            caption=_caption,
            note="; flips: images that only {reference} (−) or only the row (+) gets right",
            columns=[*(Column(heading, number=True) for heading in HEADINGS), Column("drop")],
            cells=_cells,
            chart=_chart,
        ),
        verdict=flips_verdict,
        sufficient=sufficient,
    )


def _figures(arrays: Arrays) -> Figures:
    found = summarise(PerImage(**arrays))
    return {
        "accuracy": found.accuracy,
        "accuracy_interval": found.interval,
        "accuracy_over_ties": found.over_ties,
        "loss": found.loss,
        "correct": found.correct,
        "tied": found.tied,
        "zero_sum": found.zero_sum,
    }


def _beside(arrays: Arrays, float_arrays: Arrays) -> Figures:
    lost, gained = flips(float_arrays["correct"], arrays["correct"])
    return {"lost": lost, "gained": gained, "p_value": mcnemar_exact(lost, gained)}


def _cells(row: Row, standard: Standard) -> list[str]:
    share, flipped, judged = row.share, row.flips, drop(row, standard)
    return [
        f"{100 * share.accuracy:.2f}",
        _reach(share.interval),
        _reach(share.over_ties) if row.tied else "",
        f"{row.loss:.4f}",
        "" if flipped is None else f"−{flipped.lost:,} +{flipped.gained:,}",
        "" if judged is None else judged.value,
    ]


def _caption(rows: Sequence[Row]) -> str:
    if grid_of(rows[1:]) is not None:
        return OF_A_GRID
    return OF_LINES if len(lines_of(rows[1:])) > 1 else CAPTION


def _chart(rows: Sequence[Row], standard: Standard) -> Specification:
    """A heat map of a grid, a line for each of several recipes, else points against bits."""
    reference, *others = rows
    grid, lines = grid_of(others), lines_of(others)
    if grid is not None:
        return heat_map_chart(
            grid,
            "accuracy in %",
            lambda row: 100 * row.share.accuracy,
            lambda row: f"{100 * row.share.accuracy:.2f}",
            lambda row: "" if (judged := drop(row, standard)) is None else judged.value,
        )
    return lines_chart(lines, reference, standard) if len(lines) > 1 else accuracy_chart(rows, standard)


def _reach(shares: tuple[float, float]) -> str:
    return "…".join(f"{100 * share:.2f}" for share in shares)
