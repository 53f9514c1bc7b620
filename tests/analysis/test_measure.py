"""Ranges and accumulators in one call: those of the two functions, and one file for both."""

from pathlib import Path

import pytest

from analysis.networks import convolutional, random_images
from bittrue.analysis.accumulators import AccumulatorWidths, accumulator_widths
from bittrue.analysis.measure import measure
from bittrue.analysis.ranges import measure_ranges
from bittrue.errors import BittrueError
from bittrue.files import read_json
from bittrue.plan import Ranges, plan_from_ranges, uniform_plan


def test_it_is_what_both_functions_say(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    out = tmp_path / "ranges.json"
    found = measure(network, dataset, word_length=6, out=out)
    assert found.ranges == measure_ranges(network, dataset) == Ranges.load(out)
    assert found.accumulators == accumulator_widths(network, plan_from_ranges(network, found.ranges, 6), dataset)
    content = read_json(out, "ranges file")
    assert isinstance(content, dict)
    assert AccumulatorWidths.from_json(content["accumulators"], "ranges.json") == found.accumulators
    assert "Accumulators for 6-bit words of the hardware recipe" in str(found)


def test_the_formats_of_a_plan(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    plan = uniform_plan(network, 8, 4)
    found = measure(network, dataset, plan, called="plan.json", images=3)
    assert found.accumulators == accumulator_widths(network, plan, dataset, images=3)
    assert "Accumulators for plan.json" in str(found)


def test_nothing_is_measured_for_a_file_that_cannot_be(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    with pytest.raises(BittrueError, match=r"name it ranges\.json"):
        measure(network, dataset, out=tmp_path / "ranges.yaml")
    with pytest.raises(BittrueError):
        measure(network, dataset, images=0, out=tmp_path / "ranges.json")
    assert not (tmp_path / "ranges.json").exists()
