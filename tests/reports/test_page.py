"""The page: whole, safe, the same every time, and clear about what is missing."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment

from bittrue.errors import BittrueError
from bittrue.files import dump_json, write_text
from bittrue.reports import build_report, rendering
from reports.folders import NODES, RESULTS, make_folder, plan, sweep

HOSTILE = "</script><script>alert(1)</script>"
VOID = {"meta", "br", "img", "link", "input", "hr"}
LIMIT = 2_000_000  # bytes


class Reader(HTMLParser):
    """What a browser would make of a page: its elements, its scripts, its text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append((self.elements[-1][1].get("type"), data))
        elif self.open and self.open[-1] != "style":
            self.text += data

    @property
    def policy(self) -> str:
        return next(a["content"] or "" for tag, a in self.elements if "http-equiv" in a)


def test_rows_that_ended_early_show_their_images_and_interval(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    content = json.loads((folder / "sweep.json").read_text("utf-8"))
    for row in content["rows"][1:]:
        row["p_value"] = None
        row["images"] = 8192
        row["decision"] = {"of_images": 12_345, "error": 0.01, "lost_less_gained": [-30, 120]}
    content |= {"decide": {"error": 0.05, "seed": 7, "look": 64}, "max_drop": 1.0}
    write_text(folder / "sweep.json", dump_json(content))
    reader = Reader(build_report(folder).read_text("utf-8"))
    assert "ended as soon as it was decided" in reader.text
    assert "(seed 7)" in reader.text
    assert "8,192" in reader.text
    assert "−0.97…+0.24" in reader.text
    assert "McNemar" not in reader.text
    assert "this test set of 12,345 images, decided on 8,192 of them" in reader.text


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_report(make_folder(tmp_path_factory.mktemp("alexnet"))).read_text("utf-8")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_report(make_folder(tmp_path_factory.mktemp("hostile"), node=HOSTILE, verified=3)).read_text("utf-8")


def test_the_page_says_everything_in_order(built: str) -> None:
    text = re.sub(r"\s+", " ", Reader(built).text)
    places = [text.index(part) for part in (
        "7 fraction bits: −1.2 points",
        "10,000",
        "Accuracy against bits",
        "Every row",
        "What the values need",
        "Where it overflows",
        "Proof that the result is exact",
        "Verification",
        "1,234,567 values on 2 images were compared, bit for bit, with the reference: no mismatch",
        "bittrue sweep alexnet.keras --data cifar10:data --fraction-bits 3:8",
        "Words",
    )]  # fmt: skip
    assert places == sorted(places)
    assert all(f"F={bits}" in text for bits in RESULTS)
    assert all(f"{node}.output" in text for node in NODES)
    assert "−5.13" in text
    assert "81.63 %–" in text  # cells follow each other, the most important first
    assert "75.66…77.32 %" in text
    assert "76.00…77.00 %" in text
    assert "3 of 26 sites don’t fit: dense6, dense7, softmax." in text
    assert "The shaded row, F=6, ran the plan" in text


def test_every_table_can_say_that_it_goes_on(built: str) -> None:
    """A phone shows no bar to scroll with."""
    reader = Reader(built)
    notes = [a for tag, a in reader.elements if tag == "p" and a.get("class") == "more note"]
    tables = [a for tag, a in reader.elements if tag == "table"]
    assert len(notes) == len(tables) > 3
    assert all("hidden" in note for note in notes)  # until the script finds that it does


def test_the_page_is_well_formed_and_light(built: str) -> None:
    reader = Reader(built)
    assert reader.open == []
    assert built.startswith("<!doctype html>")
    assert len(built.encode()) < LIMIT
    labelled = [a for tag, a in reader.elements if a.get("role") in ("img", "region")]
    assert labelled
    assert all(a.get("aria-label") for a in labelled)
    identifiers = [a["id"] for _, a in reader.elements if "id" in a]
    assert {"accuracy-specification", "ranges-specification", "command"} <= set(identifiers)


def test_the_page_asks_nothing_of_the_network(built: str) -> None:
    reader = Reader(built)
    fetched = [
        (tag, a) for tag, a in reader.elements for name in a if name in ("src", "href", "data", "action", "srcset")
    ]
    assert fetched == []
    assert not re.search(r"@import|url\(", re.sub(r"<script>.*?</script>", "", built, flags=re.DOTALL))
    assert reader.policy.startswith("default-src 'none';")
    assert "unsafe-inline" not in reader.policy.split("script-src")[1]
    assert "$schema" not in "".join(text for kind, text in reader.scripts if kind == "application/json")


def test_only_the_pages_own_scripts_may_run(built: str) -> None:
    reader = Reader(built)
    code = [text for kind, text in reader.scripts if kind is None]
    assert len(code) == 2
    assert all(rendering.script_hash(text) in reader.policy for text in code)
    assert rendering.script_hash(code[1] + " ") not in reader.policy


def test_names_from_the_model_stay_names(hostile: str) -> None:
    reader = Reader(hostile)
    assert f"{HOSTILE}.output" in reader.text
    assert [kind for kind, _ in reader.scripts] == ["application/json", "application/json", None, None]
    assert "<script>alert" not in hostile
    specification = json.loads(reader.scripts[1][1])
    assert HOSTILE in json.dumps(specification)


def test_the_check_of_names_notices_a_page_that_does_not_escape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "Environment", lambda **options: Environment(**options | {"autoescape": False}))
    broken = build_report(make_folder(tmp_path, node=HOSTILE)).read_text("utf-8")
    assert "<script>alert" in broken
    with pytest.raises(AssertionError):
        test_names_from_the_model_stay_names(broken)


