"""qonnx executes an exported file to the simulation's codes, at every site (B3 to B10)."""

from pathlib import Path

import pytest

from bittrue.exports.qonnx.quantizers import DIALECT
from exports.qonnx.sweep import ROUNDINGS, compared


@pytest.mark.parametrize("seed", range(40))
def test_random_plans(seed: int, tmp_path: Path) -> None:
    """The first of those of `python tests/exports/qonnx/sweep.py`."""
    result = compared(seed, "qonnx", DIALECT, ROUNDINGS, tmp_path)
    assert result.values
    assert not result.missing
    assert not result.mismatches, result.first
