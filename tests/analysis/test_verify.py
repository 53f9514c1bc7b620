"""The check against the definition passes where it should, and finds whatever is broken on purpose, in its place."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.networks import RecordedProgress, convolutional, random_images
from bittrue.analysis import verify as verify_module
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.verify import FirstMismatch, Verification, verify
from bittrue.errors import BittrueError, DataError, PlanError
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Override, plan_from_ranges, study_plan
from bittrue.program import MultiplyAccumulate, Step
from bittrue.simulation.compiled import library
from bittrue.simulation.simulator import BatchResult, Simulator
from bittrue.simulation.values import Codes

CODES_AN_IMAGE = 36 + 2 * 36 * 3 + 36 * 3 + 2 * 27 + 2 * 4
"""image, convolution and ReLU, batch norm, pooling and flatten, dense and softmax."""


@pytest.fixture(name="network")
def _network() -> Network:
    return convolutional()


def check(network: Network, folder: Path, **arguments: Any) -> Verification:
    return verify(network, study_plan(network, 3, word_length=4), random_images(folder), **arguments)


def test_the_simulation_equals_the_definition(network: Network, tmp_path: Path) -> None:
    progress = RecordedProgress()
    result = check(network, tmp_path, images=5, progress=progress)
    assert (result.mismatches, result.first, result.not_compared) == (0, None, ())
    assert (result.images, result.values, result.against) == (5, 5 * CODES_AN_IMAGE, "reference")
    assert repr(result) == f"Against the reference: {5 * CODES_AN_IMAGE:,} values on 5 images, 0 mismatches."
    begun, *parts, ended = progress.events
    assert (begun, ended) == (("verify", 5), "finished")
    assert sum(map(float, parts)) == pytest.approx(5)
    assert max(map(float, parts)) < 1  # the bar moves within an image, which takes long on a large network
    content = result.to_json()
    assert {"against", "images", "values", "mismatches", "first", "not_compared"} < set(content)
    assert content["first"] is None


@pytest.mark.parametrize("per_channel", [False, True])
def test_so_it_does_in_the_hardware_recipe(network: Network, tmp_path: Path, per_channel: bool) -> None:
    dataset = random_images(tmp_path)
    plan = plan_from_ranges(network, measure_ranges(network, dataset, images=20), 6, per_channel=per_channel)
    result = verify(network, plan, dataset.skip(20), images=None)
    assert (result.images, result.mismatches) == (20, 0)


class Broken(Simulator):
    """A simulator whose codes of one step are changed before the next step sees them."""

    site = "norm"

    def _compute(self, step: Step, *arguments: Any) -> Any:
        codes, outside = super()._compute(step, *arguments)
        return (self.change(codes) if step.name == self.site else codes), outside

    def change(self, codes: Codes) -> Codes:
        tensor = codes.tensor.clone()
        tensor[1:, 2, 3, 1] += 1
        return replace(codes, tensor=tensor, low=codes.low - 1, high=codes.high + 1)


def broken_by(monkeypatch: pytest.MonkeyPatch, **methods: Any) -> None:
    monkeypatch.setattr(library, "unit", lambda: None)
    monkeypatch.setattr(verify_module, "Simulator", type("Changed", (Broken,), methods))


def defined(network: Network, folder: Path, node: str, image: int) -> list[int]:
    """The codes of a node, by an unbroken simulator."""
    found: list[int] = []

    def observe(step: Step, codes: Codes) -> None:
        if step.name == node:
            found.extend(int(code) for code in codes.tensor.flatten())

    (batch,) = random_images(folder).batches(1, start=image, images=1)
    Simulator(lower_network(network, study_plan(network, 3, word_length=4))).run(batch.x, observe)
    return found


def test_one_last_bit_is_found_in_its_place(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_by(monkeypatch)
    result = check(network, tmp_path, images=4)
    index = (2 * 6 + 3) * 3 + 1
    code = defined(network, tmp_path, "norm", 1)[index]
    assert result.first == FirstMismatch("norm.output", "code", 1, index, code, code + 1)
    assert type(result.first.got) is int
    assert result.mismatches >= 2  # in each batch of two images the second
    assert "\nThe first: code of norm.output, image 1, index" in repr(result)
    assert result.to_json()["first"]["site"] == "norm.output"
    assert check(network, tmp_path, images=1).mismatches == 0  # not reached: there is no second image


def add_half(self: Broken, codes: Codes) -> Codes:
    tensor = codes.tensor.clone()
    tensor[0, 0, 0, 0] += 0.5
    return replace(codes, tensor=tensor)


def swap_images(self: Broken, codes: Codes) -> Codes:
    return replace(codes, tensor=codes.tensor.flip(0))


@pytest.mark.parametrize(("change", "image"), [(add_half, 0), (swap_images, 0)])
def test_other_faults_are_found(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, image: int
) -> None:
    broken_by(monkeypatch, change=change)
    result = check(network, tmp_path)
    assert result.first is not None
    assert (result.first.site, result.first.what, result.first.image) == ("norm.output", "code", image)


def test_a_weight_written_over_is_found(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a kernel might that works in place on what it shares with its program."""

    def run(self: Simulator, *arguments: Any) -> BatchResult:
        instruction = self.program.by_name["conv"].instruction
        assert isinstance(instruction, MultiplyAccumulate)
        instruction.weight[0, 0, 0, 0] ^= 4
        return Simulator.run(self, *arguments)

    broken_by(monkeypatch, site="nowhere", run=run)
    result = check(network, tmp_path)
    assert result.first is not None
    assert result.first.site == "conv.output"


