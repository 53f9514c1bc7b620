"""Sensitivities are those of whole simulations, case by case, and go to their file and back."""

from dataclasses import replace
from pathlib import Path

import pytest

import bittrue
from analysis.networks import convolutional, random_images
from bittrue.analysis.alone import with_sites
from bittrue.analysis.evaluating.yardstick import Yardstick
from bittrue.analysis.sensitivity import sensitivity
from bittrue.analysis.sensitivity_result import Sensitivity
from bittrue.analysis.site_words import parse_words, site_words
from bittrue.data import Dataset
from bittrue.errors import BittrueError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.network import Network
from bittrue.plan import Override, formats_of

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


def test_parts_of_a_loss_are_its_whole(images: Dataset) -> None:
    found = sensitivity(NETWORK, images, words="2,3", pairs=False)
    words = site_words(NETWORK, bittrue.measure_ranges(NETWORK, images))
    for loss in found.losses:
        assert loss.rounding is not None
        assert loss.clipping is not None
        assert loss.rounding + loss.clipping == pytest.approx(loss.loss, abs=1e-12)
        assert loss.accumulator == 0
    # Rounding is that of a word that clips nothing.
    spec = words.plan({"image.output": 2}).sites["image.output"]
    assert isinstance(spec, Quantizer)
    open_end = with_sites(words.base, {"image.output": replace(spec, overflow=Overflow.UNBOUNDED)})
    own = found.by_site()["image.output"][2]
    assert own.rounding == Yardstick(NETWORK, images).distance(NETWORK, open_end)
    assert own.clipping != 0  # the canary: least squares does clip


def test_accumulators_have_their_part(images: Dataset) -> None:
    narrow = Override.parse("dense.accumulator=ap_fixed<10,5>")
    found = sensitivity(NETWORK, images, words="4", pairs=False, overrides=[narrow])
    exact = sensitivity(NETWORK, images, words="4", pairs=False)
    for loss, alone in zip(found.losses, exact.losses, strict=True):
        assert loss.accumulator == pytest.approx(loss.loss - alone.loss, abs=1e-12)
        assert loss.accumulator != 0
    assert "Of which accumulators" in str(found)
    assert "Of which accumulators" not in str(exact)


def test_what_is_measured_beside_the_distance(images: Dataset) -> None:
    found = sensitivity(NETWORK, images, words="5", pairs=False).by_site()["conv.weight"][5]
    words = site_words(NETWORK, bittrue.measure_ranges(NETWORK, images))
    plan = words.plan({"conv.weight": 5})
    wide = with_sites(
        plan, {"softmax.output": Quantizer(FixedFormat(False, 40, 40), Rounding.NEAREST_EVEN, Overflow.SATURATE)}
    )
    simulated = bittrue.simulate(NETWORK, wide, images)
    assert found.accuracy == simulated.accuracy
    assert found.cross_entropy == pytest.approx(simulated.loss, rel=1e-3)
    assert found.sqnr is not None
    assert 5 < found.sqnr < 60


def test_also_varied(images: Dataset) -> None:
    ranges = bittrue.measure_ranges(NETWORK, images)
    base = set(site_words(NETWORK, ranges).sites)
    assert set(site_words(NETWORK, ranges, also=["biases"]).sites) - base == {"conv.bias", "norm.offset", "dense.bias"}
    assert set(site_words(NETWORK, ranges, also=["scales"]).sites) - base == {"norm.scale"}
    with pytest.raises(BittrueError, match="--also magic: choose of biases, scales, tables"):
        site_words(NETWORK, ranges, also=["magic"])
    kept = site_words(NETWORK, ranges, overrides=[Override.parse("conv.w*=8")])
    assert base - set(kept.sites) == {"conv.weight"}


def test_words_as_they_are_written() -> None:
    assert parse_words("2:4,8") == (2, 3, 4, 8)
    assert parse_words([4, 2, 4]) == (2, 4)
    for wrong in ("0:3", "65", "4:2", "two"):
        with pytest.raises(BittrueError, match="--words"):
            parse_words(wrong)
