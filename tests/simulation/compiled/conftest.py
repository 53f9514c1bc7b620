"""Here every unit is tried, whichever BITTRUE_KERNELS names."""

import pytest


@pytest.fixture(autouse=True)
def every_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BITTRUE_KERNELS", raising=False)
