"""Sensitivities are those of whole simulations, case by case, and go to their file and back."""

from pathlib import Path

import pytest

import bittrue
from analysis.networks import convolutional, random_images
from bittrue.analysis.evaluating.yardstick import Yardstick
from bittrue.analysis.sensitivity import Sensitivity, sensitivity
from bittrue.analysis.site_words import parse_words, site_words
from bittrue.data import Dataset
from bittrue.errors import BittrueError
from bittrue.network import Network
from bittrue.plan import formats_of

NETWORK = convolutional()


@pytest.fixture
def images(tmp_path: Path) -> Dataset:
    return random_images(tmp_path)


def whole(network: Network, images: Dataset, site: str, bits: int) -> float:
    """The distance without any shared prefix."""
    words = site_words(network, bittrue.measure_ranges(network, images))
    return Yardstick(network, images).distance(network, words.plan({site: bits}))


@pytest.mark.parametrize("batch_size", [None, 3])
def test_a_case_is_a_whole_simulation(images: Dataset, batch_size: int | None) -> None:
    found = sensitivity(NETWORK, images, words="2,5", batch_size=batch_size)
    assert found.words == (2, 5)
    for loss in found.losses:
        assert loss.loss == whole(NETWORK, images, loss.site, loss.word_length), loss
    # The canary: another word is another distance.
    conv = found.by_site()["conv.weight"]
    assert conv[2].loss != whole(NETWORK, images, "conv.weight", 3)
    assert conv[2].loss > conv[5].loss > found.rest_loss


def test_what_is_free(images: Dataset) -> None:
    words = site_words(NETWORK, bittrue.measure_ranges(NETWORK, images))
    assert "softmax.output" not in words.sites
    assert {"image.output", "conv.weight", "dense.weight"} <= set(words.sites)
    assert not {name for name in words.sites if name.endswith((".bias", ".scale", ".offset"))}
    plan = words.plan({"conv.weight": 3})
    assert {format.word_length for format in formats_of(plan.sites["conv.weight"])} == {3}
    assert {name for name in plan.sites if plan.sites[name] != words.base.sites[name]} == {"conv.weight"}


def test_its_file_holds_it_whole(images: Dataset, tmp_path: Path) -> None:
    found = sensitivity(NETWORK, images, words=[3], out=tmp_path / "out")
    assert Sensitivity.load(tmp_path / "out/sensitivity.json") == found
    with pytest.raises(BittrueError, match="no sensitivities"):
        Sensitivity.from_json({"bittrue": 1}, "x.json")


def test_words_as_they_are_written() -> None:
    assert parse_words("2:4,8") == (2, 3, 4, 8)
    assert parse_words([4, 2, 4]) == (2, 4)
    for wrong in ("0:3", "65", "4:2", "two"):
        with pytest.raises(BittrueError, match="--words"):
            parse_words(wrong)