def test_json_cannot_end_its_script_element() -> None:
    value = {"name": "</script><!--<script>"}
    embedded = rendering.embedded_json(value)
    assert "<" not in embedded
    assert json.loads(embedded) == value


def test_the_same_files_give_the_same_bytes(tmp_path: Path, built: str) -> None:
    made = build_report(make_folder(tmp_path))
    picture = (tmp_path / "accuracy.png").read_bytes()
    assert made == tmp_path / "report.html"
    assert made.read_text("utf-8") == built
    assert picture.startswith(b"\x89PNG")
    build_report(tmp_path)
    assert (tmp_path / "accuracy.png").read_bytes() == picture


def test_a_mismatch_is_shown(hostile: str) -> None:
    text = re.sub(r"\s+", " ", Reader(hostile).text)
    assert f"3 mismatches. The first is the code of {HOSTILE}.output, image 1, index 17: expected 5, got 6." in text


@pytest.mark.usefixtures("no_pictures")
def test_the_sweep_alone_is_enough(tmp_path: Path) -> None:
    write_text(tmp_path / "sweep.json", dump_json(sweep().to_json()))
    text = re.sub(r"\s+", " ", Reader(build_report(tmp_path).read_text("utf-8")).text)
    assert "What the values need" not in text
    assert "F=8: every layer is proven exact" in text
    assert "Not done yet: bittrue verify" in text


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", ["verify.json", "simulate.json"])
def test_what_an_earlier_sweep_left_behind_says_nothing_of_this_plan(tmp_path: Path, name: str) -> None:
    make_folder(tmp_path)
    (tmp_path / "verify.json").unlink()
    write_text(tmp_path / "plan.json", dump_json(plan(2).to_json()))
    without = build_report(tmp_path).read_bytes()
    found = {"network": "sha256:00", "exact": False, "layers": [], "against": "reference", "images": 2, "values": 7}
    found |= {"plan": plan(6).hash, "mismatches": 0, "first": None, "not_compared": []}
    write_text(tmp_path / name, dump_json(found))
    assert build_report(tmp_path).read_bytes() == without
    write_text(tmp_path / name, dump_json(found | {"plan": plan(2).hash}))
    assert build_report(tmp_path).read_bytes() != without


@pytest.mark.usefixtures("no_pictures")
def test_other_metrics_show_their_distance(tmp_path: Path) -> None:
    (tmp_path / "accuracy.png").write_bytes(b"of an earlier sweep")
    text = Reader(build_report(make_folder(tmp_path, metric="sqnr")).read_text("utf-8")).text
    assert "Distance from the float network" in text
    assert "Accuracy against bits" not in text
    assert not (tmp_path / "accuracy.png").exists()


@pytest.mark.usefixtures("no_pictures")
def test_scores_have_a_chart_and_columns_of_their_own(tmp_path: Path) -> None:
    text = Reader(build_report(make_folder(tmp_path, metric="mean-iou")).read_text("utf-8")).text
    assert "mean IoU against bits" in text
    assert "Tied positions have several top values" in text
    assert "Lost" not in text
    for found in ("pixel accuracy", "0.7500", "0.6250", "–"):
        assert found in text


