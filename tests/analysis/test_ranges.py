"""Ranges against plain NumPy on the whole set, whatever the batches, and what is left to test on after calibration."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.networks import chain, convolutional, random_images
from bittrue.analysis import ranges as ranges_module
from bittrue.analysis.ranges import HISTOGRAM_BINS, StreamingHistogram, calibration_images, measure_ranges
from bittrue.data import load_dataset
from bittrue.errors import BittrueError, DataError
from bittrue.operators import Input, ReLU
from bittrue.plan import Ranges, SiteRange, plan_from_ranges
from bittrue.plan.ranges import PERCENTILES
from bittrue.simulation.float_model import FloatModel


def histogram_of(*parts: np.ndarray) -> SiteRange:
    histogram = StreamingHistogram()
    for part in parts:
        histogram.add(torch.from_numpy(part.astype(np.float32)))
    return histogram.site_range()


def test_the_histogram_does_not_depend_on_order_or_batches() -> None:
    values = np.random.default_rng(0).standard_cauchy(20_000).astype(np.float32)
    whole = histogram_of(values)
    assert whole == histogram_of(*np.split(values, 40)) == histogram_of(*np.split(values[::-1], 8))
    grown = histogram_of(*[values[np.argsort(np.abs(values))][i : i + 500] for i in range(0, 20_000, 500)])
    assert whole == grown  # the reach doubled a few dozen times on the way
    assert sum(whole.histogram) == whole.count == 20_000
    assert (whole.low, whole.high) == (float(values.min()), float(values.max()))


def test_a_lost_count_when_the_reach_doubles_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.linspace(-1, 1, 1001)
    parts = (values / 1000, values)
    whole = histogram_of(np.concatenate(parts))
    assert histogram_of(*parts) == whole
    concatenate = np.concatenate

    def forgetful(arrays: list[np.ndarray]) -> np.ndarray:
        return concatenate([arrays[0], np.maximum(arrays[1] - 1, 0), arrays[2]])

    monkeypatch.setattr(ranges_module.np, "concatenate", forgetful)
    assert histogram_of(*parts) != whole


@pytest.mark.parametrize("name", ["normal", "relu", "uniform", "tiny"])
def test_percentiles_are_right_to_within_a_bin(name: str) -> None:
    generator = np.random.default_rng(2)
    values = {
        "normal": generator.standard_normal(50_000),
        "relu": np.maximum(generator.standard_normal(50_000), 0),
        "uniform": generator.uniform(3, 5, 50_000),
        "tiny": generator.standard_normal(50_000) * 2.0**-80,
    }[name].astype(np.float32)
    found = histogram_of(values)
    bin_width = 2 * np.abs(values).max() / 4096
    for percent, value in found.percentiles:
        expected = np.sort(values)[math.ceil(Fraction(str(percent)) * 500) - 1]
        assert abs(value - expected) <= bin_width
        assert value == 0 or expected != 0  # a zero is exactly zero
    assert [percent for percent, _ in found.percentiles] == list(PERCENTILES)
    expected_histogram, _ = np.histogram(values, HISTOGRAM_BINS, (found.low, found.high))
    # A fine bin counts as a whole in the bin that its middle lies in: at each edge 1/32 of a bin can change sides.
    assert np.abs(np.cumsum(found.histogram) - np.cumsum(expected_histogram)).max() <= 0.03 * len(values)


@pytest.mark.parametrize(
    ("values", "low", "high", "zeros", "median"),
    [([0, 0, 0], 0, 0, 3, 0), ([5, 5], 5, 5, 0, 5), ([-2], -2, -2, 0, -2), ([2**-149], 2**-149, 2**-149, 0, 2**-149)],
)
def test_a_range_of_one_value(values: list[float], low: float, high: float, zeros: int, median: float) -> None:
    found = histogram_of(np.array(values))
    assert (found.low, found.high, found.count, found.zeros) == (low, high, len(values), zeros)
    assert dict(found.percentiles)[50.0] == median
    assert sum(found.histogram) == len(values)


def test_every_output_is_measured_over_all_images(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    measured = measure_ranges(network, dataset, batch_size=40)
    seen: dict[str, np.ndarray] = {}
    (batch,) = dataset.batches(40)
    FloatModel(network).run(batch.x, lambda name, values: seen.update({name: values.numpy().copy()}))
    assert list(measured.sites) == [f"{node.name}.output" for node in network.nodes]
    for name, values in seen.items():
        site = measured.sites[f"{name}.output"]
        assert (site.low, site.high) == (float(values.min()), float(values.max()))
        assert (site.count, site.zeros) == (values.size, int((values == 0).sum()))
    assert measured.network == network.hash
    assert measured.data == {"name": "images.npz", "sha256": dataset.sha256, "images": 40, "split": "test"}
    assert Ranges.from_json(measured.to_json(), "ranges.json") == measured
    assert plan_from_ranges(network, measured, 8).network == network.hash


def test_batches_change_nothing_but_float_s_last_bits(tmp_path: Path) -> None:
    network = chain("exact", [("image", Input((6, 6, 1))), ("relu", ReLU())])
    dataset = random_images(tmp_path)
    assert measure_ranges(network, dataset, batch_size=7) == measure_ranges(network, dataset)


def test_the_first_images_only(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    few = measure_ranges(network, dataset, images=10)
    assert few.data["images"] == 10
    assert few == measure_ranges(network, dataset.take(10))
    assert measure_ranges(network, dataset, images=1000).data["images"] == 40
    with pytest.raises(DataError, match="at least one"):
        measure_ranges(network, dataset, images=0)


def test_images_of_another_shape_are_refused_with_both_shapes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"shape 8×8×1 but the network wants 6×6×1.*--resize 6x6"):
        measure_ranges(convolutional(), load_dataset("digits"))
    with pytest.raises(DataError, match=r"6×6×3.*give images of 1 channel"):
        measure_ranges(convolutional(), random_images(tmp_path, shape=(6, 6, 3)))


def test_an_output_that_is_not_finite_names_its_node(tmp_path: Path) -> None:
    network = convolutional()
    network.parameters["dense.weight"].value[:] = 3e38
    with pytest.raises(BittrueError, match="The output of dense in the float network is not finite"):
        measure_ranges(network, random_images(tmp_path))


def test_histograms_of_parts_are_that_of_the_whole() -> None:
    values = torch.from_numpy(np.random.default_rng(3).standard_normal(1000).astype(np.float32))
    values *= torch.logspace(-6, 3, 1000)
    whole, *parts = (StreamingHistogram() for _ in range(5))
    whole.add(values)
    for part, piece in zip(parts, values.split(250), strict=True):
        part.add(piece)
    for order in (parts[1], parts[3], parts[2]):
        parts[0].merge(order)
    assert parts[0].site_range() == whole.site_range()


def test_calibration_on_the_training_split_leaves_the_test_whole() -> None:
    test, train = load_dataset("digits"), load_dataset("digits", split="train")
    measured, left = calibration_images(test, 100, train=train)
    assert (measured.split, measured.images, left) == ("train", 100, test)
    assert calibration_images(test, 10_000, train=train)[0].images == train.images
    assert calibration_images(test, train=train)[0].images == 512


def test_calibration_without_one_takes_images_out_of_the_test() -> None:
    test = load_dataset("digits")
    measured, left = calibration_images(test, 100)
    assert (measured.split, measured.images, left.images) == ("test", 100, 400)
    (first,), (last,) = list(measured.batches(100)), list(left.batches(400))
    (everything,) = test.batches(500)
    np.testing.assert_array_equal(np.concatenate([first.x, last.x]), everything.x)
    assert [part.images for part in calibration_images(test)] == [250, 250]
    for images in (500, 501):
        with pytest.raises(DataError, match="none would be left"):
            calibration_images(test, images)
    with pytest.raises(DataError, match="at least one"):
        calibration_images(test, 0)
    with pytest.raises(DataError, match="none would be left"):
        calibration_images(test.take(1))
