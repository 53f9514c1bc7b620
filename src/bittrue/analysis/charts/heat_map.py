"""The chart of a grid: a cell for the bits of weights and of activations, its colour by what was measured."""

from collections.abc import Callable
from typing import Any

from bittrue.analysis.charts.specifications import Specification, finished
from bittrue.analysis.row_names import Grid
from bittrue.analysis.verdict import Row

_PALE, _STRONG, _INK = "#eef3f8", "#5b9bd1", "#16202c"
"""The lowest and the highest value's colour, and the text on them, which has the same contrast in light and dark."""

_CELL_HEIGHT = 44


def heat_map_chart(
    grid: Grid[Row],
    title: str,
    value: Callable[[Row], float | None],
    text: Callable[[Row], str],
    note: Callable[[Row], str],
) -> Specification:
    """A row of cells a number of bits of weights, the most on top; in each cell the value's text, and below it a note.

    A cell whose value is None stays empty of colour.
    """
    import altair as alt

    cells: list[dict[str, Any]] = [
        {
            "weights": weights,
            "activations": activations,
            "row": row.name,
            "value": value(row),
            "text": text(row),
            "note": note(row),
        }
        for (weights, activations), row in grid.cells.items()
    ]
    data = alt.Chart(alt.Data(values=cells))
    x = alt.X("activations:O", title="bits of activations", axis=alt.Axis(labelAngle=0))
    y = alt.Y("weights:O", title="bits of weights", sort="descending")
    colour = alt.Color(
        "value:Q", title=title, scale=alt.Scale(range=[_PALE, _STRONG], zero=False), legend=alt.Legend(orient="top")
    )
    tooltip = [alt.Tooltip("row:N"), alt.Tooltip("text:N", title=title), alt.Tooltip("note:N", title="drop")]
    chart = alt.layer(
        data.mark_rect(stroke="currentColor", strokeOpacity=0.2).encode(x=x, y=y, color=colour, tooltip=tooltip),
        data.mark_text(color=_INK, fontWeight="bold", dy=-6).encode(x=x, y=y, text="text:N"),
        data.mark_text(color=_INK, fontSize=11, dy=9).encode(x=x, y=y, text="note:N"),
    )
    return finished(chart, _CELL_HEIGHT * len(grid.weights), f"{title} by the bits of weights and of activations.")
