"""The example notebooks run from their first cell to their last, and hold outputs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bittrue.analysis.sweep_result import Sweep

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

FOLDER = Path(__file__).parents[2] / "examples/notebooks"
KEPT = {"alexnet_study.ipynb": "its network and images are not part of the repository"}
"""Notebooks that are not run here, and why."""

RUN = Path(__file__).parent / "run_notebooks.py"


def run(folder: Path, *notebooks: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, RUN, folder, *notebooks], capture_output=True, text=True, timeout=300)


def test_they_run(tmp_path: Path) -> None:
    result = run(tmp_path, *(path for path in sorted(FOLDER.glob("*.ipynb")) if path.name not in KEPT))
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_cell_that_fails_or_complains_is_noticed(tmp_path: Path) -> None:
    notebook = json.loads((FOLDER / "histogram.ipynb").read_text("utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    paths = []
    for source in ("1 / 0", "import sys; print('odd', file=sys.stderr)", "print('well')"):
        paths.append(tmp_path / f"{len(paths)}.ipynb")
        paths[-1].write_text(json.dumps(notebook | {"cells": [cell | {"source": source, "outputs": []}]}))
    result = run(tmp_path, *paths)
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stdout
    assert f"{paths[1]}: odd" in result.stdout
    assert str(paths[2]) not in result.stdout


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_holds_outputs_and_nothing_of_the_machine(path: Path) -> None:
    text = path.read_text("utf-8")
    outputs = [output for cell in json.loads(text)["cells"] for output in cell.get("outputs", [])]
    assert outputs
    assert all(output["output_type"] != "error" and output.get("name") != "stderr" for output in outputs)
    assert not any(place in text for place in ("/home/", "/tmp/", "/root/", "site-packages"))


def test_the_alexnet_notebook_holds_the_table_of_the_command() -> None:
    """Its results are the kept ones: the same text as the command's results give today."""
    shown = [
        "".join(output["data"]["text/plain"])
        for cell in json.loads((FOLDER / "alexnet_study.ipynb").read_text("utf-8"))["cells"]
        for output in cell.get("outputs", [])
        if "text/plain" in output.get("data", {})
    ]
    assert repr(Sweep.load(FOLDER.parent / "alexnet_cifar10/results/raw/sweep.json")) in shown
