"""Every shell block of the guide runs as it is printed, and every number of the worked examples is the code's."""

import doctest
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from bittrue.cli.app import app
from docs.pages import ROOT, Block, blocks
from frontends.onnx_quantized_zoo import SHAPE, qdq
from frontends.onnx_zoo import channels_last, random

GUIDE = [
    ROOT / "README.md",
    ROOT / "docs/index.md",
    ROOT / "docs/models.md",
    ROOT / "docs/data.md",
    ROOT / "docs/statistics.md",
    ROOT / "docs/proof.md",
    ROOT / "docs/repair.md",
]


def commands(block: Block) -> list[str]:
    return [line for line in block.code.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]


def run(line: str) -> str:
    """Run one line; bittrue's commands in this process, so that torch is not loaded a dozen times. What it printed."""
    words = shlex.split(line, comments=True)
    if Path(words[0]).name != "bittrue":
        return subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout
    result = CliRunner().invoke(app, words[1:], prog_name="bittrue")
    assert result.exit_code == 0, f"{line}\n{result.stderr}"
    return result.stdout


def own_files(folder: Path) -> None:
    """What a reader has of their own."""
    shutil.copy(ROOT / "tests/frontends/onnx_files/tensorflow.onnx", folder / "model.onnx")
    onnx.save(qdq(), folder / "quantized.onnx")
    np.savez(folder / "images.npz", x=channels_last(random(4, *SHAPE[1:], seed=9)), y=np.arange(4) % 3)


def test_every_block_of_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one folder, page after page, as a reader goes through them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    own_files(tmp_path)
    names: dict[str, object] = {}
    for page in GUIDE:
        shell = [block for block in blocks(page) if block.language in ("sh", "bash", "shell")]
        assert shell, f"{page.name} has no shell block any more: take it off the list"
        for block in blocks(page):
            if block.not_run is not None:
                continue
            if block.title is not None:
                (tmp_path / block.title).write_text(block.code, "utf-8")
            elif block.language == "python":
                exec(block.code, names)
            elif block in shell:
                for line in commands(block):
                    run(line)
    assert {"network", "plan"} <= set(names)
    assert (tmp_path / "hardware/report.html").exists()


def test_a_command_that_fails_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no such file"):
        run("bittrue inspect missing.keras")
    with pytest.raises(subprocess.CalledProcessError):
        run("false")


def test_blocks_are_left_out_for_a_stated_reason_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: it installs -->\n```sh\na\n```\n\n<!-- not run: -->\n```sh\nb\nc\n```\n")
    assert [(block.code, block.not_run) for block in blocks(page)] == [("a", "it installs"), ("b\nc", None)]


def worked_examples() -> doctest.DocTest:
    source = "\n".join(block.code for block in blocks(ROOT / "docs/numbers.md") if block.language == "pycon")
    return doctest.DocTestParser().get_doctest(source, {}, "numbers.md", "docs/numbers.md", 0)


def test_worked_numbers_are_the_codes() -> None:
    examples = worked_examples()
    runner = doctest.DocTestRunner(verbose=False)
    results = runner.run(examples, out=sys.stderr.write)
    assert results.failed == 0
    assert results.attempted > 40


def test_a_wrong_number_is_noticed() -> None:
    examples = worked_examples()
    (rounding,) = [example for example in examples.examples if "Fraction(-13, 8)" in example.want]
    rounding.want = "Fraction(-13, 16)\n"
    assert doctest.DocTestRunner(verbose=False).run(examples, out=lambda text: None).failed == 1


def test_every_rule_has_its_numbers() -> None:
    rules = [f"B{number}" for number in range(1, 15)]
    text = (ROOT / "docs/numbers.md").read_text("utf-8")
    headings = [line.split()[1] for line in text.splitlines() if line.startswith("## ")]
    assert headings == rules
    for part in text.split("\n## ")[1:]:
        assert "```pycon" in part
