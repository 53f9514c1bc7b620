"""Pixel accuracy and mean IoU, beside a count of one position after another."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bittrue.analysis.evaluating.ending import Ending
from bittrue.analysis.evaluating.metrics.masks import check_masks, summarise_masks, tally_masks
from bittrue.analysis.evaluating.record import joined
from bittrue.data import load_dataset
from bittrue.errors import BittrueError, DataError

ENDING = Ending((3, 4, 5), "logits")


def batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Outputs with ties, and masks of four of the five classes with places left out."""
    generator = np.random.default_rng(seed)
    masks = generator.integers(0, 4, (7, 3, 4))
    masks[generator.random(masks.shape) < 0.2] = 255
    outputs = generator.integers(0, 4, (7, 3, 4, 5)) / 4
    outputs[..., 4] = -1  # the last class is neither said nor there
    return outputs, masks


def test_beside_a_count_by_hand() -> None:
    outputs, masks = batch()
    found = summarise_masks(tally_masks(outputs, masks, ENDING, 0))
    said = [max(range(5), key=lambda c: (row[c], -c)) for row in outputs.reshape(-1, 5).tolist()]
    places = [(a, b) for a, b in zip(said, masks.ravel().tolist(), strict=True) if b != 255]
    tied = [sorted(r)[-1] == sorted(r)[-2] for r in outputs.reshape(-1, 5)[masks.ravel() != 255].tolist()]
    assert found["pixel_accuracy"] == sum(a == b for a, b in places) / len(places)
    ious = [Fraction(sum(a == b == c for a, b in places), sum(c in (a, b) for a, b in places)) for c in range(4)]
    assert found["mean_iou"] == float(sum(ious, Fraction(0)) / 4)
    assert [found[f"iou_{c}"] for c in range(4)] == list(map(float, ious))
    assert "iou_4" not in found
    assert found["tied"] == sum(tied) / len(places)
    assert found["not_judged"] == (masks == 255).sum() / masks.size


def test_nothing_depends_on_how_the_images_are_batched() -> None:
    outputs, masks = batch()
    whole = summarise_masks(tally_masks(outputs, masks, ENDING, 0))
    parts = [tally_masks(outputs[i : i + 2], masks[i : i + 2], ENDING, i) for i in range(0, 7, 2)]
    assert summarise_masks(joined(parts)) == whole
    assert summarise_masks(joined(parts[::-1])) == whole


def test_forms_of_masks() -> None:
    outputs, _ = batch()
    masks = np.random.default_rng(1).integers(0, 5, (7, 3, 4))
    whole = tally_masks(outputs, masks, ENDING, 0)
    forms = [masks[..., None], masks[:, None], masks.astype(np.float32), np.eye(5, dtype=np.uint8)[masks]]
    for form in forms:
        for name, array in tally_masks(outputs, form, ENDING, 0).items():
            np.testing.assert_array_equal(array, whole[name])


def test_a_single_value_says_one_class_of_two() -> None:
    outputs = np.array([[[0.75], [0.5], [0.25], [1.0]]])
    found = summarise_masks(tally_masks(outputs, np.array([[1, 1, 0, 0]]), Ending((4, 1), "probabilities"), 0))
    assert (found["pixel_accuracy"], found["tied"], found["iou_0"], found["iou_1"]) == (0.5, 0.25, 1 / 3, 1 / 3)


def test_masks_that_no_output_stands_for() -> None:
    outputs, masks = batch()
    masks[3, 1, 2] = 7
    with pytest.raises(
        DataError, match=r"mask of image 13 holds \[7\] at \(1, 2\), .* classes 0 to 4 .*, and -1 where"
    ):
        tally_masks(outputs, masks, ENDING, 10)
    single = Ending((3, 4, 1), "logits")
    with pytest.raises(DataError, match=r"holds \[255\] .* classes 0 to 1 apart: save masks of these\.$"):
        tally_masks(outputs[..., :1], np.full((7, 3, 4), 255), single, 0)
    with pytest.raises(DataError, match="where 255 means class 1, save the masks divided by 255"):
        summarise_masks(tally_masks(outputs[..., :2], np.where(masks > 1, 255, 0), Ending((3, 4, 2), "logits"), 0))
    with pytest.raises(DataError, match="leave every position out"):
        summarise_masks(tally_masks(outputs, np.full((7, 3, 4), -1), ENDING, 0))


def test_shapes_are_compared_before_anything_is_computed(tmp_path: Path) -> None:
    x = np.zeros((7, 3, 4, 1), np.float32)
    for name, y in ("masks", np.zeros((7, 3, 4))), ("classes", np.arange(7)), ("other", np.zeros((7, 4, 3))):
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    np.savez(tmp_path / "none.npz", x=x)
    check_masks("mean-iou", (3, 4, 5), load_dataset(tmp_path / "masks.npz"))
    with pytest.raises(BittrueError, match=r"shape \(5,\) an image, and --metric mean-iou needs a class for each"):
        check_masks("mean-iou", (5,), load_dataset(tmp_path / "masks.npz"))
    found = {"classes": "has one class an image", "other": r"has labels of shape \(4, 3\)", "none": "has no labels"}
    for name, why in found.items():
        with pytest.raises(DataError, match=rf"{name}\.npz {why}, and --metric mean-iou needs masks, .* \(3, 4\) or"):
            check_masks("mean-iou", (3, 4, 5), load_dataset(tmp_path / f"{name}.npz"))
