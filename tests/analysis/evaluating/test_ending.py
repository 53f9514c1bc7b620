"""What a network ends in, and which classes its outputs say."""

import numpy as np
import pytest

from analysis.networks import convolutional
from bittrue.analysis.evaluating.ending import Ending, ending_of


@pytest.mark.parametrize(
    ("classes", "ends", "expected", "is_classes", "is_binary"),
    [
        (4, "softmax", Ending((4,), "probabilities"), True, False),
        (4, "logits", Ending((4,), "logits"), True, False),
        (1, "sigmoid", Ending((1,), "probabilities"), False, True),
        (1, "logits", Ending((1,), "logits"), False, False),
    ],
)
def test_endings(classes: int, ends: str, expected: Ending, is_classes: bool, is_binary: bool) -> None:
    ending = ending_of(convolutional(classes=classes, ends=ends))
    assert ending == expected
    assert (ending.is_classes, ending.is_binary, ending.predicts) == (is_classes, is_binary, is_classes or is_binary)


def test_the_first_of_several_top_values_wins() -> None:
    outputs = np.array([[0.25, 0.5, 0.5], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(Ending((3,), "logits").predictions(outputs), [1, 0])


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_probability_at_the_threshold_says_class_0(shape: tuple[int, ...]) -> None:
    outputs = np.array([0.5, 0.625, 0.0]).reshape(3, *shape)
    np.testing.assert_array_equal(Ending(shape, "probabilities").predictions(outputs), [0, 1, 0])
