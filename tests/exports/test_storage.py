"""The narrowest integers for codes."""

import pytest

from bittrue.exports.storage import LARGEST_NUMBER, Storage, storage_between


@pytest.mark.parametrize(
    ("low", "high", "bits", "signed"),
    [
        (0, 1, 8, False),
        (0, 255, 8, False),
        (-1, 127, 8, True),
        (-1, 128, 16, True),
        (-129, 0, 16, True),
        (0, 2**31 - 1, 32, True),  # an unsigned one would be converted wherever C computes with it
        (0, 2**31, 32, False),
        (0, 2**32 - 1, 32, False),
        (0, 2**32, 64, True),
        (0, LARGEST_NUMBER, 64, True),
        (-LARGEST_NUMBER, LARGEST_NUMBER, 64, True),
    ],
)
def test_the_narrowest_storage(low: int, high: int, bits: int, signed: bool) -> None:
    assert storage_between(low, high) == Storage(bits, signed)
