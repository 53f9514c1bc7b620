"""The chart of a trace: what became of each site's numbers, and how much of the loss freeing it alone brings back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bittrue.analysis.charts.specifications import BLUE, ORANGE, PURPLE, Specification, finished, legend

OVERFLOWED, ZEROED, BACK = "numbers that overflowed", "numbers that became 0", "of the loss, back with this site freed"

_SITE_HEIGHT = 30


@dataclass(frozen=True)
class SiteEffect:
    """A site, and the shares (of 1) that are shown of it by their names above; those that are None are left out."""

    site: str
    shares: Mapping[str, float | None]


def effects_chart(sites: Sequence[SiteEffect]) -> Specification:
    """A group of bars a site, in per cent, in the order of the sites."""
    import altair as alt

    colours = {OVERFLOWED: ORANGE, ZEROED: BLUE, BACK: PURPLE}
    bars = [
        {"site": site.site, "what": what, "share": 100 * share}
        for site in sites
        for what, share in site.shares.items()
        if share is not None
    ]
    chart = (
        alt.Chart(alt.Data(values=bars))
        .mark_bar()
        .encode(
            y=alt.Y(
                "site:N",
                title=None,
                sort=None,
                scale=alt.Scale(domain=[site.site for site in sites]),
                axis=alt.Axis(labelLimit=180, ticks=False, domain=False),
            ),
            yOffset=alt.YOffset("what:N", scale=alt.Scale(domain=list(colours))),
            x=alt.X("share:Q", title="%", axis=alt.Axis(orient="top")),
            color=alt.Color(
                "what:N",
                title=None,
                scale=alt.Scale(domain=list(colours), range=list(colours.values())),
                legend=legend("square"),
            ),
            tooltip=[
                alt.Tooltip("site:N"),
                alt.Tooltip("what:N", title="share of"),
                alt.Tooltip("share:Q", title="%", format=".3g"),
            ],
        )
    )
    description = "Of the sites that cost most: what became of their numbers, and what freeing each alone brings back."
    return finished(chart, _SITE_HEIGHT * max(len(sites), 1), description)
