"""The traced network on the page: its picture, the numbers behind it, and nothing that leaves the page."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.networks import convolutional, random_images
from bittrue.analysis.tracing.trace import trace
from bittrue.analysis.tracing.trace_result import Trace
from bittrue.errors import BittrueError
from bittrue.plan import study_plan
from bittrue.reports import build_report
from bittrue.reports.trace_view import WIDTH, trace_view
from reports.folders import NETWORK, make_folder, plan, sweep
from reports.test_page import HOSTILE, Reader

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module", name="traced")
def _traced(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """A real trace, said to be of the made-up folder's network and its row F=5."""
    network, dataset = convolutional(), random_images(tmp_path_factory.mktemp("data"), classes=None)
    found = trace(network, study_plan(network, 1, word_length=4), dataset)
    return replace(found, network=NETWORK, plan=plan(5).hash)


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page without its charts, whose making takes seconds and is tested elsewhere."""
    monkeypatch.setattr("bittrue.analysis.charts.specifications.to_svg", lambda specification: "<svg></svg>")
    monkeypatch.setattr("bittrue.analysis.charts.specifications.to_png", lambda specification: b"")
    monkeypatch.setattr("bittrue.analysis.charts.specifications.javascript_bundle", lambda: "")


def test_every_node_has_its_place_and_lines_lead_downwards(traced: Trace) -> None:
    view = trace_view(traced, sweep().rows)
    assert view.row == "F=5"
    assert [box.node for box in view.boxes] == [node for node, _ in traced.edges]
    assert len(view.lines) == len(view.boxes) - 1
    places = [(box.x, box.y) for box in view.boxes]
    assert len(set(places)) == len(places)
    assert all(box.x >= 0 and box.x + box.width <= WIDTH and box.y + 30 <= view.height for box in view.boxes)
    assert max(box.heat for box in view.boxes) > 0
    hottest = [box for box in view.boxes if box.heat == max(box.heat for box in view.boxes)]
    assert traced.site(traced.ranking[0]).node in {box.node for box in hottest}
    assert all(box.note for box in hottest)


def test_branches_lie_side_by_side(traced: Trace) -> None:
    edges = (("in", ()), ("left", ("in",)), ("right", ("in",)), ("sum", ("left", "right")), ("out", ("sum", "in")))
    view = trace_view(replace(traced, edges=edges, sites=(), ranking=(), together=None, stop=None), ())
    at = {box.node: box for box in view.boxes}
    assert view.row is None
    assert at["left"].y == at["right"].y < at["sum"].y < at["out"].y
    assert at["left"].x + at["left"].width < at["right"].x
    assert len(view.lines) == 6
    assert sum("V" in line for line in view.lines) == 1  # from "in" past the others to "out"


def test_the_page_leads_from_the_picture_to_the_numbers(traced: Trace, tmp_path: Path) -> None:
    another = tmp_path / "another"
    another.mkdir()
    traced.save(make_folder(tmp_path) / "trace.json")
    text = build_report(tmp_path).read_text("utf-8")
    reader = Reader(text)
    assert reader.open == []
    links = [a["href"] or "" for _, a in reader.elements if "href" in a]
    identifiers = {a["id"] for _, a in reader.elements if "id" in a}
    assert len(links) == len(traced.edges)
    assert {link.removeprefix("#") for link in links if link.removeprefix("#") in identifiers} >= {"trace-0", "trace-1"}
    assert all(link.startswith("#") for link in links)
    shown = re.sub(r"\s+", " ", reader.text)
    assert "The row F=5, traced on 40 images: " in shown
    assert all(sentence in shown for sentence in traced.diagnosis)
    site = traced.site("conv.output")
    assert site.first_zero is not None
    assert f"image {site.first_zero.image} at (" in shown
    assert f": {site.first_zero.exact} → 0" in shown
    assert "Why it does what it does" not in build_report(make_folder(another)).read_text("utf-8")


def test_names_in_the_picture_are_text(traced: Trace, tmp_path: Path) -> None:
    sites = tuple(replace(site, node=HOSTILE) if site.node == "conv" else site for site in traced.sites)
    edges = tuple((HOSTILE if node == "conv" else node, ()) for node, _ in traced.edges)
    replace(traced, sites=sites, edges=edges).save(make_folder(tmp_path) / "trace.json")
    text = build_report(tmp_path).read_text("utf-8")
    assert "<script>alert" not in text
    assert HOSTILE in Reader(text).text


def test_a_trace_of_another_network_is_refused(traced: Trace, tmp_path: Path) -> None:
    replace(traced, network="sha256:00").save(make_folder(tmp_path) / "trace.json")
    with pytest.raises(BittrueError, match=r"trace\.json is about another network"):
        build_report(tmp_path)
