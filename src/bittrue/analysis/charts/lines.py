"""The chart of several recipes: a line each, of accuracy against bits, beside what they are compared with."""

from collections.abc import Mapping, Sequence

from bittrue.analysis.charts.specifications import (
    ACCURACY_HEIGHT,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    Specification,
    accuracy_point,
    finished,
    kinds_of,
    legend,
)
from bittrue.analysis.row_names import CALLED, bits_of
from bittrue.analysis.standard import Standard
from bittrue.analysis.verdict import Drop, Row, drop

_SHAPES = {Drop.WITHIN: "circle", Drop.WORSE: "cross", Drop.UNKNOWN: "diamond"}


def lines_chart(lines: Mapping[str, Sequence[Row]], reference: Row, standard: Standard) -> Specification:
    """A point a row with its interval; its colour is the line's, its shape what is shown of the row's loss."""
    import altair as alt

    kinds = kinds_of(standard, reference.name)
    points = [
        {
            **accuracy_point(row, row.name, kinds[drop(row, standard) or Drop.WITHIN]),
            "line": name,
            "bits": 0 if (bits := bits_of(row.name)) is None else bits.bits,
        }
        for name, line in lines.items()
        for row in line
    ]
    beside = accuracy_point(reference, "", kinds[Drop.WITHIN])
    floats, data = alt.Chart(alt.Data(values=[beside])), alt.Chart(alt.Data(values=points))
    counts = {"F": "fraction bits", "W": "word length", "WA": "bits of weights"}
    of_lines = {name: bits_of(line[0].name) for name, line in lines.items()}
    title = ", ".join(f"{counts[bits.kind]} ({name})" for name, bits in of_lines.items() if bits is not None)
    x = alt.X("bits:Q", title=title, scale=alt.Scale(zero=False, padding=24), axis=alt.Axis(tickMinStep=1, format="d"))
    lowest, highest = (pick(point[end] for point in [beside, *points]) for pick, end in ((min, "low"), (max, "high")))
    room = 0.1 * (highest - lowest)
    domain = [max(lowest - room, 0), highest + room]
    y_title = "accuracy in %, with its 95 % interval"
    y = alt.Y("accuracy:Q", title=y_title, scale=alt.Scale(domain=domain, nice=False, zero=False))
    low = alt.Y("low:Q", title=y_title)
    colours = alt.Scale(domain=list(lines), range=[BLUE, ORANGE, PURPLE][: len(lines)])
    colour = alt.Color("line:N", title=None, scale=colours, legend=legend("stroke"))
    shapes = alt.Scale(domain=list(kinds.values()), range=[_SHAPES[kind] for kind in kinds])
    shape = alt.Shape("kind:N", title=None, scale=shapes, legend=alt.Legend(orient="top", direction="vertical"))
    tooltip = [
        alt.Tooltip("name:N", title="row"),
        alt.Tooltip("accuracy:Q", title="accuracy in %", format=".2f"),
        alt.Tooltip("interval:N", title="95 % interval"),
        alt.Tooltip("ties:N", title="over ties"),
        alt.Tooltip("kind:N", title="drop"),
    ]
    chart = alt.layer(
        floats.mark_rect(color=GREEN, opacity=0.15).encode(y=low, y2="high:Q"),
        floats.mark_rule(color=GREEN, strokeWidth=2).encode(y=y),
        floats.mark_text(color="currentColor", fontWeight="bold", align="left", baseline="bottom", dx=4, dy=-3).encode(
            x=alt.value(0), y=y, text="text:N"
        ),
        data.mark_line(strokeWidth=1.5).encode(x=x, y=y, color=colour),
        data.mark_rule(strokeWidth=2, opacity=0.6).encode(x=x, y=low, y2="high:Q", color=colour),
        data.mark_point(size=80, filled=True, opacity=1).encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip),
    )
    return finished(chart, ACCURACY_HEIGHT, f"Accuracy of each row by recipe, beside {CALLED[reference.name]}.")
