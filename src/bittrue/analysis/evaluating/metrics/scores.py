"""The family of metrics that give a set of images a score between 0 and 1, and judge no image right or wrong by itself.

Of each image counts or values are kept; a score is a ratio of integers, or the mean of some, rounded once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from bittrue.analysis.charts.specifications import Axis, scores_chart
from bittrue.analysis.evaluating.metrics.metric import ByTargets, Metric, Shown, Tally
from bittrue.analysis.evaluating.record import Arrays
from bittrue.analysis.row_names import CALLED
from bittrue.analysis.standard import Standard
from bittrue.analysis.verdict import Row, ends_verdict
from bittrue.data import Dataset
from bittrue.display import Column

Scores = Mapping[str, float | None]
"""By name, as in Row.scores; None where there is no value."""


@dataclass(frozen=True)
class Score:
    """One that is shown: its name in Row.scores, and how tables call it."""

    name: str
    heading: str


def scores_metric(
    name: str,
    shown: Sequence[Score],
    caption: str,
    check: Callable[[tuple[int, ...], Dataset], None],
    tally: Tally,
    summarise: Callable[[Arrays], Scores],
) -> Metric:
    """shown: the scores of the table, the one that chart and verdict speak of first. caption: below the chart. check:
    see ByTargets."""
    first = shown[0]

    def value(row: Row) -> float | None:
        return row.scores.get(first.name)

    def verdict(rows: Sequence[Row], standard: Standard) -> str:
        return ends_verdict(
            rows, f"{first.heading} ({_text(value(rows[0]))} in {CALLED[rows[0].name]})", lambda row: _text(value(row))
        )

    return Metric(
        name=name,
        judged=ByTargets(check),
        tally=tally,
        summarise=lambda arrays: {"scores": summarise(arrays)},
        shown=Shown(
            section="score",
            heading=f"{first.heading} against bits",
            caption=lambda rows: f"The line across is that of what the rows are compared with. {caption}",
            note="",
            columns=[Column(score.heading, number=True) for score in shown],
            cells=lambda row, standard: [_decimals(row.scores.get(score.name)) for score in shown],
            chart=lambda rows, standard: scores_chart(rows, Axis(first.heading, value)),
        ),
        verdict=verdict,
        sufficient=lambda rows, standard: None,  # no test says what is enough
    )


def mean(ratios: Sequence[Fraction]) -> float | None:
    """Their mean, rounded once; None of none."""
    return float(sum(ratios, Fraction(0)) / len(ratios)) if ratios else None


def _text(value: float | None) -> str:
    return "no value" if value is None else _decimals(value)


def _decimals(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
