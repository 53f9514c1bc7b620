"""The charts of reports and notebooks as Vega-Lite specifications, and their static pictures.

Altair and vl-convert take long to import, so the functions import them. Text and lines take `currentColor`: the page's
own colour, light or dark, and black in a picture.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, floor, log2
from typing import Any

from bittrue.analysis.charts.reach import SiteReach
from bittrue.analysis.row_names import CALLED
from bittrue.analysis.standard import Standard
from bittrue.analysis.verdict import Drop, Row, drop
from bittrue.fixed import FixedFormat
from bittrue.fixed.notation import ap_fixed_name
from bittrue.plan import SiteRange, describe_spec
from bittrue.wording import points

Specification = dict[str, Any]

_LABEL_WIDTH = 28
"""Pixels that a number beside a point needs to itself; where there are fewer the table and the pointer tell it."""
_PICTURE_WIDTH = 720  # pixels; on the page a chart fills its container
ACCURACY_HEIGHT = 320
_SITE_HEIGHT = 20  # pixels a site

BLUE, ORANGE, PURPLE, GREEN, GREY = "#2f7fc1", "#d9701e", "#8e6bb5", "#2e8b57", "#8a94a6"

_TIES = "accuracy if all ties were lost … won"

_FORMAT = "format, from its last bit to its reach"
_VALUES = "values, from the median to 99.8 %"
_MISFIT = "values that don’t fit the format"
_TAIL = "from there to the largest value"


@dataclass(frozen=True)
class Axis:
    """The axis of what is measured of each row; value: None where a row has no finite one."""

    title: str
    value: Callable[[Row], float | None]
    logarithmic: bool = False


def accuracy_chart(rows: Sequence[Row], standard: Standard) -> Specification:
    """Accuracy against bits: a point a row with its interval and its ties, beside the reference's line and interval.

    A point's colour is what is shown of the row's loss. `rows`: the reference first.
    """
    import altair as alt

    title, labels = axis_labels([row.name for row in rows[1:]])
    kinds = kinds_of(standard, rows[0].name)
    drawn = [
        accuracy_point(row, label, kinds[drop(row, standard) or Drop.WITHIN])
        for row, label in zip(rows, ["", *labels], strict=True)
    ]
    floats, data = alt.Chart(alt.Data(values=drawn[:1])), alt.Chart(alt.Data(values=drawn[1:]))
    lowest = min(min(point["low"], point["tie_low"]) for point in drawn)
    highest = max(max(point["high"], point["tie_high"]) for point in drawn)
    room = 0.1 * (highest - lowest)  # for the text below the lowest point and above the float line
    domain = [max(lowest - room, 0), highest + room]
    x = alt.X("label:N", sort=None, title=title, axis=alt.Axis(labelAngle=0))
    y_title = "accuracy in %, with its 95 % interval"
    y = alt.Y("accuracy:Q", title=y_title, scale=alt.Scale(domain=domain, nice=False, zero=False))
    low, tie_low = alt.Y("low:Q", title=y_title), alt.Y("tie_low:Q", title=y_title)
    colours = dict(zip(kinds.values(), [BLUE, ORANGE, PURPLE], strict=True))
    if any(row.tied for row in rows[1:]):
        colours[_TIES] = GREY
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    colour = alt.Color("kind:N", title=None, scale=scale, legend=legend("circle"))
    tooltip = [
        alt.Tooltip("name:N", title="row"),
        alt.Tooltip("accuracy:Q", title="accuracy in %", format=".2f"),
        alt.Tooltip("interval:N", title="95 % interval"),
        alt.Tooltip("ties:N", title="over ties"),
    ]
    chart = alt.layer(
        floats.mark_rect(color=GREEN, opacity=0.15).encode(y=low, y2="high:Q"),
        floats.mark_rule(color=GREEN, strokeWidth=2).encode(y=y),
        floats.mark_text(color="currentColor", fontWeight="bold", align="left", baseline="bottom", dx=4, dy=-3).encode(
            x=alt.value(0), y=y, text="text:N"
        ),
        data.mark_bar(size=18, fillOpacity=0.35).encode(x=x, y=tie_low, y2="tie_high:Q", color=alt.datum(_TIES)),
        data.mark_line(color=GREY, strokeWidth=1.5).encode(x=x, y=y),
        data.mark_rule(strokeWidth=2).encode(x=x, y=low, y2="high:Q", color=colour),
        data.mark_tick(orient="horizontal", size=10, thickness=2).encode(x=x, y=low, color=colour),
        data.mark_tick(orient="horizontal", size=10, thickness=2).encode(x=x, y="high:Q", color=colour),
        data.mark_point(size=70, filled=True, opacity=1).encode(x=x, y=y, color=colour, tooltip=tooltip),
        data.mark_text(baseline="top", dy=6, color="currentColor").encode(
            x=x, y=low, text=alt.condition(f"width >= {_LABEL_WIDTH * len(labels)}", "text:N", alt.value(""))
        ),
    )
    return finished(chart, ACCURACY_HEIGHT, f"Accuracy of each row, beside {CALLED[rows[0].name]}.")


def deviation_chart(rows: Sequence[Row], axis: Axis) -> Specification:
    """The distance from the float outputs against bits.

    Left out: rows without a finite value, and an error of 0, which has no place on a logarithmic axis.
    """
    import altair as alt

    title, labels = axis_labels([row.name for row in rows[1:]])
    found = [axis.value(row) for row in rows[1:]]
    points = [{"label": label, "value": value} for label, value in zip(labels, found, strict=True) if value]
    scale = alt.Scale(type="log") if axis.logarithmic else alt.Scale()
    x = alt.X("label:N", title=title, scale=alt.Scale(domain=labels), axis=alt.Axis(labelAngle=0))
    y = alt.Y("value:Q", title=axis.title, scale=scale)
    tooltip = [alt.Tooltip("label:N", title=title), alt.Tooltip("value:Q", title=axis.title, format=".4g")]
    data = alt.Chart(alt.Data(values=points))
    chart = alt.layer(
        data.mark_line(color=GREY, strokeWidth=1.5).encode(x=x, y=y),
        data.mark_point(size=70, filled=True, opacity=1, color=BLUE).encode(x=x, y=y, tooltip=tooltip),
    )
    return finished(chart, ACCURACY_HEIGHT, f"Distance of each row's outputs from {CALLED[rows[0].name]}.")


def scores_chart(rows: Sequence[Row], axis: Axis) -> Specification:
    """A score against bits, beside the float row's; rows without a value are left out."""
    import altair as alt

    title, labels = axis_labels([row.name for row in rows[1:]])
    found = zip(labels, [axis.value(row) for row in rows[1:]], strict=True)
    points = [{"label": label, "value": value} for label, value in found if value is not None]
    in_float = axis.value(rows[0])
    floats = [] if in_float is None else [{"value": in_float, "text": f"{rows[0].name} {in_float:.4f}"}]
    x = alt.X("label:N", title=title, scale=alt.Scale(domain=labels), axis=alt.Axis(labelAngle=0))
    y = alt.Y("value:Q", title=axis.title, scale=alt.Scale(zero=False))
    tooltip = [alt.Tooltip("label:N", title=title), alt.Tooltip("value:Q", title=axis.title, format=".4f")]
    across, data = alt.Chart(alt.Data(values=floats)), alt.Chart(alt.Data(values=points))
    chart = alt.layer(
        across.mark_rule(color=GREEN, strokeWidth=2).encode(y=y),
        across.mark_text(color="currentColor", fontWeight="bold", align="left", baseline="bottom", dx=4, dy=-3).encode(
            x=alt.value(0), y=y, text="text:N"
        ),
        data.mark_line(color=GREY, strokeWidth=1.5).encode(x=x, y=y),
        data.mark_point(size=70, filled=True, opacity=1, color=BLUE).encode(x=x, y=y, tooltip=tooltip),
    )
    return finished(chart, ACCURACY_HEIGHT, f"{axis.title} of each row, beside {CALLED[rows[0].name]}.")


