"""The charts of searches and sensitivities: what each site costs alone, the bits of a plan, how it was reached, and the
front of plans at other prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bittrue.analysis.charts.specifications import (
    ACCURACY_HEIGHT,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    Specification,
    finished,
    legend,
)
from bittrue.analysis.sensitivity_result import shade

_INK = "#16202c"
_HEAT = {
    "below 0.001": "#f3f5f8",
    "below 0.01": "#fbe7d6",
    "below 0.1": "#f6c79f",
    "below 1": "#ee9f5e",
    "1 or more": "#d9701e",
}
"""A colour a decade of what a site costs, from what hardly costs anything on, and the text on all of them."""

_SITE_HEIGHT = 22
_BITS_HEIGHT = 160
_LABELLED = 7
"""From this share in per cent on a site's name stands on its part."""


@dataclass(frozen=True)
class Stored:
    """A site of a plan: of which kind, how many words it has, and their length."""

    site: str
    kind: str
    words: int
    word_length: int


def sensitivity_chart(losses: Sequence[tuple[str, int, float]], measure: str) -> Specification:
    """A row a site and a column a word length; the colour is the order of magnitude of what that costs alone.

    losses: site, word length, and loss.
    """
    import altair as alt

    cells = [
        {"site": site, "bits": bits, "loss": loss, "kind": list(_HEAT)[shade(loss)], "text": f"{loss:.2g}"}
        for site, bits, loss in losses
    ]
    sites = list(dict.fromkeys(site for site, _, _ in losses))
    data = alt.Chart(alt.Data(values=cells))
    x = alt.X("bits:O", title="word length in bits", axis=alt.Axis(labelAngle=0, orient="top"))
    y = alt.Y("site:N", title=None, sort=None, axis=alt.Axis(labelLimit=170, ticks=False, domain=False))
    scale = alt.Scale(domain=list(_HEAT), range=list(_HEAT.values()))
    colour = alt.Color("kind:N", title=measure, scale=scale, legend=alt.Legend(orient="top", columns=3))
    tooltip = [
        alt.Tooltip("site:N"),
        alt.Tooltip("bits:O", title="bits"),
        alt.Tooltip("loss:Q", title=measure, format=".3g"),
    ]
    wide = f"width >= {48 * len({bits for _, bits, _ in losses})}"
    chart = alt.layer(
        data.mark_rect(stroke="currentColor", strokeOpacity=0.15).encode(x=x, y=y, color=colour, tooltip=tooltip),
        data.mark_text(color=_INK, fontSize=11).encode(x=x, y=y, text=alt.condition(wide, "text:N", alt.value(""))),
    )
    return finished(chart, _SITE_HEIGHT * len(sites), "What each site costs alone at each word length.")


def bits_chart(stored: Sequence[Stored], kind: str) -> Specification:
    """The sites of one kind side by side: as wide as their share of all words, as high as their words are long, so that
    the area is memory."""
    import altair as alt

    total = sum(site.words for site in stored)
    start, parts = 0, []
    for site in stored:
        end = start + site.words
        parts.append(
            {
                "site": site.site,
                "bits": site.word_length,
                "start": 100 * start / total,
                "end": 100 * end / total,
                "middle": 50 * (start + end) / total,
                "label": site.site if 100 * site.words / total >= _LABELLED else "",
                "size": site.words * site.word_length,
                "words": site.words,
            }
        )
        start = end
    data = alt.Chart(alt.Data(values=parts))
    x = alt.X("start:Q", title=f"share of all {kind}, %", scale=alt.Scale(domain=[0, 100]))
    highest = max(site.word_length for site in stored)
    y = alt.Y(
        "bits:Q", title="bits", scale=alt.Scale(domain=[0, highest + 1]), axis=alt.Axis(tickMinStep=1, format="d")
    )
    shades = alt.Scale(domain=[1, 16], range=["#e4eef8", "#1d5f9c"], interpolate="rgb", clamp=True)
    colour = alt.Color("bits:Q", title=None, scale=shades, legend=None)
    tooltip = [
        alt.Tooltip("site:N"),
        alt.Tooltip("bits:Q"),
        alt.Tooltip("words:Q", title="words", format=","),
        alt.Tooltip("size:Q", title="bits in all", format=","),
    ]
    chart = alt.layer(
        data.mark_bar(stroke="currentColor", strokeOpacity=0.4, strokeWidth=0.5).encode(
            x=x, x2="end:Q", y=y, y2=alt.datum(0), color=colour, tooltip=tooltip
        ),
        data.mark_text(baseline="bottom", dy=-3, fontSize=11, color="currentColor", limit=90).encode(
            x="middle:Q", y=y, text=alt.condition("width >= 560", "label:N", alt.value(""))
        ),
    )
    return finished(chart, _BITS_HEIGHT, f"Bits of each site's {kind}: the area is memory.")


