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


def test_partial_sums_that_leave_float32_may_not_be_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if products were added up in float32, some after the others."""

    def in_two_parts(self: IntegerSums, digits: torch.Tensor, *arguments: Any) -> torch.Tensor:
        first = digits.clone()
        first[..., digits.shape[-1] // 2 :] = self._zero_point
        second = digits.clone()
        second[..., : digits.shape[-1] // 2] = self._zero_point
        return exact(self, first, *arguments) + exact(self, second, *arguments)

    monkeypatch.setattr(IntegerSums, "__call__", in_two_parts)
    assert not available()
