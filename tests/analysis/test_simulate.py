"""A data set through the simulation: files with the definition's codes, and the same results in batches of any size."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.networks import RecordedProgress, convolutional, random_images
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.simulate import simulate
from bittrue.analysis.verify import verify
from bittrue.data import load_dataset
from bittrue.definition import interpret
from bittrue.errors import BittrueError, DataError, PlanError
from bittrue.lowering import lower_network
from bittrue.network import Network, NetworkBuilder, Parameter
from bittrue.operators import Dense, Input
from bittrue.plan import Override, Plan, plan_from_ranges, study_plan, uniform_plan
from bittrue.simulation.simulator import Simulator

ROLES = ("study", "hardware")


def plan_of(role: str, network: Network, folder: Path) -> Plan:
    if role == "study":
        return study_plan(network, 3, word_length=4)
    return plan_from_ranges(network, measure_ranges(network, random_images(folder), images=10), 5)


@pytest.mark.parametrize("role", ROLES)
def test_the_files_hold_what_the_definition_says(role: str, tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path, 5)
    plan = plan_of(role, network, tmp_path)
    result = simulate(network, plan, dataset, out=tmp_path / "new" / "out", nodes=True, batch_size=2)
    out = tmp_path / "new" / "out"
    program = lower_network(network, plan)
    fraction_bits = json.loads((out / "nodes.json").read_text())
    assert list(fraction_bits) == [node.name for node in network.nodes]
    outputs, predictions = np.load(out / "outputs.npy"), np.load(out / "predictions.npy")
    assert (outputs.dtype, predictions.dtype) == (np.float64, np.int32)
    overflows = dict.fromkeys((step.site for step in program.steps if step.quantizer is not None), 0)
    (batch,) = dataset.batches(5)
    for image, x in enumerate(batch.x):
        defined = interpret(program, x.tolist())
        for node in network.nodes:
            codes = np.load(out / "nodes" / f"{node.name}.npy")
            assert codes.shape == (5, *node.shape)
            assert codes.dtype.kind in "iu"
            assert codes[image].ravel().tolist() == defined[node.name].codes
            assert fraction_bits[node.name] == {"fraction_bits": defined[node.name].fraction_bits}
        for step in program.steps:
            if step.quantizer is not None:
                overflows[step.site] += defined[step.name].overflows
        last = defined[network.output]
        assert [Fraction(value) for value in outputs[image]] == [
            code * Fraction(2) ** -last.binary_point for code in last.codes
        ]
        assert predictions[image] == max(range(4), key=last.codes.__getitem__)
    assert result.overflows == program.parameter_overflows | overflows
    assert role == "hardware" or result.overflows["norm.output"] > 0
    assert result.correct == int((predictions == dataset.labels).sum())
    assert result.exact


@pytest.mark.parametrize("role", ROLES)
def test_batches_of_any_size_give_the_same_bytes(role: str, tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    plan = plan_of(role, network, tmp_path)
    results, files = [], []
    for size in (1, 7, 40, None):
        out = tmp_path / str(size)
        results.append(simulate(network, plan, dataset, batch_size=size, out=out, nodes=True).to_json())
        files.append({str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert results[1:] == results[:-1]
    assert files[1:] == files[:-1]
    assert len(files[0]) == 4 + len(network.nodes)


def test_what_the_result_says(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    progress = RecordedProgress()
    plan = study_plan(network, 6)
    result = simulate(network, plan, dataset, images=33, batch_size=16, progress=progress)
    content = result.to_json()
    assert list(content)[:4] == ["bittrue", "network", "plan", "data"]
    assert {"accuracy", "correct", "images", "loss", "exact", "layers", "overflows"} < set(content)
    assert content["data"] == {"name": "images.npz", "sha256": dataset.take(33).sha256, "images": 33}
    assert (content["network"], content["plan"]) == (network.hash, plan.hash)
    assert {"node", "strategy", "bound_bits", "margin_bits"} <= set(content["layers"][0])
    assert json.loads(json.dumps(content)) == content
    assert progress.events == [("simulate", 33), 16, 16, 1, "finished"]
    assert f"Accuracy {100 * result.accuracy:.2f} %" in repr(result)
    assert repr(result).endswith("exact, proven for every layer.")


def test_a_float_site_is_never_called_exact(tmp_path: Path) -> None:
    network = convolutional()
    plan = study_plan(network, 6, overrides=[Override("norm.output", "FLOAT")])
    result = simulate(network, plan, random_images(tmp_path), out=tmp_path, nodes=True)
    assert not result.exact
    assert "not exact" in repr(result)
    norm = np.load(tmp_path / "nodes" / "norm.npy")
    assert norm.dtype == np.float32
    assert (norm != np.round(norm * 64) / 64).any()
    assert json.loads((tmp_path / "nodes.json").read_text())["norm"] == {"fraction_bits": None}


def test_without_labels_there_is_no_accuracy(tmp_path: Path) -> None:
    network = convolutional()
    result = simulate(network, study_plan(network, 6), random_images(tmp_path, classes=None), out=tmp_path)
    assert (result.accuracy, result.interval, result.loss, result.correct) == (None, None, None, None)
    assert not (tmp_path / "predictions.npy").exists()
    assert np.load(tmp_path / "outputs.npy").shape == (40, 4)
    assert "Accuracy" not in repr(result)


def test_one_sigmoid_is_a_binary_classifier_and_one_logit_is_not(tmp_path: Path) -> None:
    dataset = random_images(tmp_path, classes=2)
    binary = convolutional(classes=1, ends="sigmoid")
    result = simulate(binary, study_plan(binary, 8), dataset, out=tmp_path)
    predictions = (np.load(tmp_path / "outputs.npy")[:, 0] > 0.5).astype(int)
    assert result.correct == int((predictions == dataset.labels).sum())
    regression = convolutional(classes=1, ends="logits")
    assert simulate(regression, study_plan(regression, 8), dataset).accuracy is None


def test_what_does_not_fit(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    plan = study_plan(network, 6)
    with pytest.raises(PlanError, match="another network"):
        simulate(network, study_plan(convolutional(1), 6), dataset)
    with pytest.raises(BittrueError, match="need a folder"):
        simulate(network, plan, dataset, nodes=True)
    with pytest.raises(BittrueError, match=r"The folder .* can't be made"):
        simulate(network, plan, dataset, out=dataset.source.where)
    with pytest.raises(DataError, match=r"as class 4, but the network has 4 outputs"):
        simulate(network, plan, random_images(tmp_path, classes=5))
    with pytest.raises(DataError, match=r"12×6×1 but the network wants 6×6×1.*--resize"):
        simulate(network, plan, random_images(tmp_path, shape=(12, 6, 1)))


def test_a_failure_on_the_way_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    run = Simulator.run
    batches = iter(range(3))

    def failing(self: Simulator, *arguments: Any) -> Any:
        if next(batches) == 2:
            raise BittrueError("the third batch is bad")
        return run(self, *arguments)

    monkeypatch.setattr(Simulator, "run", failing)
    progress = RecordedProgress()
    out = tmp_path / "out"
    with pytest.raises(BittrueError, match="third"):
        simulate(network, study_plan(network, 6), dataset, batch_size=4, out=out, nodes=True, progress=progress)
    assert [path for path in out.rglob("*") if path.is_file()] == []
    assert progress.events == [("simulate", 40), 4, 4, "finished"]


def test_codes_that_float64_rounds_to_one_number_are_two(tmp_path: Path) -> None:
    """Class 0 has the code 2^60, class 1 one more: it is predicted, without a tie, whatever float64 makes of them."""
    builder = NetworkBuilder("wide")
    dense = Dense(Parameter("d.weight", np.array([[1, 1], [0, 1]], np.float32)), None)
    network = builder.finish(builder.add("d", dense, builder.add("x", Input((2,)))))
    np.savez(tmp_path / "data.npz", x=np.array([[1, 2.0**-60], [1, 0], [0.5, 0.25]], np.float32), y=[1, 0, 1])
    data = load_dataset(str(tmp_path / "data.npz"), shape=(2,))
    plan = uniform_plan(network, 64, 60, overrides=[Override("d.weight", "ap_fixed<4,4>")])
    result = simulate(network, plan, data, out=tmp_path / "out", nodes=True)
    assert np.load(tmp_path / "out/nodes/d.npy")[0].tolist() == [2**60, 2**60 + 1]
    assert np.load(tmp_path / "out/predictions.npy").tolist() == [1, 0, 1]
    assert (result.correct, result.tied, result.rounded_outputs) == (3, 1, 1)
    assert "1 output of more than 53 bits: rounded to float64 in outputs.npy" in str(result.view()[-1])
    assert type(result).from_json(result.to_json(), "this test").rounded_outputs == 1
    assert verify(network, plan, data).mismatches == 0
    # The canary: the numbers of outputs.npy tell nothing apart.
    outputs = np.load(tmp_path / "out/outputs.npy")
    assert outputs[0, 0] == outputs[0, 1]
