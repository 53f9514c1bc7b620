"""Rule B13, each part of it against numbers worked out by hand or by another road."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from bittrue.analysis.evaluating.ending import EndsIn
from bittrue.analysis.evaluating.metrics.accuracy import tally
from bittrue.analysis.evaluating.metrics.binary import tally_binary
from bittrue.analysis.evaluating.metrics.classes import PerImage, flips, summarise
from bittrue.analysis.evaluating.metrics.deviation import (
    Deviation,
    summarise_deviation,
    tally_deviation,
)
from bittrue.analysis.evaluating.record import joined
from bittrue.errors import BittrueError, DataError

ROWS = np.array(
    [
        [0.5, 0.25, 0.25],  # the label 0 on top, alone
        [0.5, 0.5, 0.0],  # tied, and the label 0 comes first
        [0.5, 0.5, 0.0],  # tied, and the label 1 comes second
        [0.5, 0.5, 0.125],  # tied without the label 2
        [0.0, 0.0, 0.0],  # everything rounded to zero: tied, and no distribution
        [0.25, 0.5, 0.125],  # the label 0 is not on top
    ]
)
LABELS = np.array([0, 0, 1, 2, 2, 0])


def test_ties_are_counted_and_bounded() -> None:
    records = tally(ROWS, LABELS, ends_in="probabilities")
    np.testing.assert_array_equal(records.prediction, [0, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(records.correct, [True, True, False, False, False, False])
    np.testing.assert_array_equal(records.tied, [False, True, True, True, True, False])
    np.testing.assert_array_equal(records.target_is_top, [True, True, True, False, True, False])
    np.testing.assert_array_equal(records.zero_sum, [False, False, False, False, True, False])
    result = summarise(records)
    assert (result.correct, result.images, result.tied, result.zero_sum) == (2, 6, 4, 1)
    assert result.accuracy == 2 / 6
    assert result.over_ties == (1 / 6, 4 / 6)
    assert result.interval[0] < result.accuracy < result.interval[1]


def test_loss_of_probabilities() -> None:
    records = tally(ROWS, LABELS, ends_in="probabilities")
    assert records.loss[0] == -math.log(0.5)
    assert records.loss[3] == -math.log(0.125 / 1.125)  # divided by the sum, which rounding has moved from 1
    assert records.loss[4] == -math.log(1e-7)
    assert summarise(records).loss == math.fsum(records.loss) / 6


@pytest.mark.parametrize(
    ("row", "label", "probability"),
    [
        ([1.0, 0.0], 0, 1 - 1e-7),
        ([1.0, 0.0], 1, 1e-7),
        ([1.5, -0.5], 1, 1e-7),  # below zero, as a signed format may say
        ([-0.5, -0.25], 0, 1e-7),  # the sum is below zero
        ([0.5, -0.5], 0, 1e-7),  # the sum is zero
    ],
)
def test_loss_at_its_bounds(row: list[float], label: int, probability: float) -> None:
    records = tally(np.array([row]), np.array([label]), ends_in="probabilities")
    assert records.loss[0] == -math.log(probability)
    assert records.zero_sum[0] == (sum(row) <= 0)


def check_loss_of_logits(loss: float, values: list[float], label: int) -> None:
    """Beside −log-softmax to forty digits. Each exponential is at most 1 and rounded by an ulp of that at most, their
    sum and the logarithm of a number from 1 to e by as little, and the difference by half an ulp of the loss."""
    with localcontext() as context:
        context.prec = 40
        exact = sum(Decimal(value).exp() for value in values).ln() - Decimal(values[label])
        roundings = (len(values) + 2) * math.ulp(0.5) + math.ulp(loss) / 2
        assert abs(Decimal(float(loss)) - exact) <= Decimal(roundings)


def test_loss_of_logits() -> None:
    values = np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 3.0, -2.0, 0.5], [1000.0, 0.0, 0.0, -1000.0]])
    records = tally(values, np.array([2, 0, 3]), ends_in="logits")
    assert records.loss[0] == math.log(4)
    check_loss_of_logits(records.loss[1], values[1].tolist(), 0)
    assert records.loss[2] == 2000.0  # not clipped, and no overflow on the way
    assert not records.zero_sum.any()
    assert summarise(records).tied == 1


def join(parts: list[PerImage]) -> PerImage:
    return PerImage(**joined([vars(part) for part in parts]))


def random_batch(images: int = 257, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.integers(0, 9, (images, classes)) / 8, generator.integers(0, classes, images)


@pytest.mark.parametrize("ends_in", ["probabilities", "logits"])
def test_nothing_depends_on_how_the_images_are_batched(ends_in: EndsIn) -> None:
    outputs, labels = random_batch()
    whole = tally(outputs, labels, ends_in=ends_in)
    for size in (1, 7, 64):
        starts = range(0, len(labels), size)
        parts = [tally(outputs[i : i + size], labels[i : i + size], ends_in=ends_in) for i in starts]
        for name, array in vars(join(parts)).items():
            np.testing.assert_array_equal(array, vars(whole)[name], err_msg=name)
        assert summarise(join(parts)) == summarise(whole)
        assert summarise(join(parts[::-1])) == summarise(whole)
    transposed = np.asfortranarray(outputs)
    assert summarise(tally(transposed, labels, ends_in=ends_in)) == summarise(whole)


def test_the_sum_of_losses_is_correctly_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, labels = random_batch()
    records = tally(outputs, labels, ends_in="logits")
    exact = sum(map(Fraction, records.loss.tolist()), Fraction(0))
    assert summarise(records).loss == float(exact) / len(labels)
    # The canary: a running sum in the order of the images is another number.
    monkeypatch.setattr(math, "fsum", sum)
    assert summarise(records).loss != float(exact) / len(labels)


def test_binary_probabilities() -> None:
    records = tally_binary(
        np.array([[0.75], [0.5], [0.5], [0.0], [1.0]]), np.array([1, 0, 1, 1, 0]), ends_in="probabilities"
    )
    np.testing.assert_array_equal(records.prediction, [1, 0, 0, 0, 1])
    np.testing.assert_array_equal(records.correct, [True, True, False, False, False])
    np.testing.assert_array_equal(records.tied, [False, True, True, False, False])
    assert summarise(records).over_ties == (1 / 5, 3 / 5)
    losses = [-math.log(0.75), math.log(2), math.log(2), -math.log(1e-7), -math.log(1e-7)]
    np.testing.assert_array_equal(records.loss, losses)


def test_binary_logits() -> None:
    values = np.array([2.0, -0.125, 0.0, 800.0])
    records = tally_binary(values, np.array([1, 0, 1, 0]), ends_in="logits")
    np.testing.assert_array_equal(records.prediction, [1, 0, 0, 1])
    np.testing.assert_array_equal(records.tied, [False, False, True, False])
    check_loss_of_logits(records.loss[0], [0.0, 2.0], 1)
    check_loss_of_logits(records.loss[1], [0.0, -0.125], 0)
    assert records.loss[3] == 800.0


def test_deviation_from_float() -> None:
    reference = np.array([[1.0, 2.0], [3.0, 0.0]])
    records = tally_deviation(np.array([[1.0, 2.5], [3.0, -0.5]]), reference)
    result = summarise_deviation(records)
    assert result == Deviation(mse=0.125, sqnr=10 * math.log10(7 / 0.25), images=2)
    assert summarise_deviation(tally_deviation(reference, reference)).sqnr is None


def test_flips_both_ways() -> None:
    assert flips(np.array([True, True, False, True]), np.array([True, False, True, False])) == (2, 1)


def test_labels_that_do_not_match_the_classes() -> None:
    for labels, wrong in ([0, 3], 3), ([0, -1], -1):
        with pytest.raises(DataError, match=f"Image 33 has the label {wrong}, .* classes 0 to 2 "):
            tally(ROWS[:2], np.array(labels), ends_in="probabilities", first_image=32)
    with pytest.raises(DataError, match="Image 0 has the label 2, .* classes 0 to 1 "):
        tally_binary(np.array([0.5]), np.array([2]), ends_in="probabilities")


def test_outputs_that_a_metric_cannot_read() -> None:
    with pytest.raises(BittrueError, match="--metric binary"):
        tally(np.zeros((2, 1)), np.zeros(2, np.int64), ends_in="logits")
    with pytest.raises(BittrueError, match="--metric accuracy"):
        tally_binary(np.zeros((2, 2)), np.zeros(2, np.int64), ends_in="logits")
    for number in (math.nan, math.inf):
        with pytest.raises(BittrueError, match="image 6 is not a finite"):
            tally(np.array([[0.0, 1.0], [number, 0.0]]), np.zeros(2, np.int64), ends_in="logits", first_image=5)


def test_records_are_named_columns() -> None:
    """The store keeps them under these names, and a store written before must be read after."""
    assert list(PerImage.__dataclass_fields__) == [
        "prediction", "correct", "tied", "target_is_top", "loss", "zero_sum",
    ]  # fmt: skip
