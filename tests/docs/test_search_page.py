"""What the page on searches shows of other tools is what benchmarks/search_table.py makes of the kept results."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from docs.pages import ROOT

PAGE = ROOT / "docs/search.md"
RESULTS = sorted((ROOT / "benchmarks/search_results").glob("*.jsonl"))


@pytest.fixture(scope="module")
def table() -> ModuleType:
    """benchmarks/search_table.py."""
    spec = importlib.util.spec_from_file_location("search_table", ROOT / "benchmarks/search_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def missing(printed: str, page: str) -> list[str]:
    """The lines that are printed and not on the page."""
    shown = page.splitlines()
    return [line for line in printed.splitlines() if line not in shown]


@pytest.mark.parametrize("results", RESULTS, ids=lambda path: path.stem)
def test_the_page_shows_what_is_printed(table: ModuleType, results: Path) -> None:
    text = PAGE.read_text("utf-8")
    assert missing(table.page(table.read(results)), text) == []
    assert f"](images/search_{results.stem}.svg)" in text
    assert (ROOT / f"docs/images/search_{results.stem}.svg").exists()


def test_both_networks_are_there() -> None:
    assert [path.stem for path in RESULTS] == ["mobilenet", "resnet8"]


def test_the_best_of_a_tool_is_in_bold_and_a_failure_is_said(table: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    table.begin(path, table.About("resnet8", 100, 10))
    for cell in (
        table.Cell(table.FLOAT, "32/32", 0.75),
        table.Cell("brevitas", "8/8", 0.7, 10, 2.4),
        table.Cell("brevitas, gptq", "8/8", 0.72, 100, 20.6),
        table.Cell("aimet", "8/8", failure="not ended in 20 minutes"),
        table.Cell("bittrue, none", "8/8", 0.71, 10, 1.2),
    ):
        table.append(path, cell)
    printed = table.page(table.read(path))
    assert "| bittrue, `none` | **71.00** |" in printed
    assert "| brevitas | 70.00 |" in printed
    assert "| brevitas, gptq | **72.00** |" in printed
    assert "| aimet | not ended in 20 minutes |" in printed
    assert "| brevitas, gptq | 100 | 21 |" in printed
    assert printed.index("bittrue") < printed.index("brevitas")
    drawn = table.picture(table.read(path)).specification
    lost = {value["tool"]: value["lost"] for layer in drawn["layer"][1:] for value in layer["data"]["values"]}
    assert lost == pytest.approx({"bittrue, no repair": 4, "Brevitas, least squares": 5, "Brevitas, its best": 3})


def test_other_images_are_refused(table: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    table.begin(path, table.About("resnet8", 100, 10))
    with pytest.raises(SystemExit, match="give another file"):
        table.begin(path, table.About("resnet8", 200, 10))


def test_another_figure_is_noticed() -> None:
    assert missing("| 71.00 |\n", "| 71.01 |\n") == ["| 71.00 |"]