@pytest.mark.usefixtures("no_pictures")
def test_a_simulation_of_the_plan_brings_its_proof(tmp_path: Path) -> None:
    """The sweep has no row with this plan, and the simulation says that it is not exact."""
    make_folder(tmp_path)
    other = plan(2)
    write_text(tmp_path / "plan.json", dump_json(other.to_json()))
    layers = [{"node": "conv1", "strategy": "FLOAT", "bound_bits": 0.0, "margin_bits": 0.0, "exact": False}]
    simulation = {"network": other.network, "plan": other.hash, "exact": False, "layers": layers}
    write_text(tmp_path / "simulate.json", dump_json(simulation))
    text = Reader(build_report(tmp_path).read_text("utf-8")).text
    assert "the plan: not every layer is exact" in text
    assert "The shaded row" not in text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("sweep.json", None, r"holds no sweep\.json"),
        ("sweep.json", "{", "isn't whole JSON"),
        ("sweep.json", "{}", "not a sweep"),
        ("sweep.json", "[]", "not a sweep"),
        ("ranges.json", "{}", "not a ranges file"),
        ("plan.json", "{}", "not a plan"),
        ("verify.json", "{}", r"verify\.json lacks 'plan'"),
        ("verify.json", "3", r"verify\.json lacks 'plan'"),
        ("simulate.json", "{}", r"simulate\.json lacks 'plan'"),
        ("network.txt", b"\xff", r"network\.txt can't be read"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path: Path, name: str, content: str | bytes | None, message: str) -> None:
    make_folder(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BittrueError, match=message):
        build_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_files_about_two_networks_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path)
    content = json.loads((tmp_path / "ranges.json").read_text())
    write_text(tmp_path / "ranges.json", dump_json(content | {"network": "sha256:00"}))
    with pytest.raises(BittrueError, match=r"ranges\.json is about another network than .*sweep\.json"):
        build_report(tmp_path)


@pytest.mark.parametrize("change", [{"rows": []}, {"rows": "float"}, {"metric": "accuracy"}])
def test_a_sweep_without_a_float_row_or_its_accuracy_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    write_text(tmp_path / "sweep.json", dump_json(sweep(metric="mse").to_json() | change))
    with pytest.raises(BittrueError, match=r"sweep\.json"):
        build_report(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BittrueError, match="There is no folder"):
        build_report(tmp_path / "missing")


def test_importing_the_report_does_not_import_the_charts_libraries() -> None:
    code = "import sys, bittrue.reports.page; sys.exit(any(name in sys.modules for name in ('altair', 'vl_convert')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


CERTIFICATE = {
    "bittrue": 1,
    "network": "sha256:0",
    "plan": plan(6).hash,
    "on_host": ["softmax"],
    "witnesses": [
        {"witness": "c", "images": 20, "layers": 8, "values": 44360, "mismatches": 1, "reason": None}
        | {"first": {"site": "bn1.output", "image": 3, "index": 17, "expected": 5, "got": 4}},
        {"witness": "hls4ml", "images": 0, "layers": 0, "values": 0, "mismatches": 0, "first": None}
        | {"reason": "hls4ml <isn't> installed."},
    ],
    "mismatches": 1,
    "files": {"c/net.c": "sha256:12"},
    "versions": {"cc": "cc 14"},
    "command": "bittrue verify --certificate certificate.json",
}


def test_a_certificate_is_shown_with_what_it_lacks(tmp_path: Path) -> None:
    make_folder(tmp_path)
    before = Reader(build_report(tmp_path).read_text("utf-8"))
    assert "Certificate" not in before.text
    write_text(tmp_path / "certificate.json", dump_json(CERTIFICATE))
    shown = Reader(build_report(tmp_path).read_text("utf-8"))
    assert not shown.open
    for text in ("44,360", "bn1.output, image 3, index 17: expected 5, got 4", "hls4ml <isn't> installed.", "cc 14"):
        assert text in shown.text
    assert "1 value differs from" in shown.text


def test_a_certificate_of_another_plan_is_left_out(tmp_path: Path) -> None:
    make_folder(tmp_path)
    write_text(tmp_path / "certificate.json", dump_json(CERTIFICATE | {"plan": "sha256:other"}))
    assert "Certificate" not in Reader(build_report(tmp_path).read_text("utf-8")).text


MUTATION = {"kind": "weight bit", "file": "c/net.c", "place": "conv1.weight[0, 1]", "before": "3", "after": "<7>"}
MUTATIONS = {
    "bittrue": 1,
    "plan": plan(6).hash,
    "images": 2,
    "seed": 5,
    "mutations": 3,
    "caught": 1,
    "explained": 1,
    "escaped": 1,
    "mutants": [
        MUTATION | {"outcome": "caught", "by": "FAIL layer 1", "reason": None},
        MUTATION | {"outcome": "explained", "by": None, "reason": "dead channel: 7 of 14 numbers change"},
        MUTATION | {"kind": "shift", "outcome": "escaped", "by": None, "reason": None},
    ],
    "command": None,
}


def test_mutations_are_shown_with_the_reasons_of_those_that_survive(tmp_path: Path) -> None:
    make_folder(tmp_path)
    write_text(tmp_path / "mutations.json", dump_json(MUTATIONS))
    shown = Reader(build_report(tmp_path).read_text("utf-8"))
    assert not shown.open
    for text in ("dead channel: 7 of 14 numbers change", "3 → <7>", "escaped: no reason was found", "1 escaped"):
        assert text in shown.text
