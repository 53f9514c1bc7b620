"""A trace as the page shows it: a picture of the network with its hot nodes, and behind each its sites' numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from bittrue.analysis.tracing.trace_result import Effect, Event, SiteTrace, Trace
from bittrue.analysis.verdict import Row
from bittrue.reports.tables import HEAT_LEVELS

WIDTH = 340  # units of the picture, which are pixels on a phone
_HEIGHT, _GAP, _MARGIN = 30, 16, 8
_CHARACTER = 7.2  # the width of one in the picture's font
_NOTICED = 0.02
"""A share below this leaves a node cold."""


@dataclass(frozen=True)
class Box:
    """A node in the picture. note: what its hottest site does; marked: it belongs to the set to free together."""

    node: str
    anchor: str
    x: float
    y: float
    width: float
    heat: int
    label: str
    note: str
    marked: bool
    stopped: bool


@dataclass(frozen=True)
class NodeNumbers:
    """What is behind a node; sites: those with a quantizer, the hottest first."""

    node: str
    anchor: str
    heat: int
    note: str
    sites: tuple[SiteTrace, ...]


@dataclass(frozen=True)
class TraceView:
    """row: the name of the sweep's row that ran the traced plan, None where none did. by_effect: whether the colours
    say what freeing brings back, else what is lost. lines: paths between boxes."""

    trace: Trace
    row: str | None
    by_effect: bool
    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    nodes: tuple[NodeNumbers, ...]


def trace_view(trace: Trace, rows: Sequence[Row]) -> TraceView:
    """What the page shows of a trace beside a sweep's rows."""
    by_effect = any(site.effect is not None and (site.effect.back or 0) > _NOTICED for site in trace.sites)
    together = frozenset() if trace.together is None else frozenset(trace.together.freed)
    behind = {
        node: _numbers(node, f"trace-{index}", trace, by_effect=by_effect)
        for index, (node, _) in enumerate(trace.edges)
    }
    places = _places(trace.edges)
    height = _MARGIN + int(max(y for _, y, _ in places.values())) + _HEIGHT
    boxes = tuple(
        Box(
            node,
            behind[node].anchor,
            *places[node],
            heat=behind[node].heat,
            label=_cut(node, places[node][2] - 16 - _CHARACTER * len(_short(behind[node].note, places[node][2]))),
            note=_short(behind[node].note, places[node][2]),
            marked=any(site.site in together for site in behind[node].sites),
            stopped=trace.stop is not None and trace.stop.node == node,
        )
        for node, _ in trace.edges
    )
    return TraceView(
        trace=trace,
        row=next((row.name for row in rows if row.plan == trace.plan), None),
        by_effect=by_effect,
        width=WIDTH,
        height=height,
        boxes=boxes,
        lines=tuple(_line(places[source], places[node]) for node, inputs in trace.edges for source in inputs),
        nodes=tuple(numbers for numbers in behind.values() if numbers.sites),
    )


def share(site: SiteTrace, *, by_effect: bool) -> float:
    """How hot a site is, from 0 to 1."""
    if not by_effect:
        return site.damage
    return min(max(site.effect.back or 0.0, 0.0), 1.0) if site.effect is not None else 0.0


def heat_of(site: SiteTrace, by_effect: bool) -> int:
    """From 0 to HEAT_LEVELS."""
    found = share(site, by_effect=by_effect)
    return min(ceil(HEAT_LEVELS * found), HEAT_LEVELS) if found > _NOTICED else 0


def what_is_lost(site: SiteTrace) -> str:
    """`71 % → 0`, `3 % wrapped`: the larger of the two, or nothing."""
    zeroed = (site.zeroed or 0) / max(site.nonzero or 1, 1)
    overflowed = site.overflowed / max(site.values, 1)
    if max(zeroed, overflowed) == 0:
        return ""
    return f"{_percent(zeroed)} → 0" if zeroed >= overflowed else f"{_percent(overflowed)} {site.overflow}"


def event_text(event: Event) -> str:
    """`image 3 at (5, 7, 2): 69/4 → −59/4`."""
    image = "" if event.image is None else f"image {event.image} "
    product = "" if event.product is None else f" after {event.product} products"
    return f"{image}at ({', '.join(map(str, event.index))}){product}: {event.exact} → {event.became}"


def effect_text(effect: Effect) -> str:
    """What a freed network does, in a few words."""
    parts = [] if effect.flipped is None else [f"{effect.flipped:,} flipped"]
    if effect.lost is not None:
        parts.append(f"{effect.lost:,} lost, {effect.gained:,} gained")
    if effect.from_float is not None:
        parts.append(f"{effect.from_float:,} unlike float")
    return ", ".join([*parts, f"error {effect.error:.3g}"])


def channels_text(counts: Sequence[int]) -> str:
    """How many channels are hit, and the one hit most."""
    hit = sum(count > 0 for count in counts)
    if not hit:
        return "none"
    most = max(range(len(counts)), key=counts.__getitem__)
    return f"{hit:,} of {len(counts):,}, most in channel {most} ({counts[most]:,})"


def _numbers(node: str, anchor: str, trace: Trace, *, by_effect: bool) -> NodeNumbers:
    sites = [site for site in trace.sites if site.node == node]
    sites.sort(key=lambda site: -share(site, by_effect=by_effect))
    if not sites:
        return NodeNumbers(node, anchor, 0, "", ())
    hottest = share(sites[0], by_effect=by_effect)
    level = heat_of(sites[0], by_effect)
    what = f"{_percent(hottest)} back" if by_effect else what_is_lost(sites[0])
    return NodeNumbers(node, anchor, level, f"{sites[0].role} {what}" if level and what else "", tuple(sites))


def _places(edges: Sequence[tuple[str, tuple[str, ...]]]) -> Mapping[str, tuple[float, float, float]]:
    """(x, y, width) of each node's box: a row lies below those of all inputs, and its boxes side by side."""
    row: dict[str, int] = {}
    for node, inputs in edges:
        row[node] = max((row[name] + 1 for name in inputs), default=0)
    found = {}
    for place in range(max(row.values()) + 1):
        beside = [node for node in row if row[node] == place]
        width = (WIDTH - 2 * _MARGIN - 8 * (len(beside) - 1)) / len(beside)
        for index, node in enumerate(beside):
            found[node] = (_MARGIN + index * (width + 8), _MARGIN + place * (_HEIGHT + _GAP), width)
    return found


def _line(source: tuple[float, float, float], target: tuple[float, float, float]) -> str:
    """From the middle of a box's lower side to another's upper one; past the boxes in between along the border."""
    start, end = source[0] + source[2] / 2, target[0] + target[2] / 2
    top, bottom = source[1] + _HEIGHT, target[1]
    if bottom - top <= _GAP:
        return f"M{start:.1f} {top:.1f}L{end:.1f} {bottom:.1f}"
    side = WIDTH - 3
    return f"M{start:.1f} {top:.1f}L{side} {top + _GAP / 2:.1f}V{bottom - _GAP / 2:.1f}L{end:.1f} {bottom:.1f}"


def _short(note: str, width: float) -> str:
    """The note where at least half of the box is left for the name."""
    return note if _CHARACTER * len(note) < width / 2 + 20 else ""


def _cut(text: str, width: float) -> str:
    fitting = max(int(width / _CHARACTER), 3)
    return text if len(text) <= fitting else f"{text[: fitting - 1]}…"


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %" if part >= 0.01 else "< 1 %"
