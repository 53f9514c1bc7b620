"""Whether this machine's integer units are used hangs on whether they are there, and exact."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from bittrue.simulation.sums import integer_units
from bittrue.simulation.sums.integer_units import IntegerSums, available


@pytest.fixture(autouse=True)
def tried_afresh() -> Iterator[None]:
    available.cache_clear()
    yield
    available.cache_clear()


def saturating(self: IntegerSums, digits: torch.Tensor, *arguments: Any) -> torch.Tensor:
    """As oneDNN adds pairs of products on processors without VNNI: in 16 bits."""
    return exact(self, digits, *arguments).clamp(-(1 << 15) * 32, (1 << 15) * 32)


exact = IntegerSums.__call__


def test_units_that_saturate_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IntegerSums, "__call__", saturating)
    assert not available()


def test_one_bit_off_is_not_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IntegerSums, "__call__", lambda *arguments: exact(*arguments) + 1)
    assert not available()


@pytest.mark.parametrize("error", [AttributeError, RuntimeError, NotImplementedError])
def test_units_that_torch_does_not_have(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object) -> None:
        raise error("no such kernel")

    monkeypatch.setattr(integer_units, "IntegerSums", missing)
    assert not available()
