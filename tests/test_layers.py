"""The canary of `make layers`: in a copy of the sources with forbidden imports, each contract breaks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FORBIDDEN = {
    "plan/__init__.py": "import bittrue.lowering",  # a pass that looks up the road
    "definition/__init__.py": "import numpy",
    "data/__init__.py": "import torch",
    "analysis/__init__.py": "import keras",
    "misplaced.py": "",  # a module without a place
}
CONTRACTS = 4


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def lint(copy: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


def test_each_contract_can_break(copy: Path) -> None:
    pytest.importorskip("importlinter")
    for module, statement in FORBIDDEN.items():
        with (copy / "src" / "bittrue" / module).open("a", encoding="utf-8") as stream:
            stream.write(f"\n{statement}\n")
    result = lint(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"Contracts: 0 kept, {CONTRACTS} broken." in result.stdout
    for module, statement in FORBIDDEN.items():
        importer = "bittrue." + module.removesuffix(".py").removesuffix("/__init__")
        assert (f"{importer} -> {statement.removeprefix('import ')}" if statement else importer) in result.stdout
