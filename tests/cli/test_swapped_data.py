"""Data that are swapped while a sweep runs, and swapped back, in real processes: no row of other images is kept."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from analysis.networks import images_file

COMMAND = """
import sys
from bittrue.cli.app import main
from bittrue.simulation.simulator import Simulator

run, batches = Simulator.run, []

def counted(self, x, *rest):
    batches.append(len(x))
    if len(batches) == 4:
        print("now", file=sys.stderr, flush=True)
        sys.stdin.readline()
    return run(self, x, *rest)

Simulator.run = counted
try:
    main()
finally:
    print(f"{len(batches)} batches", file=sys.stderr)
"""


def sweep(data: Path, out: Path) -> "subprocess.Popen[str]":
    model = data.parent / "model.py"
    model.write_text("from analysis.networks import convolutional as build\n")
    arguments = ("sweep", f"{model}:build", "--data", data, "--fraction-bits", "2:3", "--batch-size", "8", "--out", out)
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments), "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )


def test_swapped_and_swapped_back(tmp_path: Path) -> None:
    data = images_file(tmp_path)
    good, other = tmp_path / "good", tmp_path / "other.npz"
    shutil.copy(data, good)
    with np.load(data) as arrays:
        np.savez(other, x=arrays["x"][::-1], y=arrays["y"][::-1])

    undisturbed, errors = sweep(data, tmp_path / "undisturbed").communicate("\n", timeout=120)
    expected = json.loads(undisturbed)
    assert "10 batches" in errors  # two rows of five

    process = sweep(data, tmp_path / "out")
    assert process.stderr is not None
    while (line := process.stderr.readline()) not in ("now\n", ""):
        pass
    assert line == "now\n"
    os.replace(other, data)
    printed, errors = process.communicate("\n", timeout=120)
    assert (process.returncode, printed) == (2, "")
    assert f"Error: {data} changed while it was in use: start again, with the file that is meant." in errors

    shutil.copy(good, data)
    process = sweep(data, tmp_path / "out")
    printed, errors = process.communicate("\n", timeout=120)
    assert process.returncode == 0, errors
    assert without_command(json.loads(printed)) == without_command(expected)
    assert "5 batches" in errors  # those of the first row were right, and stay


def without_command(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "command": None}