def ranges_chart(reaches: Sequence[SiteReach]) -> Specification:
    """A line a site on an axis of powers of two: what its format reaches, and where its values' magnitudes lie.

    A site that is always 0 has no place on such an axis; its line shows the format alone.
    """
    import altair as alt

    values = [segment for reach in reaches for segment in _segments(reach)]
    labels = [reach.label for reach in reaches]
    parts = [_FORMAT, _VALUES, _MISFIT, _TAIL]
    present = {segment["part"] for segment in values}
    colours = dict(zip(parts, [GREY, BLUE, ORANGE, "currentColor"], strict=True))
    shown = [part for part in parts if part in present]
    encoding = {
        "y": alt.Y(
            "label:N",
            title=None,
            scale=alt.Scale(domain=labels),
            axis=alt.Axis(labelLimit=120, ticks=False, domain=False),
        ),
        "x": alt.X(
            "start:Q",
            title="magnitude",
            scale=alt.Scale(zero=False, nice=False, padding=8),
            axis=alt.Axis(orient="top", labelExpr=_powers(values), tickMinStep=1, tickCount=8),
        ),
        "x2": "end:Q",
        "color": alt.Color(
            "part:N",
            title=None,
            scale=alt.Scale(domain=shown, range=[colours[part] for part in shown]),
            legend=legend("square"),
        ),
        "tooltip": [
            alt.Tooltip("label:N", title="site"),
            alt.Tooltip("format:N", title="format"),
            alt.Tooltip("values:N", title="values"),
            alt.Tooltip("fit:N", title="the range"),
        ],
    }

    def layer(*drawn: str) -> Any:
        return alt.Chart(alt.Data(values=[segment for segment in values if segment["part"] in drawn]))

    chart = alt.layer(
        layer(_FORMAT).mark_bar(height=15, fillOpacity=0.4).encode(**encoding),
        layer(_TAIL).mark_rule(strokeWidth=2).encode(**encoding),
        layer(_VALUES, _MISFIT).mark_bar(height=7).encode(**encoding),
    )
    description = "For each site the magnitudes of its values beside what its format resolves and reaches."
    return finished(chart, _SITE_HEIGHT * len(labels), description)


