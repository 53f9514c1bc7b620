"""The charts' data, and that Vega-Lite takes the specifications."""

from typing import Any

import pytest

from bittrue.analysis.charts import specifications as charts
from bittrue.analysis.charts.reach import site_reaches
from bittrue.analysis.evaluating.metrics import metric_named
from bittrue.analysis.standard import Standard
from reports.folders import IMAGES, plan, ranges, sweep


def values(specification: dict[str, Any]) -> list[dict[str, Any]]:
    """All data of a chart, whether it stands in a layer or by name."""
    named = specification.get("datasets", {})
    found: list[dict[str, Any]] = [point for points in named.values() for point in points]
    for layer in specification["layer"]:
        found += layer.get("data", {}).get("values", [])
    found += specification.get("data", {}).get("values", [])
    return found


def test_a_point_a_row_with_its_interval_and_its_ties() -> None:
    rows = sweep().rows
    points = {point["name"]: point for point in values(charts.accuracy_chart(rows, Standard()))}
    assert sorted(points) == sorted(row.name for row in rows)
    six = points["F=6"]
    assert (six["label"], six["accuracy"]) == ("6", 100 * 7650 / IMAGES)
    assert six["low"] < six["accuracy"] < six["high"]
    assert (six["tie_low"], six["tie_high"]) == (76.0, 77.0)
    within = [name for name, point in points.items() if point["kind"] == "within 1 point of float"]
    assert set(within) == {"float", "F=8"}
    assert points["F=7"]["kind"] == "too few images to tell"
    assert six["kind"] == "loses more than 1 point"


def test_a_chart_too_narrow_for_its_numbers_leaves_them_out() -> None:
    """On a phone thirteen of them would run into each other."""
    specification = charts.accuracy_chart(sweep().rows, Standard())
    pictures = [charts.to_svg(specification | {"width": width}) for width in (720, 40)]
    assert [">76.5<" in picture for picture in pictures] == [True, False]


def test_ranges_are_powers_of_two() -> None:
    reaches = site_reaches(ranges(), plan(6))
    segments = [segment for segment in values(charts.ranges_chart(reaches)) if segment["label"] == "image"]
    ends = {segment["part"]: (segment["start"], segment["end"]) for segment in segments}
    assert ends[charts._FORMAT] == (-6.0, 7.0)
    assert ends[charts._TAIL][1] == 0.0
    assert charts._MISFIT not in ends


def test_what_does_not_fit_has_another_colour_and_zeros_have_no_place() -> None:
    segments = values(charts.ranges_chart(site_reaches(ranges(), plan(6))))
    assert {s["label"] for s in segments if s["part"] == charts._MISFIT} == {"dense6", "dense7", "softmax"}
    assert {s["part"] for s in segments if s["label"] == "relu7"} == {charts._FORMAT}


def test_without_a_plan_the_values_stand_alone() -> None:
    specification = charts.ranges_chart(site_reaches(ranges(), None))
    assert {segment["part"] for segment in values(specification)} == {charts._VALUES, charts._TAIL}
    assert charts.to_svg(specification).startswith("<svg")


def test_on_the_page_charts_fill_their_place_and_as_pictures_they_have_a_width() -> None:
    specification = metric_named("mse").shown.chart(sweep(metric="mse").rows, Standard())
    assert specification["width"] == "container"
    svg = charts.to_svg(specification)
    assert 'width="720"' in svg
    assert "mean squared error" in svg


def test_a_score_stands_beside_the_float_rows() -> None:
    specification = metric_named("mean-iou").shown.chart(sweep(metric="mean-iou").rows, Standard())
    found = {point.get("label", point.get("text")): point["value"] for point in values(specification)}
    assert found["float 0.7500"] == 0.75
    assert found["3"] == 0.75 - 2.0**-3
    assert specification["description"].startswith("mean IoU of each row")


@pytest.mark.parametrize(
    ("names", "title", "labels"),
    [
        (["F=3", "F=-1"], "fraction bits", ["3", "-1"]),
        (["W=8"], "word length in bits", ["8"]),
        (["F=3", "W=8"], "row", ["F=3", "W=8"]),
        ([], "row", []),
    ],
)
def test_rows_that_count_the_same_bits_give_the_axis_its_name(names: list[str], title: str, labels: list[str]) -> None:
    assert charts.axis_labels(names) == (title, labels)
