"""The page of a search: the claim first, then the plan, how it was reached, what each site costs, and what repairs
brought; and the page of sensitivities alone."""

from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Any

from bittrue.analysis.charts import searches as charts
from bittrue.analysis.charts.specifications import Specification
from bittrue.analysis.sensitivity_result import CALLED, Sensitivity, shade
from bittrue.errors import BittrueError
from bittrue.files import read_json, write_text
from bittrue.reports.rendering import rendered

KINDS = {"parameter": "weights and other parameters", "activation": "values between layers", "table": "table entries"}
"""What a plan stores, by kind."""

_KEYS = ("claim", "sentence", "sites", "stored", "sensitivity", "path", "front", "repairs", "parts", "max_drop", "cost")


def build_search_report(folder: Path) -> Path:
    """Write `report.html` into `folder` from its search.json. The same file gives the same bytes.

    Raises: BittrueError where the file is damaged or of an older version.
    """
    found: Any = read_json(folder / "search.json", "search")
    missing = [key for key in _KEYS if not isinstance(found, dict) or key not in found]
    if missing:
        raise BittrueError(
            f"{folder / 'search.json'} lacks '{missing[0]}': run `bittrue search` with this folder again."
        )
    page = folder / "report.html"
    write_text(page, render_search(found))
    return page


def render_search(found: Mapping[str, Any]) -> str:
    """The page of search.json's object."""
    by_kind = {kind: [site for site in found["stored"] if site["kind"] == kind and site["words"]] for kind in KINDS}
    stored = {kind: sites for kind, sites in by_kind.items() if sites}
    front = [_point(point) for point in found["front"]]
    specifications: dict[str, Specification] = {
        f"bits-{kind}": charts.bits_chart([_stored(site) for site in sites], KINDS[kind])
        for kind, sites in stored.items()
    }
    if found["path"]:
        specifications["path"] = charts.path_chart(found["path"])
    losses = [(row["site"], row["word_length"], row["loss"]) for row in found["sensitivity"]]
    if losses:
        specifications["sensitivity"] = charts.sensitivity_chart(losses, CALLED[found["measure"]])
    if front:
        specifications["front"] = front_chart(found)
    return rendered(
        "search.html",
        specifications,
        found=found,
        claim=found["claim"],
        kinds={kind: KINDS[kind] for kind in stored},
        stored=[site for sites in stored.values() for site in sites],
        front=_beaten(front),
        heat=_heat(losses),
    )


def front_chart(found: Mapping[str, Any]) -> Specification:
    """The front of search.json's object, which has one."""
    points = _beaten([_point(point) for point in found["front"]])
    placed = [
        charts.Placed(
            point["price"],
            point["drop"],
            point["error"],
            _means(point["bits"]),
            point["sites"] == found["sites"],
            not point["beaten"],
        )
        for point in points
    ]
    return charts.front_chart(placed, found["max_drop"])


def build_sensitivity_report(folder: Path) -> Path:
    """Write `report.html` into `folder` from its sensitivity.json. The same file gives the same bytes."""
    found = Sensitivity.load(folder / "sensitivity.json")
    losses = [(loss.site, loss.word_length, loss.loss) for loss in found.losses]
    specifications = {"sensitivity": charts.sensitivity_chart(losses, CALLED[found.measure])}
    page = folder / "report.html"
    worst = max(found.losses, key=lambda loss: loss.loss)
    text = rendered(
        "sensitivity.html", specifications, found=found, worst=worst, measure=CALLED[found.measure], heat=_heat(losses)
    )
    write_text(page, text)
    return page


def _stored(site: Mapping[str, Any]) -> charts.Stored:
    return charts.Stored(site["site"], site["kind"], site["words"], site["word_length"])


def _point(point: Mapping[str, Any]) -> dict[str, Any]:
    lost, gained, images = point["lost"], point["gained"], point["images"]
    return {**point, "drop": 100 * (lost - gained) / images, "error": 100 * sqrt(lost + gained) / images}


def _beaten(front: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each with whether another point is no dearer and loses no more."""
    places = [(point["price"], point["drop"]) for point in front]
    return [
        {**point, "beaten": any(other != own and other[0] <= own[0] and other[1] <= own[1] for other in places)}
        for point, own in zip(front, places, strict=True)
    ]


def _means(bits: Mapping[str, float | None]) -> str:
    """`3.10 bits a weight, 8.04 an activation`"""
    named = {"weights": "a weight", "activations": "an activation"}
    said = [f"{bits[kind]:.2f} bits {name}" for kind, name in named.items() if bits.get(kind) is not None]
    return ", ".join(said)


def _heat(losses: Sequence[tuple[str, int, float]]) -> dict[str, dict[int, tuple[str, int]]]:
    """By site and word length the loss as text, and its heat for the style sheet."""
    found: dict[str, dict[int, tuple[str, int]]] = {}
    for site, bits, loss in losses:
        found.setdefault(site, {})[bits] = f"{loss:.2g}", shade(loss)
    return found
