"""The public names: all there, each where it says, and none of them imported before it is used."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import bittrue

WANTED = {
    *("load", "load_dataset", "measure_ranges", "uniform_plan", "study_plan", "plan_from_ranges"),
    *("lower", "simulate", "study", "sweep", "verify"),
}


def test_import_alone_is_light() -> None:
    heavy = {
        "torch",
        "keras",
        "numpy",
        "scipy",
        "sklearn",
        "altair",
        "typer",
        "rich",
        "PIL",
        "pandas",
        "IPython",
        "h5py",
    }
    code = f"import sys, bittrue; dir(bittrue); print(sorted({heavy!r} & set(sys.modules)), bittrue.__version__)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == f"[] {bittrue.__version__}"


def test_import_alone_is_quick() -> None:
    code = "import time; began = time.perf_counter(); import bittrue; print(time.perf_counter() - began)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(seconds) < 0.2


def test_every_name_is_what_type_checkers_are_told() -> None:
    tree = ast.parse(Path(bittrue.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    told = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            told[alias.asname or alias.name] = getattr(import_module(str(node.module)), alias.name)
    assert set(told) == set(bittrue.__all__) >= WANTED
    assert len(set(bittrue.__all__)) == len(bittrue.__all__)
    for name, value in told.items():
        assert getattr(bittrue, name) is value
        assert name in dir(bittrue)


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        _ = bittrue.quantise
