"""Where optional packages are not installed: what needs them says how to get them, and all else works."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from bittrue.cli.demo import bundled_model

BLOCKED = """
import sys

sys.modules.update(dict.fromkeys({packages!r}))  # as if they were not there
from typer.testing import CliRunner
import bittrue
from bittrue.cli.app import app

def command(*words):
    done = CliRunner().invoke(app, list(words), prog_name="bittrue")
    print(done.exit_code, done.stderr.strip() or done.stdout.splitlines()[0])
"""


def without(packages: set[str], code: str, folder: Path) -> list[str]:
    """What a process prints in which these packages can't be imported."""
    script = BLOCKED.format(packages=packages) + code
    result = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_without_onnx_and_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(bundled_model())
    (tmp_path / "model.onnx").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "saved_model.pb").write_bytes(b"")
    code = """
command("--help")
command("inspect", "model.keras")
command("plan", "model.keras", "--fraction-bits", "6", "--out", "plan.json")
command("simulate", "model.keras", "--plan", "plan.json", "--data", "digits", "--images", "2")
command("inspect", "model.onnx")
command("plan", "model.onnx", "--from-model")
command("inspect", "folder")
import torch
try:
    bittrue.load(torch.nn.Sequential(torch.nn.Linear(3, 2)), example_input=torch.zeros(1, 3))
except bittrue.BittrueError as error:
    print(error)
"""
    found = without({"onnx", "onnxscript", "onnxruntime", "tensorflow", "tf2onnx"}, code, tmp_path)
    assert [line.partition(" ")[0] for line in found[:4]] == ["0"] * 4, found
    remedy = "which is not installed: run `pip install 'bittrue[onnx]'`."
    assert found[4] == found[5] == f"2 Error: model.onnx: ONNX models are read with the onnx package, {remedy}"
    assert found[6] == (
        "2 Error: folder: a SavedModel is read with TensorFlow and tf2onnx, which are not installed: run "
        "`pip install 'bittrue[tensorflow]'`."
    )
    assert found[7] == (
        "the PyTorch model Sequential: PyTorch models are read by way of ONNX, and its packages are not installed: run "
        "`pip install 'bittrue[onnx]'`."
    )


@pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="ONNX is not installed")
def test_without_the_exporters_package(tmp_path: Path) -> None:
    """onnx alone reads files; PyTorch's exporter needs onnxscript as well."""
    from frontends.onnx_zoo import model, step

    (tmp_path / "model.onnx").write_bytes(model(("n", 3), [step("Relu", "last")]).SerializeToString())
    code = """
command("inspect", "model.onnx")
import torch
try:
    bittrue.load(torch.nn.Sequential(torch.nn.Linear(3, 2)), example_input=torch.zeros(1, 3))
except bittrue.BittrueError as error:
    print(error)
"""
    found = without({"onnxscript"}, code, tmp_path)
    assert found[0].startswith("0 ")
    assert found[1].endswith("and its packages are not installed: run `pip install 'bittrue[onnx]'`.")


def test_without_keras(tmp_path: Path) -> None:
    """Keras's files are read, and what is for its models says how to get it."""
    (tmp_path / "model.keras").write_bytes(bundled_model())
    code = """
command("inspect", "model.keras")
for name in ("compare", "quantize_weights", "keras"):
    try:
        getattr(bittrue, name)
    except ImportError as error:
        print(error)
"""
    inspected, *messages = without({"keras"}, code, tmp_path)
    assert inspected.startswith("0 Network digits")
    remedy = "need Keras, which is not installed: run `pip install 'bittrue[keras]'`"
    assert messages == [f"layers and weights of Keras models {remedy}"] * 3
