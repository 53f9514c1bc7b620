"""B14: no partial sum, in any order, leaves the bounds from both ends of the inputs, whole or by input channel."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bittrue.program import MultiplyAccumulate
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.sums import integer_units
from bittrue.simulation.sums.bounds import SumBounds
from bittrue.simulation.sums.products import ProductSums
from bittrue.simulation.sums.strategies import OneCarrier, work_of
from bittrue.simulation.values import Codes


def layer(weight: np.ndarray, bias: np.ndarray | None = None) -> ProductSums:
    """A 1×1 convolution of the given weights (in, out)."""
    instruction = MultiplyAccumulate(weight[np.newaxis, np.newaxis], (0,), bias, 0, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    return ProductSums(instruction, 0, "layer", work_of(instruction, (1, 1, len(weight)), (1, 1, weight.shape[1])))


@st.composite
def layers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    channels, outputs = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    weights = st.lists(st.integers(-9, 9), min_size=channels * outputs, max_size=channels * outputs)
    inputs = st.lists(st.integers(-20, 20), min_size=channels, max_size=channels)
    return np.array(draw(weights)).reshape(channels, outputs), np.array(draw(inputs))


@given(layers())
def test_the_worst_partial_sums_stay_inside(case: tuple[np.ndarray, np.ndarray]) -> None:
    """The worst partial sums of all orders are those of all positive products, and of all negative ones."""
    weight, x = case
    sums = layer(weight)
    products = x[:, np.newaxis] * weight
    up, down = np.maximum(products, 0).sum(axis=0), np.maximum(-products, 0).sum(axis=0)
    least, most = sums.partial_sums(int(x.min()), int(x.max()))
    assert up.max() <= most
    assert -down.max() >= least
    reach = sums.channel_reach(np.minimum(x, 0).tolist(), np.maximum(x, 0).tolist()).sum(axis=1)
    assert (up <= reach[0]).all()
    assert (down <= reach[1]).all()


def test_ends_of_both_signs_are_both_needed() -> None:
    sums = layer(np.array([[3], [-5]]))
    assert sums.partial_sums(-2, 7) == (-2 * 3 - 7 * 5, 7 * 3 + 2 * 5)
    assert sums.bound(7) == 7 * 8


@pytest.fixture
def floats_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without integer units."""
    monkeypatch.setattr(integer_units, "available", lambda: False)


@pytest.mark.usefixtures("floats_only")
def test_a_large_channel_with_small_weights_costs_no_bits() -> None:
    """Inputs up to 2^20 meet weights of 1, and small ones large weights: together more than 2^24, by channel less."""
    sums = layer(np.array([[1], [1 << 10]]))
    x = torch.tensor([[[[float(1 << 20), 100.0]]]])
    codes = Codes(x, 0, 0, 1 << 20)
    assert sums.strategy(0, 1 << 20) != OneCarrier(Carrier.FLOAT32)
    assert sums.exact_sum(codes).tensor.item() == (1 << 20) + (100 << 10)
    assert sums._layout is not None
    assert sums._layout.strategy == OneCarrier(Carrier.FLOAT32)


@pytest.mark.usefixtures("floats_only")
def test_a_batch_that_outgrows_the_ends_seen_is_proven_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = layer(np.array([[1], [1 << 10]]))
    first = Codes(torch.tensor([[[[float(1 << 20), 100.0]]]]), 0, 0, 1 << 20)
    second = Codes(torch.tensor([[[[float(1 << 20) - 1, float(1 << 20) - 1]]]]), 0, 0, 1 << 20)
    expected = ((1 << 20) - 1) * (1 + (1 << 10))
    assert expected % 2  # more than 24 bits and odd: float32 can't hold it
    sums.exact_sum(first)
    assert int(sums.exact_sum(second).tensor) == expected
    # The canary: without a second look float32 stays, and a bit is lost.
    blind = layer(np.array([[1], [1 << 10]]))
    blind.exact_sum(first)
    monkeypatch.setattr(ProductSums, "_ends", lambda self, codes: self._layout.seen)
    assert int(blind.exact_sum(second).tensor) != expected


def test_a_channel_of_zeros_far_from_the_others_binary_point() -> None:
    weight = np.array([[0, 3], [0, -2]])
    instruction = MultiplyAccumulate(
        weight[np.newaxis, np.newaxis], (-2000, 0), None, 0, (1, 1), ((0, 0), (0, 0)), (1, 1), 1
    )
    sums = SumBounds(instruction, 0, "layer")
    np.testing.assert_array_equal(sums.channel_reach([-1], [1])[0, :, 0], [0, 0])
