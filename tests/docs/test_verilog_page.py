"""What the page on Verilog shows is what its commands print, and its network has the simulation's bits."""

import re
from pathlib import Path

import pytest

from docs.pages import ROOT, blocks
from docs.test_cost_page import missing
from docs.test_guide import commands, run

PAGE = ROOT / "docs/verilog.md"


def test_the_page_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = list(blocks(PAGE))
    printed = [run(line) for block in found if block.language == "bash" for line in commands(block)]
    shown = next(block.code for block in found if "images per second" in block.code)
    assert missing(shown, "\n".join(printed)) == []
    *_, verified, mutated = printed
    assert "0 mismatches" in verified
    pace = re.search(r"an image every ([\d,]+) cycles", shown)
    assert pace is not None
    assert f"where the export's table has {pace[1]} (-0." in verified
    assert "0 escaped" in mutated
    assert (tmp_path / "hardware/verilog/digits.sv").exists()
