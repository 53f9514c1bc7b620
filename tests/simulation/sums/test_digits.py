"""Numbers cut into digits are the numbers, and the digits' ends hold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrue.simulation.sums.digits import Digits, cut_weights, digits_for

CUTS = [Digits(count, bits, signed) for count in (1, 2, 3, 4) for bits in (5, 6, 7, 8) for signed in (False, True)]


def numbers_of(cut: Digits) -> st.SearchStrategy[list[int]]:
    low, high = cut.range
    return st.lists(st.integers(low, high) | st.sampled_from([low, low + 1, -1, 0, 1, high - 1, high]), min_size=1).map(
        lambda numbers: [min(max(number, low), high) for number in numbers]
    )


@pytest.mark.parametrize("cut", CUTS, ids=str)
@given(st.data())
@settings(deadline=None, max_examples=25)
def test_the_digits_in_their_places_are_the_number(cut: Digits, data: st.DataObject) -> None:
    numbers = data.draw(numbers_of(cut))
    carriers = [torch.float64, torch.int64] + [torch.float32] * (max(map(abs, numbers)) <= 1 << 24)
    ends = cut.ends(min(numbers), max(numbers))
    for carrier in carriers:
        digits = [digit.to(torch.int64) - cut.zero_point for digit in cut.cut(torch.tensor(numbers, dtype=carrier))]
        whole = sum(digit << place for digit, place in zip(digits, cut.places, strict=True))
        assert torch.equal(torch.as_tensor(whole), torch.tensor(numbers))
        for digit, (low, high) in zip(digits, ends, strict=True):
            assert low <= int(digit.min())
            assert int(digit.max()) <= high


@pytest.mark.parametrize("cut", [cut for cut in CUTS if cut.signed], ids=str)
@given(st.data())
@settings(deadline=None, max_examples=25)
def test_the_digits_of_weights(cut: Digits, data: st.DataObject) -> None:
    weights = np.array(data.draw(numbers_of(cut)))
    digits = list(cut_weights(weights, cut))
    assert all(digit.dtype == np.int8 for digit in digits)
    whole = sum(digit.astype(np.int64) << place for digit, place in zip(digits, cut.places, strict=True))
    np.testing.assert_array_equal(whole, weights)


@pytest.mark.parametrize(
    ("low", "high", "bits", "signed", "count"),
    [
        (0, 255, 8, False, 1),
        (0, 256, 8, False, 2),
        (-128, 127, 8, True, 1),
        (-129, 0, 8, True, 2),
        (-128, 128, 8, True, 2),
        (-64, 63, 7, True, 1),
        (0, (1 << 32) - 1, 8, False, 4),
        (0, 1 << 32, 8, False, None),
        (0, 0, 8, False, 1),
    ],
)
def test_the_fewest_digits(low: int, high: int, bits: int, signed: bool, count: int | None) -> None:
    cut = digits_for(low, high, bits, signed=signed)
    assert (None if cut is None else cut.count) == count
