"""F1 and AUC, beside their definitions one image and one pair after another."""

from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bittrue.analysis.evaluating.ending import Ending
from bittrue.analysis.evaluating.metrics.auc import area_by_ranks, summarise_auc, tally_auc
from bittrue.analysis.evaluating.metrics.f1 import summarise_f1, tally_f1
from bittrue.analysis.evaluating.metrics.several import check_several, label_rows
from bittrue.analysis.evaluating.record import joined
from bittrue.data import load_dataset
from bittrue.errors import BittrueError, DataError

ENDING = Ending((4,), "probabilities")
TALLIES = [(tally_f1, summarise_f1), (tally_auc, summarise_auc)]


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Outputs with ties; the last label is never there, and never said."""
    generator = np.random.default_rng(5)
    outputs, there = generator.integers(0, 9, (60, 4)) / 8, generator.integers(0, 2, (60, 4))
    outputs[:, 3], there[:, 3] = 0.25, 0
    return outputs, there


def f1(said: np.ndarray, there: np.ndarray) -> Fraction:
    right, wrong = int((said & there).sum()), int((said != there).sum())
    return Fraction(2 * right, 2 * right + wrong)


def test_f1_of_several_labels() -> None:
    outputs, there = batch()
    found = summarise_f1(tally_f1(outputs, there, ENDING, 0))
    said, there = outputs > 0.5, there == 1
    each = [f1(said[:, label], there[:, label]) for label in range(3)]
    assert found["f1"] == float(sum(each, Fraction(0)) / 3)
    assert found["f1_micro"] == float(f1(said, there))
    assert found["tied"] == (outputs == 0.5).sum() / outputs.size > 0
    assert "f1_3" not in found


def test_f1_of_one_label_and_of_classes() -> None:
    single = tally_f1(np.array([[1.5], [0.0], [-1.0], [2.0]]), np.array([1, 1, 0, 0]), Ending((1,), "logits"), 0)
    found = summarise_f1(single)
    assert (found["f1"], found["f1_micro"], found["tied"]) == (0.5, 0.5, 0.25)
    outputs, _ = batch()
    labels = np.random.default_rng(6).integers(0, 3, 60)
    by_class = summarise_f1(tally_f1(outputs, labels, ENDING, 0))
    said = outputs.argmax(axis=1)
    each = [f1(said == label, labels == label) for label in range(4)]
    assert by_class["f1"] == float(sum(each, Fraction(0)) / 4)
    assert by_class["f1_micro"] == (said == labels).mean()  # of one class an image it is the accuracy


def area(values: list[Any], there: list[int]) -> Fraction:
    sides = [[value for value, is_there in zip(values, there, strict=True) if is_there == side] for side in (1, 0)]
    pairs = list(product(*sides))
    return sum((Fraction(1 if a > b else 0) + Fraction(a == b, 2) for a, b in pairs), Fraction(0)) / len(pairs)


def test_auc_is_the_share_of_pairs() -> None:
    outputs, there = batch()
    found = summarise_auc(tally_auc(outputs, there, ENDING, 0))
    each = [area(outputs[:, label].tolist(), there[:, label].tolist()) for label in range(3)]
    assert [found[f"auc_{label}"] for label in range(3)] == list(map(float, each))
    assert found["auc"] == float(sum(each, Fraction(0)) / 3)
    assert found["labels"] == 0.75
    assert summarise_auc(tally_auc(outputs, np.zeros((60, 4), int), ENDING, 0))["auc"] is None


def test_values_of_more_than_53_bits_are_put_in_their_order() -> None:
    values = [Fraction(2**60), Fraction(2**60 + 1), Fraction(2**60 - 1), Fraction(2**60)]
    there = [1, 1, 0, 0]
    outputs = np.array(values, np.object_)[:, None]
    arrays = tally_auc(outputs, np.array(there), Ending((1,), "logits"), 0)
    assert summarise_auc(arrays)["auc"] == float(area(values, there)) == 0.875
    # The canary: as float64 all four are one value.
    high = arrays["high_0"]
    assert area_by_ranks(high, np.zeros(4), arrays["there_0"]) == Fraction(1, 2)


@pytest.mark.parametrize(("tally", "summarise"), TALLIES)
def test_nothing_depends_on_how_the_images_are_batched(tally: Any, summarise: Any) -> None:
    outputs, there = batch()
    parts = [tally(outputs[i : i + 7], there[i : i + 7], ENDING, i) for i in range(0, 60, 7)]
    assert summarise(joined(parts)) == summarise(joined(parts[::-1])) == summarise(tally(outputs, there, ENDING, 0))


def test_labels_that_are_neither_0_nor_1() -> None:
    with pytest.raises(DataError, match="Image 11 has -1 for label 2, which is neither 0 nor 1: save zeros"):
        label_rows(np.array([[0, 1, 0], [1, 1, -1]]), 3, 10)
    with pytest.raises(DataError, match="Image 1 has the label 2, .* classes 0 to 1 "):
        label_rows(np.array([0, 2]), 1, 0)


def test_shapes_are_compared_before_anything_is_computed(tmp_path: Path) -> None:
    x = np.zeros((4, 3), np.float32)
    forms = {"several": np.ones((4, 5), int), "classes": np.array([0, 1, 1, 4]), "binary": np.array([0.0, 1, 1, 0])}
    for name, y in forms.items():
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    np.savez(tmp_path / "none.npz", x=x)
    for name, shape in ("several", (5,)), ("classes", (5,)), ("binary", (1,)), ("binary", ()):
        check_several("f1", shape, load_dataset(tmp_path / f"{name}.npz"))
    for name, shape, why in [
        ("several", (4,), r"has labels of shape \(5,\), and --metric f1 needs an array y of 4 numbers"),
        ("none", (4,), "has no labels, and --metric f1 needs"),
        ("classes", (1,), "as class 4, but the network has 2 outputs"),
    ]:
        with pytest.raises(DataError, match=rf"{name}\.npz .*{why}"):
            check_several("f1", shape, load_dataset(tmp_path / f"{name}.npz"))
    with pytest.raises(BittrueError, match="one value a label: choose --metric mean-iou"):
        check_several("f1", (3, 4, 5), load_dataset(tmp_path / "several.npz"))
