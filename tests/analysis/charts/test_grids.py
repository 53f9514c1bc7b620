"""The charts of grids, of several recipes, and of traces: their data, and that Vega-Lite takes them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.networks import convolutional, random_images
from bittrue.analysis.charts import specifications as charts
from bittrue.analysis.standard import Standard
from bittrue.analysis.statistics.fixed_sample import mcnemar_exact, wilson_interval
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.tracing.trace import trace
from bittrue.analysis.verdict import Row
from bittrue.plan import study_plan


def row(name: str, right: int, lost: int | None = None) -> Row:
    share = right / 1000
    made = Row(name, None if lost is None else name, False, 1000, share, wilson_interval(right, 1000), (share, share))
    made = replace(made, loss=0.1, correct=right, tied=0)
    return made if lost is None else replace(made, lost=lost, gained=0, p_value=mcnemar_exact(lost, 0))


def sweep(*rows: Row) -> Sweep:
    data = {"name": "digits", "images": 1000}
    return Sweep("sha256:0", "small", data, "accuracy", (row("float", 950), *rows), Standard())


def values(specification: Any) -> list[dict[str, Any]]:
    """All data of a chart, wherever they stand."""
    if isinstance(specification, dict):
        own = specification.get("data", {}).get("values", []) if isinstance(specification.get("data"), dict) else []
        return own + [value for part in specification.values() for value in values(part)]
    return [value for part in specification for value in values(part)] if isinstance(specification, list) else []


GRID = sweep(*(row(f"W{w}A{a}", 950 - lost, lost) for w, a, lost in [(4, 6, 90), (4, 8, 12), (5, 6, 1), (5, 8, 0)]))


def test_a_grid_is_a_heat_map_and_a_table() -> None:
    specification = GRID.chart().specification
    cells = {(cell["weights"], cell["activations"]): cell for cell in values(specification) if "weights" in cell}
    assert {place: (cell["text"], cell["note"]) for place, cell in cells.items()} == {
        (4, 6): ("86.00", "worse"),
        (4, 8): ("93.80", "too few"),
        (5, 6): ("94.90", "within"),
        (5, 8): ("95.00", "within"),
    }
    assert charts.to_svg(specification).startswith("<svg")
    text = str(GRID)
    assert "by the bits of weights (down) and activations (across)" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["weights", "6", "bits", "8", "bits"] in lines
    assert lines.index(["5", "bits", "94.90", "95.00"]) < lines.index(["4", "bits", "86.00", "93.80"])


def test_one_line_is_no_grid() -> None:
    found = sweep(row("W4A6", 860, 90), row("W5A6", 949, 1))
    assert "across" not in str(found)
    assert "weights" not in values(found.chart().specification)[0]


def test_each_recipe_is_a_line() -> None:
    found = sweep(row("study F=3", 800, 150), row("hardware W=4", 949, 1), row("hardware W=3", 938, 12))
    specification = found.chart().specification
    points = [point for point in values(specification) if "line" in point]
    places = {(point["line"], point["bits"], round(point["accuracy"], 1)) for point in points}
    assert places == {("study", 3, 80.0), ("hardware", 4, 94.9), ("hardware", 3, 93.8)}
    assert charts.to_svg(specification).startswith("<svg")
    assert "fraction bits (study), word length (hardware)" in str(specification)


@pytest.mark.parametrize("fraction_bits", [1, 12])
def test_a_trace_has_a_chart(tmp_path: Path, fraction_bits: int) -> None:
    network = convolutional()
    found = trace(network, study_plan(network, fraction_bits, word_length=6), random_images(tmp_path), images=8)
    specification = found.chart().specification
    shown = values(specification)
    assert {bar["site"] for bar in shown} <= {site.site for site in found.sites}
    for bar in shown:
        site = found.site(bar["site"])
        if bar["what"] == "numbers that overflowed":
            # The same quotient written in another order: equal up to float64's rounding.
            assert bar["share"] == pytest.approx(100 * site.overflowed / site.values)
    assert charts.to_svg(specification).startswith("<svg")
    assert found._repr_mimebundle_()["text/html"].count("<svg") == 1
