"""Top-5 accuracy with its ties, beside a sort of each row."""

import numpy as np
import pytest

from bittrue.analysis.evaluating.metrics.classes import summarise
from bittrue.analysis.evaluating.metrics.top_5 import tally_top_5
from bittrue.errors import BittrueError


def test_beside_a_sort_of_each_row() -> None:
    generator = np.random.default_rng(3)
    outputs, labels = generator.integers(0, 6, (400, 12)) / 8, generator.integers(0, 12, 400)
    found = tally_top_5(outputs, labels, ends_in="logits")
    beside = list(zip(outputs.tolist(), labels.tolist(), strict=True))
    places = [sorted(range(12), key=lambda c: (-row[c], c)).index(label) for row, label in beside]
    np.testing.assert_array_equal(found.correct, np.array(places) < 5)
    won = [sorted(range(12), key=lambda c: (-row[c], c != label)).index(label) for row, label in beside]
    lost = [sorted(range(12), key=lambda c: (-row[c], c == label)).index(label) for row, label in beside]
    np.testing.assert_array_equal(found.target_is_top, np.array(won) < 5)
    np.testing.assert_array_equal(found.tied, (np.array(won) < 5) & (np.array(lost) >= 5))
    result = summarise(found)
    assert result.over_ties == ((np.array(lost) < 5).mean(), (np.array(won) < 5).mean())
    assert result.over_ties[0] < result.accuracy < result.over_ties[1]  # ties there were, both ways


def test_five_outputs_or_fewer_have_no_top_5() -> None:
    with pytest.raises(BittrueError, match=r"more than 5: choose another, as --metric accuracy"):
        tally_top_5(np.zeros((1, 5)), np.zeros(1, np.int64), ends_in="logits")
