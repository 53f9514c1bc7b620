"""A network of depthwise and pointwise convolutions goes to hardware whole: C, memories, vectors, hls4ml's layers."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from bittrue.analysis.measure import measure
from bittrue.data import Dataset, as_dataset
from bittrue.exports.export import export
from bittrue.exports.witness import verify
from bittrue.frontends import load
from bittrue.network import Network
from bittrue.plan import Plan, plan_from_ranges
from exports.mobilenet import CHANNELS, build


@pytest.fixture(scope="module")
def network() -> Network:
    """On images of 16 by 16."""
    return load(build(16))


@pytest.fixture(scope="module")
def images() -> Dataset:
    return as_dataset(np.random.default_rng(3).random((6, 16, 16, 3), np.float32), name="noise")


@pytest.fixture(scope="module")
def plan(network: Network, images: Dataset) -> Plan:
    return plan_from_ranges(network, measure(network, images).ranges, 8)


def test_every_layer_of_the_c_has_the_bits_of_the_simulation(network: Network, plan: Plan, images: Dataset) -> None:
    found = verify(network, plan, images, against="c", images=6)
    assert found.mismatches == 0
    assert len(found.sites) == 1 + 2 * len(CHANNELS) + 2


def test_the_definition_agrees(network: Network, plan: Plan, images: Dataset) -> None:
    assert verify(network, plan, images, images=1).mismatches == 0


def test_every_target_can_have_it(network: Network, plan: Plan, images: Dataset, tmp_path: Path) -> None:
    made = export(network, plan, "c,memory,vectors,hls4ml", tmp_path / "out", data=images, images=2)
    assert made.manifest["on_host"] == []
    names = {entry["files"].get("memory") for entry in made.manifest["sites"].values()}
    assert "memory/blocks_0_depthwise.weight.hex" in names
    done = subprocess.run(["make", "-s", "-C", tmp_path / "out" / "c"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"of {1 + 2 * len(CHANNELS) + 2} layers compared on " in done.stdout


def test_the_weights_are_the_seeds() -> None:
    first, second = (build(16)[0].state_dict() for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
