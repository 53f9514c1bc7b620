"""The hand-over page's commands run as a reader types them, but for hls4ml's, which tests/exports/hls4ml has."""

from pathlib import Path

import pytest

from docs.pages import ROOT, blocks
from docs.test_guide import commands, run

PAGE = ROOT / "docs/hand_over.md"


def test_from_a_plan_to_c_that_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = []
    for block in blocks(PAGE):
        if block.language == "bash" and block.not_run is None and "hls4ml" not in block.code:
            printed += [run(line) for line in commands(block)]
    assert "0 mismatches" in printed[-1]
    assert any("codes of 8 layers compared on 26 images, 0 mismatches" in text for text in printed)
    assert (tmp_path / "hardware/manifest.json").exists()