def test_another_binary_point_is_found(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_by(monkeypatch, site="softmax", change=lambda self, codes: replace(codes, fraction_bits=4))
    result = check(network, tmp_path, images=1)
    assert result.first == FirstMismatch("softmax.output", "fraction bits", 0, None, 3, 4)
    assert result.mismatches >= 4


@pytest.mark.parametrize("how", ["one less", "dropped"])
def test_a_wrong_overflow_count_is_found(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def run(self: Simulator, *arguments: Any) -> BatchResult:
        result = Simulator.run(self, *arguments)
        assert result.overflows["norm.output"] > 0
        overflows = dict(result.overflows)
        count = overflows.pop("norm.output")
        return replace(result, overflows=overflows if how == "dropped" else overflows | {"norm.output": count - 1})

    broken_by(monkeypatch, site="nowhere", run=run)
    result = check(network, tmp_path, images=3)
    assert result.mismatches == 2  # one a batch
    assert result.first is not None
    assert (result.first.site, result.first.what, result.first.index) == ("norm.output", "overflows", None)
    assert result.first.got == (None if how == "dropped" else result.first.expected - 1)


def test_a_wrong_output_value_is_found(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: Simulator, *arguments: Any) -> BatchResult:
        result = Simulator.run(self, *arguments)
        outputs = result.outputs.copy()
        outputs[1, 2] = np.nextafter(outputs[1, 2], 2)
        return replace(result, outputs=outputs)

    broken_by(monkeypatch, site="nowhere", run=run)
    result = check(network, tmp_path)
    assert result.mismatches == 1
    assert result.first is not None
    assert (result.first.site, result.first.what) == ("softmax.output", "value")
    assert (result.first.image, result.first.index) == (1, 2)


def test_nodes_after_float_are_not_compared_and_named(network: Network, tmp_path: Path) -> None:
    plan = study_plan(network, 3, overrides=[Override("norm.output", "FLOAT")])
    result = verify(network, plan, random_images(tmp_path))
    assert result.not_compared == ("norm", "pool", "flatten", "dense", "softmax")
    assert (result.values, result.mismatches) == (2 * (36 + 2 * 36 * 3), 0)
    with pytest.raises(PlanError, match=r"image\.output: it is FLOAT"):
        verify(network, study_plan(network, 3, overrides=[Override("image.output", "FLOAT")]), random_images(tmp_path))


def test_what_can_not_be_compared(network: Network, tmp_path: Path) -> None:
    with pytest.raises(BittrueError, match="no witness 'hls4ml'"):
        check(network, tmp_path, against="hls4ml")
    with pytest.raises(DataError, match="at least one"):
        check(network, tmp_path, images=0)
    with pytest.raises(PlanError, match="another network"):
        verify(network, study_plan(convolutional(1), 3), random_images(tmp_path))
