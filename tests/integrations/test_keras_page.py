"""The page docs/keras.md does what it says: its blocks run one after the other, and its numbers come out."""

import re
from pathlib import Path

import numpy as np
import pytest

from bittrue.cli.demo import bundled_model
from docs.pages import ROOT, blocks


def test_the_blocks_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "model.keras").write_bytes(bundled_model())
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(ROOT / "docs/keras.md"):
        assert (block.language, block.not_run) == ("python", None)
        exec(block.code, names)
    printed = capsys.readouterr().out
    accuracies = re.findall(r"0\.878", printed)
    assert len(accuracies) == 2, printed
    assert re.search(r"dense\w*\.weight", printed)
    assert "0 predictions of 500 images flipped" in printed
    assert isinstance(names["batch"].x, np.ndarray)  # type: ignore[attr-defined]