def histogram_chart(name: str, site: SiteRange, formats: Sequence[FixedFormat]) -> Specification:
    """The histogram of a site's values, and below it a line a format from its lowest to its highest value.

    The counts' axis is a logarithmic one (of one more than the count), so that a lone value far out is seen.
    """
    import altair as alt

    bins = [
        {"from": row["from"], "to": row["to"], "count": row["count"], "height": row["count"] + 1}
        for row in site.records()
    ]
    spans = [
        {"format": ap_fixed_name(format), "from": float(format.min_value), "to": float(format.max_value)}
        for format in formats
    ]
    values = [Fraction(site.low), Fraction(site.high)]
    values += [value for format in formats for value in (format.min_value, format.max_value)]
    scale = alt.Scale(domain=[float(min(values)), float(max(values))], nice=True)
    ends_tooltip = [alt.Tooltip("from:Q", format=".6g"), alt.Tooltip("to:Q", format=".6g")]
    bars = (
        alt.Chart(alt.Data(values=bins))
        .mark_bar(color=BLUE, binSpacing=0)
        .encode(
            x=alt.X("from:Q", title=f"values of {name}", scale=scale),
            x2="to:Q",
            y=alt.Y("height:Q", title="count + 1", scale=alt.Scale(type="log", domainMin=1), stack=None),
            y2=alt.datum(1),
            tooltip=[*ends_tooltip, alt.Tooltip("count:Q", format=",")],
        )
        .properties(width=_PICTURE_WIDTH, height=ACCURACY_HEIGHT // 2)
    )
    lines = (
        alt.Chart(alt.Data(values=spans))
        .mark_bar(color=ORANGE, height=8)
        .encode(
            x=alt.X("from:Q", title=None, scale=scale, axis=None),
            x2="to:Q",
            y=alt.Y("format:N", title=None, sort=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=0)),
            tooltip=["format:N", *ends_tooltip],
        )
        .properties(width=_PICTURE_WIDTH, height=_SITE_HEIGHT * len(spans))
    )
    chart = alt.vconcat(bars, lines) if spans else bars
    return _styled(chart, f"The histogram of {name}, and how far the formats reach.")


def axis_labels(names: Sequence[str]) -> tuple[str, list[str]]:
    """The axis' title and a label a row: the bits alone where all rows count the same ones."""
    for prefix, title in (("F=", "fraction bits"), ("W=", "word length in bits")):
        if names and all(name.startswith(prefix) for name in names):
            return title, [name.removeprefix(prefix) for name in names]
    return "row", list(names)


@cache
def javascript_bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script that needs nothing else and defines `vegaEmbed`."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", _vega_lite_version())
    return bundle


def to_svg(specification: Specification) -> str:
    """The chart as an SVG element."""
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(_with_width(specification), vl_version=_vega_lite_version())
    return svg


