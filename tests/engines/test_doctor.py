"""The doctor says what there is here; on a worker it says whether the data lie there."""

from pathlib import Path

import numpy as np
import pytest

from bittrue.data import load_dataset
from bittrue.engines.doctor import EXTRAS, doctor, examined
from bittrue.engines.travel import reference


def test_what_there_is_here() -> None:
    found = doctor()
    assert found.problems == ()
    assert {"bittrue", "Python", "torch", "compiled kernels"} <= set(found.here)
    assert list(found.extras) == list(EXTRAS)
    assert "All is well." in str(found)


def test_what_a_worker_says_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bittrue.engines.doctor.SECONDS", 0.01)
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((20, 6, 6, 1), np.uint8))
    content = reference(load_dataset(path))

    def said() -> str:
        _, data, speed = examined(None, ".", content, True)
        assert speed > 0
        return data

    assert said() == "here"
    np.save(path, np.ones((20, 6, 6, 1), np.uint8))
    assert said().startswith("other data (")
    path.unlink()
    assert said() == "not here: sent"
    assert examined(None, ".", None, True)[1] == "sent"
