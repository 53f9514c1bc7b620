"""The report's table of accumulators: there if they were measured, and clear about what was not."""

from pathlib import Path

import pytest

from bittrue.analysis.accumulators import AccumulatorWidths
from bittrue.analysis.layer_sums import LayerAccumulator, SumRange
from bittrue.errors import BittrueError
from bittrue.files import dump_json, write_text
from bittrue.reports import build_report
from reports.folders import NETWORK, make_folder, plan, ranges

pytestmark = pytest.mark.usefixtures("no_pictures")

LAYERS = (
    LayerAccumulator(
        "<b>conv1</b>",
        "ap_ufixed<8,0>",
        "ap_fixed<8,-2>",
        363,
        *(SumRange(18, -(1 << bits), 7) for bits in (24, 23, 20, 19)),
    ),
    LayerAccumulator("dense6", "UNBOUNDED with 5 fraction bits", "EXACT", 9216, None, None, None, None),
)


def page(folder: Path, of_plan: str) -> str:
    make_folder(folder)
    widths = AccumulatorWidths(NETWORK, of_plan, {"name": "cifar10", "images": 512}, 16, LAYERS)
    content = ranges().to_json() | {"accumulators": widths.to_json()}
    write_text(folder / "ranges.json", dump_json(content))
    return build_report(folder).read_text("utf-8")


def test_the_accumulators_are_shown(tmp_path: Path) -> None:
    text = page(tmp_path, plan(6).hash)
    assert "For the plan, with every fraction bit" in text
    assert "held every partial sum on 16 images" in text
    assert "held the final sums on 512 images" in text
    assert "<b>conv1</b>" not in text
    cells = text[text.index("&lt;b&gt;conv1") :].split("</tr>")[0]
    assert [f"ap_fixed&lt;{bits + 1},{bits - 17}&gt;" in cells for bits in (24, 23, 20, 19)] == [True] * 4
    assert text.count("<td>–</td><td>–</td><td>–</td><td>–</td>") == 1


def test_of_another_plan_they_speak_for_the_formats_beside_them(tmp_path: Path) -> None:
    assert "For the formats in the table, with every fraction bit" in page(tmp_path, "sha256:other")


def test_without_them_there_is_no_section(tmp_path: Path) -> None:
    assert "How wide accumulators must be" not in build_report(make_folder(tmp_path)).read_text("utf-8")


def test_damaged_ones_are_one_sentence(tmp_path: Path) -> None:
    make_folder(tmp_path)
    write_text(tmp_path / "ranges.json", dump_json(ranges().to_json() | {"accumulators": 3}))
    with pytest.raises(BittrueError, match=r"ranges\.json: its accumulators can't be read"):
        build_report(tmp_path)