def to_png(specification: Specification) -> bytes:
    """The chart as a PNG file on white, at twice the size on a page."""
    import vl_convert

    on_white = _with_width(specification) | {"background": "white"}
    png: bytes = vl_convert.vegalite_to_png(on_white, vl_version=_vega_lite_version(), scale=2)
    return png


def to_pdf(specification: Specification) -> bytes:
    """The chart as a PDF file, for papers: lines and letters, no pixels."""
    import vl_convert

    pdf: bytes = vl_convert.vegalite_to_pdf(_with_width(specification), vl_version=_vega_lite_version())
    return pdf


def _with_width(specification: Specification) -> Specification:
    """A picture has no container to fill; what has a width of its own keeps it."""
    fills = specification.get("width") == "container"
    return specification | {"width": _PICTURE_WIDTH} if fills else specification


def kinds_of(standard: Standard, reference: str) -> dict[Drop, str]:
    """How the legend names what is shown of a row."""
    most = points(standard.max_drop)
    return {
        Drop.WITHIN: f"within {most} of {CALLED[reference]}",
        Drop.WORSE: f"loses more than {most}",
        Drop.UNKNOWN: "too few images to tell",
    }


def accuracy_point(row: Row, label: str, kind: str) -> dict[str, Any]:
    accuracy = 100 * row.share.accuracy
    low, high = (100 * end for end in row.share.interval)
    tie_low, tie_high = (100 * end for end in row.share.over_ties)
    return {
        "name": row.name,
        "label": label,
        "kind": kind,
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "tie_low": tie_low,
        "tie_high": tie_high,
        "text": f"{accuracy:.1f}" if label else f"{row.name} {accuracy:.2f} %",
        "interval": f"{low:.2f} to {high:.2f} %",
        "ties": f"{tie_low:.2f} to {tie_high:.2f} %",
    }


def _segments(reach: SiteReach) -> list[dict[str, Any]]:
    """What is drawn on one site's line, from `start` to `end` in powers of two."""
    drawn: list[tuple[str, float, float]] = []
    if reach.resolution is not None and reach.reach is not None:
        drawn.append((_FORMAT, reach.resolution, reach.reach))
    if reach.typical > 0:
        drawn.append((_MISFIT if reach.misfit else _VALUES, min(reach.typical, reach.most), reach.most))
        drawn.append((_TAIL, reach.most, reach.largest))
    facts = {
        "label": reach.label,
        "format": "none in the plan" if reach.spec is None else describe_spec(reach.spec),
        "values": f"{reach.range.low:.6g} to {reach.range.high:.6g}, median magnitude {reach.typical:.3g}",
        "fit": reach.fit.value,
    }
    return [{"part": part, "start": log2(start), "end": log2(end)} | facts for part, start, end in drawn if start > 0]


def _powers(segments: Sequence[Mapping[str, Any]]) -> str:
    """A Vega expression that writes the exponent of each tick between the segments' ends as a power of two."""
    ends = [segment[end] for segment in segments for end in ("start", "end")]
    exponents = range(floor(min(ends, default=0)) - 1, ceil(max(ends, default=0)) + 2)
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return f"{json.dumps({n: f'2{str(n).translate(raised)}' for n in exponents})}[datum.value]"


def legend(symbol: str) -> Any:
    import altair as alt

    return alt.Legend(orient="top", direction="vertical", symbolType=symbol, symbolOpacity=1, labelLimit=0)


def finished(chart: Any, height: int, description: str) -> Specification:
    """The chart, as wide as its container, as plain JSON."""
    import altair as alt

    autosize = alt.AutoSizeParams(type="fit-x", contains="padding")
    return _styled(chart.properties(width="container", height=height, autosize=autosize), description)


def _styled(chart: Any, description: str) -> Specification:
    """The chart as plain JSON, without the address of its schema, which nothing here loads."""
    styled = (
        chart.properties(description=description)
        .configure(background="transparent", font="sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="currentColor",
            titleColor="currentColor",
            tickColor="currentColor",
            domainColor="currentColor",
            gridColor="currentColor",
            gridOpacity=0.15,
            labelFontSize=12,
            titleFontSize=12,
        )
        .configure_legend(labelColor="currentColor", labelFontSize=12)
        .configure_text(fontSize=12)
    )
    specification: Specification = styled.to_dict()
    del specification["$schema"]
    return specification


def _vega_lite_version() -> str:
    """The version that Altair writes for, as vl-convert takes it: `6.1` of `v6.1.0`."""
    import altair as alt

    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
