"""What several tests of the front ends share, since it takes seconds to make."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def by_tensorflow(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder that TensorFlow wrote, and its report (tensorflow/write.py)."""
    if importlib.util.find_spec("tensorflow") is None or importlib.util.find_spec("tf2onnx") is None:
        pytest.skip("TensorFlow, which writes checkpoints and SavedModels, or tf2onnx is not installed")
    folder = tmp_path_factory.mktemp("tensorflow")
    command = [sys.executable, str(HERE / "tensorflow" / "write.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return folder, json.loads((folder / "report.json").read_text())
