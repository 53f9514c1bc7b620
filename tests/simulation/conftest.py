import pytest

from bittrue.simulation.compiled import library


@pytest.fixture
def on_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """No group is compiled, whichever unit BITTRUE_KERNELS names: for tests that watch or break what torch computes."""
    monkeypatch.setattr(library, "unit", lambda: None)
