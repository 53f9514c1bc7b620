"""Charts in notebooks, and as files."""

import json
from pathlib import Path

import pytest

from bittrue.analysis.charts.chart import Chart, histogram, ranges_chart
from bittrue.errors import BittrueError
from bittrue.fixed import FixedFormat
from reports.folders import BINS, plan, ranges, sweep


def test_a_sweep_shows_its_table_and_its_chart() -> None:
    bundle = sweep()._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == repr(sweep())
    assert bundle["text/html"].index("<table") < bundle["text/html"].index("<svg")
    assert "http" not in bundle["text/html"].replace("http://www.w3.org/", "")


def test_the_metric_chooses_the_chart() -> None:
    assert sweep().chart().specification["description"].startswith("Accuracy")
    assert sweep(metric="mse").chart().specification["description"].startswith("Distance")


def test_charts_of_ranges() -> None:
    everything = ranges_chart(ranges(), plan(6))
    assert everything.svg.startswith('<svg style="max-width: 100%; height: auto"')
    assert "dense6" in everything.svg
    assert repr(everything) == f"Chart: {everything.specification['description']}"


def test_a_histogram_beside_formats() -> None:
    formats = [FixedFormat(True, 8, 3), FixedFormat(True, 8, 5)]
    drawn = histogram(ranges(), "conv1.output", formats)
    counts, reach = drawn.specification["vconcat"]
    bins = counts["data"]["values"]
    assert len(bins) == BINS
    # The edges are computed in float64 from the counts' own scale.
    # The ends are computed in float64 from the range and the number of bins: equal up to its rounding.
    assert (bins[0]["from"], bins[-1]["to"]) == pytest.approx((-9.1, 8.7))
    assert [line["format"] for line in reach["data"]["values"]] == ["ap_fixed<8,5>", "ap_fixed<8,3>"]
    assert [line["from"] for line in reach["data"]["values"]] == [-16.0, -4.0]
    assert "ap_fixed" in drawn.svg
    assert "vconcat" not in histogram(ranges(), "relu7.output").specification
    with pytest.raises(BittrueError, match="did you mean conv1.output"):
        histogram(ranges(), "conv1.outptu")


def test_files(tmp_path: Path) -> None:
    chart = Chart(sweep().chart().specification)
    for suffix, start in ((".svg", b"<svg"), (".png", b"\x89PNG"), (".pdf", b"%PDF"), (".json", b"{")):
        path = tmp_path / f"chart{suffix}"
        chart.save(path)
        assert path.read_bytes().startswith(start)
    assert json.loads((tmp_path / "chart.json").read_text()) == chart.specification
    with pytest.raises(BittrueError, match=r"not as '\.gif'"):
        chart.save(tmp_path / "chart.gif")
