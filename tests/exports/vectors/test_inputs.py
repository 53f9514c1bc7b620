"""Golden vectors have the images that overflow: those of the first 64, or those that a trace found."""

import json
from pathlib import Path

import numpy as np
import pytest

from bittrue.analysis.tracing.trace import trace
from bittrue.data import Dataset, as_dataset
from bittrue.errors import BittrueError
from bittrue.exports.export import export
from bittrue.network import Network, NetworkBuilder, Parameter
from bittrue.operators import Dense, Input
from bittrue.plan import Override, Plan, uniform_plan

ORIGIN = "image {} of numbers, test split: the first that overflows at {}"


def dense() -> Network:
    builder = NetworkBuilder("one")
    image = builder.add("image", Input((2,)))
    weight = Parameter("dense.weight", np.array([[1.0], [1.0]], np.float32))
    return builder.finish(builder.add("dense", Dense(weight, None), image))


NETWORK = dense()


def plan() -> Plan:
    """The sum of two numbers up to 3.75 in a format up to 3.75."""
    saturating = "AP_RND_CONV,AP_SAT>"
    sites = {"image.output": "ap_fixed<6,3,", "dense.output": "ap_fixed<6,3,"}
    return uniform_plan(NETWORK, 6, 3, overrides=[Override(name, text + saturating) for name, text in sites.items()])


def numbers(*overflowing: int, images: int = 100) -> Dataset:
    """Images of small numbers, but for those in which the sum overflows."""
    x = np.full((images, 2), 0.5, np.float32)
    x[list(overflowing)] = 3.0
    return as_dataset(x, name="numbers")


def inputs(folder: Path) -> list[str]:
    origins: list[str] = json.loads((folder / "vectors" / "vectors.json").read_text())["inputs"]
    return origins


def test_the_first_image_that_overflows_is_a_vector(tmp_path: Path) -> None:
    export(NETWORK, plan(), "vectors", tmp_path / "out", data=numbers(40, 50), images=2)
    origins = inputs(tmp_path / "out")
    assert origins[2] == ORIGIN.format(40, "dense.output")
    assert len(origins) == 2 + 1 + 6
    codes = np.load(tmp_path / "out" / "vectors" / "npy" / "image.output.npy")
    assert codes[2].tolist() == [24, 24]
    assert np.load(tmp_path / "out" / "vectors" / "npy" / "dense.output.npy")[2].tolist() == [31]


def test_an_image_that_is_a_vector_anyway_is_no_second_one(tmp_path: Path) -> None:
    export(NETWORK, plan(), "vectors", tmp_path / "out", data=numbers(1), images=2)
    origins = inputs(tmp_path / "out")
    assert origins[1] == ORIGIN.format(1, "dense.output")
    assert len(origins) == 2 + 6


def test_what_a_trace_found_is_a_vector(tmp_path: Path) -> None:
    data = numbers(90)
    export(NETWORK, plan(), "vectors", tmp_path / "out", data=data, images=2)
    assert not any("overflows" in origin for origin in inputs(tmp_path / "out"))
    traced = trace(NETWORK, plan(), data, images=100)
    export(NETWORK, plan(), "vectors", tmp_path / "out", data=data, images=2, trace=traced)
    assert inputs(tmp_path / "out")[2] == ORIGIN.format(90, "dense.output")


def test_a_trace_of_something_else_is_refused(tmp_path: Path) -> None:
    traced = trace(NETWORK, plan(), numbers(3), images=10)
    with pytest.raises(BittrueError, match="The trace is about other data"):
        export(NETWORK, plan(), "vectors", tmp_path / "out", data=numbers(4), images=2, trace=traced)
    with pytest.raises(BittrueError, match="The trace is about another plan"):
        export(NETWORK, uniform_plan(NETWORK, 6, 2), "vectors", tmp_path / "out", data=numbers(3), trace=traced)
    assert not (tmp_path / "out").exists()
