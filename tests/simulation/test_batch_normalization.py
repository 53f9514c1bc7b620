"""Batch normalization in its raw form: ties, and what is proven once for a range of codes."""

import gc
import weakref
from fractions import Fraction

import numpy as np
import pytest
import torch

from bittrue.fixed import FixedFormat, Quantizer, Rounding
from bittrue.lowering import lower_network
from bittrue.network import Parameter
from bittrue.operators import BatchNormalization, MaxPooling
from bittrue.plan import STUDY_OPTIONS, uniform_plan
from bittrue.program.functions import BatchNorm
from bittrue.simulation import batch_normalization
from bittrue.simulation.batch_normalization import _BatchNormKernel
from bittrue.simulation.values import Codes
from cases import Case, Draft
from simulation.comparison import check


def test_a_raw_norm_with_ties_after_a_pooling_whose_result_is_a_view() -> None:
    def extend(draft: Draft) -> None:
        draft.add("pool", MaxPooling((3,), (2,), ((1, 1),)))
        numbers = {"gamma": 1.0, "beta": 0.0, "mean": 0.0, "variance": 3.75}
        parameters = [Parameter(f"norm.{name}", np.full(3, value, np.float32)) for name, value in numbers.items()]
        draft.add("norm", BatchNormalization(*parameters, 0.25))

    case = Case("ties of a view", (7, 3), extend)
    plan = uniform_plan(case.network, 8, 2, options=STUDY_OPTIONS, rounding=Rounding.NEAREST_UP)
    x = np.arange(2 * 21, dtype=np.float32).reshape(2, 7, 3) / 4
    assert check(lower_network(case.network, plan), x) is None


def tied_kernel() -> _BatchNormKernel:
    """γ/√(σ²+ε) = ½: odd codes are ties."""
    one, variance = np.array([1]), np.array([4])
    function = BatchNorm(one, 0, None, 0, np.array([0]), 0, variance, 0, Fraction(0))
    return _BatchNormKernel(function, Quantizer(FixedFormat(True, 16, 0), Rounding.NEAREST_UP), 0, "norm")


def test_a_kernel_goes_with_its_network() -> None:
    norm = tied_kernel()
    norm((Codes(torch.arange(-4.0, 5)[:, None], 0, -4, 4),))
    dead = weakref.ref(norm)
    del norm
    gc.collect()
    assert dead() is None


def test_a_range_found_wanting_is_not_gone_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    norm = tied_kernel()
    searched: list[int] = []
    original = batch_normalization.doubtful

    def doubtful(reals: torch.Tensor, *arguments: object) -> torch.Tensor:
        searched.append(reals.numel())
        return original(reals, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(batch_normalization, "doubtful", doubtful)
    assert not norm._covers(-100, 100)
    assert not norm._covers(-100, 100)  # within the same powers of two
    assert not norm._covers(-90, 120)
    assert not norm._covers(-1000, 1000)
    assert len(searched) == 1