def path_chart(path: Sequence[Mapping[str, Any]]) -> Specification:
    """The plans that were simulated, in order: their price, whether they held, and the cheapest so far."""
    import altair as alt

    best, tried = None, []
    for number, one in enumerate(path, 1):
        if one["within"] and (best is None or one["price"] < best):
            best = one["price"]
        points = 100 * (one["lost"] - one["gained"]) / one["images"]
        tried.append(
            {
                "number": number,
                "price": 100 * one["price"],
                "best": None if best is None else 100 * best,
                "kind": _HOLDS if one["within"] else _REFUSED,
                "points": points,
                "images": one["images"],
            }
        )
    data = alt.Chart(alt.Data(values=tried))
    so_far = alt.Chart(alt.Data(values=[one for one in tried if one["best"] is not None]))
    x = alt.X(
        "number:Q", title="plan", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(nice=False, padding=12)
    )
    y = alt.Y("price:Q", title="price, % of the longest words'", scale=alt.Scale(zero=False))
    colours = alt.Scale(domain=[_HOLDS, _REFUSED], range=[GREEN, ORANGE])
    tooltip = [
        alt.Tooltip("number:Q", title="plan"),
        alt.Tooltip("price:Q", title="price, %", format=".2f"),
        alt.Tooltip("points:Q", title="points lost", format="+.2f"),
        alt.Tooltip("images:Q", title="on images", format=","),
    ]
    chart = alt.layer(
        so_far.mark_line(color=GREEN, interpolate="step-after", strokeWidth=1.5).encode(x=x, y=alt.Y("best:Q")),
        data.mark_point(size=70, filled=True, opacity=1).encode(
            x=x,
            y=y,
            color=alt.Color("kind:N", title=None, scale=colours, legend=legend("circle")),
            tooltip=tooltip,
        ),
    )
    return finished(
        chart, ACCURACY_HEIGHT * 2 // 3, "The plans that were simulated, and the cheapest that held so far."
    )


_HOLDS, _REFUSED = "holds", "refused"
_FOUND, _BEST, _BEATEN = "the plan found", "on the front", "beaten by another"


@dataclass(frozen=True)
class Placed:
    """A plan of the front: its price as a share of the longest words', the points it loses and their standard error,
    and what it is."""

    price: float
    drop: float
    error: float
    bits: str
    is_found: bool
    is_best: bool


def front_chart(points: Sequence[Placed], max_drop: float) -> Specification:
    """Points of accuracy lost against the price, with standard errors, and the loss that is allowed."""
    import altair as alt

    drawn = [
        {
            "price": 100 * point.price,
            "drop": point.drop,
            "low": point.drop - point.error,
            "high": point.drop + point.error,
            "bits": point.bits,
            "kind": _FOUND if point.is_found else _BEST if point.is_best else _BEATEN,
        }
        for point in points
    ]
    data = alt.Chart(alt.Data(values=drawn))
    allowed = alt.Chart(alt.Data(values=[{"drop": max_drop, "text": f"allowed: {max_drop:g}"}]))
    x = alt.X("price:Q", title="price, % of the longest words'", scale=alt.Scale(zero=False, padding=16))
    y = alt.Y("drop:Q", title="points of accuracy lost", scale=alt.Scale(type="symlog", constant=1))
    colours = alt.Scale(domain=[_FOUND, _BEST, _BEATEN], range=[GREEN, BLUE, GREY])
    colour = alt.Color("kind:N", title=None, scale=colours, legend=legend("circle"))
    tooltip = [
        alt.Tooltip("bits:N"),
        alt.Tooltip("price:Q", title="price, %", format=".2f"),
        alt.Tooltip("drop:Q", title="points lost", format="+.2f"),
    ]
    chart = alt.layer(
        allowed.mark_rule(color=ORANGE, strokeDash=[5, 4]).encode(y=y),
        allowed.mark_text(color="currentColor", align="right", baseline="bottom", dy=-3).encode(
            x=alt.value("width"), y=y, text="text:N"
        ),
        data.mark_rule(strokeWidth=2, opacity=0.6).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour),
        data.mark_point(size=80, filled=True, opacity=1).encode(x=x, y=y, color=colour, tooltip=tooltip),
    )
    return finished(chart, ACCURACY_HEIGHT, "Points of accuracy lost against the price of each plan.")
