"""The tests of ONNX files compare each with onnxruntime, in a copy of this process, which starts soon.

What it doesn't run is told; the tests of that are in `test_live.py`.
"""

from pathlib import Path
from typing import BinaryIO

import pytest

from bittrue.frontends.onnx import live, onnxruntime_outputs
from forked import forked


@pytest.fixture(autouse=True)
def onnxruntime_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(program: Path, file: BinaryIO, seconds: int) -> bytes:
        assert program == live.PROGRAM
        return forked(lambda: onnxruntime_outputs.answer(file), onnxruntime_outputs.CPU_SECONDS)

    monkeypatch.setattr(live, "answer_of", answer)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore:.* was not compared with what onnxruntime computes"))
