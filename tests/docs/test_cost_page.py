"""What the page on costs shows is what its commands print."""

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bittrue.cli.app import app
from bittrue.cli.demo import bundled_model
from docs.pages import ROOT, Block, blocks
from docs.test_guide import commands

PAGE = ROOT / "docs/cost.md"


def printed(block: Block) -> str:
    """What the block's commands print, the last of which may say no."""
    text = ""
    for line in commands(block):
        result = CliRunner().invoke(app, shlex.split(line)[1:], prog_name="bittrue")
        assert result.exit_code in (0, 1), result.stderr
        text += result.stdout
    return text


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def missing(shown: str, text: str) -> list[str]:
    """The lines that are shown and weren't printed."""
    found = lines(text)
    return [line for line in lines(shown) if line not in found]


def test_the_page_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/model.keras").write_bytes(bundled_model())
    text, compared = "", 0
    names: dict[str, object] = {}
    for block in blocks(PAGE):
        if block.language == "python":
            exec(block.code, names)
        elif block.language == "sh":
            is_long = "resnet8" in block.code or "benchmarks/" in block.code
            text = "" if is_long else printed(block)
        elif text:
            assert missing(block.code, text) == []
            compared += 1
    assert compared == 4
    assert "price" in names


def test_another_figure_is_noticed() -> None:
    assert missing("weight-bits  1,232\n", "weight-bits  1,233\n") == ["weight-bits  1,232"]
