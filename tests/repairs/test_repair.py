"""Each repair brings the outputs nearer to the float network's, and every parameter ends as a code of its site."""

from pathlib import Path

import numpy as np
import pytest

import bittrue
from bittrue.analysis.evaluating.yardstick import Yardstick
from bittrue.data import Dataset
from bittrue.errors import BittrueError, PlanError
from bittrue.fixed import Quantizer
from bittrue.lowering import lower_keeping
from bittrue.network import Network
from bittrue.plan import Override, Plan
from bittrue.repairs import blocks
from bittrue.repairs.draft import codes_of
from bittrue.repairs.repair import REPAIRS, repair, tries
from repairs.networks import images, planned, residual

BEFORE = {"batch-norm": ("steps",)}
"""What is done first: batch norms have nothing to make up for where the weights themselves are the trouble."""


@pytest.fixture(autouse=True)
def few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gradients bring is asked in test_blocks.py."""
    monkeypatch.setattr(blocks, "ITERATIONS", 10)


@pytest.fixture(scope="module")
def network() -> Network:
    return residual()


@pytest.fixture(scope="module")
def data() -> Dataset:
    return images()


@pytest.fixture(scope="module")
def plan(network: Network, data: Dataset) -> Plan:
    return planned(network, data, per_channel=True)


def lower_codes(network: Network, plan: Plan) -> dict[str, np.ndarray]:
    return {name: codes.codes for name, codes in lower_keeping(network, plan).parameters.items()}


@pytest.mark.parametrize("name", ["steps", "gptq", "qronos", "bias", "batch-norm", "points"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_each_repair_lowers_the_loss(network: Network, data: Dataset, name: str, per_channel: bool) -> None:
    plan = planned(network, data, per_channel=per_channel)
    before = repair(network, plan, data, BEFORE.get(name, "none"))
    found = repair(network, plan, data, [*BEFORE.get(name, ()), name])
    others = Yardstick(network, images(200, seed=2))
    assert others.distance(found.network, found.plan) < others.distance(before.network, before.plan)


@pytest.mark.parametrize("names", [(name,) for name in REPAIRS])
def test_what_is_lowered_are_the_very_codes(
    network: Network, data: Dataset, plan: Plan, names: tuple[str, ...]
) -> None:
    """Nothing is rounded a second time: no parameter overflows, and the values are the codes'."""
    found = repair(network, plan, data, names)
    lowered = lower_keeping(found.network, found.plan)
    assert not any(lowered.program.parameter_overflows.values())
    for site, codes in found.codes.items():
        spec = found.plan.sites[site]
        formats = [q.format for q in (spec if isinstance(spec, tuple) else (spec,))]
        assert codes.min() >= min(f.min_code for f in formats)
        assert codes.max() <= max(f.max_code for f in formats)
    for name, parameter in lowered.parameters.items():
        np.testing.assert_array_equal(parameter.codes, found.codes[name])


def lengths(plan: Plan, site: str) -> set[int]:
    spec = plan.sites[site]
    return {q.format.word_length for q in (spec if isinstance(spec, tuple) else (spec,)) if isinstance(q, Quantizer)}


def test_auto_keeps_what_helps_and_every_word_length(network: Network, data: Dataset, plan: Plan) -> None:
    found = repair(network, plan, data)
    for step in found.steps:
        assert step.kept == (step.after < step.before)
    assert found.steps[0].kept
    assert all(lengths(plan, site) == lengths(found.plan, site) for site in plan.sites)


def test_none_changes_no_code(network: Network, data: Dataset, plan: Plan) -> None:
    found = repair(network, plan, data, "none")
    assert found.steps == ()
    trained = lower_codes(network, plan)
    assert all(np.array_equal(codes, found.codes[name]) for name, codes in trained.items())
    x = images(8, seed=3)
    assert (
        bittrue.simulate(found.network, found.plan, x).overflows.keys()
        == bittrue.simulate(network, plan, x).overflows.keys()
    )


def test_the_same_seed_gives_the_same_codes(network: Network, data: Dataset, plan: Plan) -> None:
    first, second = (repair(network, plan, data, ["qronos", "bias", "batch-norm"], seed=4) for _ in range(2))
    assert first.network.hash == second.network.hash
    assert first.plan.hash == second.plan.hash


def test_labels_are_not_looked_at(network: Network, plan: Plan) -> None:
    x = np.concatenate([batch.x for batch in images(60).batches(60)])
    with_labels = bittrue.dataset((x, np.arange(60) % 4))
    assert repair(network, plan, with_labels, "qronos").network.hash == repair(network, plan, x, "qronos").network.hash


def test_a_value_off_the_grid_is_noticed(network: Network, plan: Plan) -> None:
    with pytest.raises(PlanError, match=r"conv1\.weight: a repaired value is no code"):
        codes_of(network, plan)


def test_float_and_exact_sites_are_left_alone(network: Network, data: Dataset) -> None:
    plan = planned(network, data, overrides=[Override("dense1.weight", "EXACT"), Override("conv3.weight", "FLOAT")])
    found = repair(network, plan, data, "qronos,bias,batch-norm")
    trained = network.parameters["dense1.weight"].value
    np.testing.assert_array_equal(found.network.parameters["dense1.weight"].value, trained)
    assert "conv3.weight" not in found.codes


@pytest.mark.parametrize("batch_norm", ["affine", "raw"])
def test_other_recipes(network: Network, data: Dataset, batch_norm: str) -> None:
    plan = bittrue.study_plan(
        network, 4, options=bittrue.PlanOptions(batch_norm=batch_norm, rounding_points="every-node")
    )
    found = repair(network, plan, data, "qronos,bias,batch-norm")
    yardstick = Yardstick(network, images(200, seed=2))
    assert yardstick.distance(found.network, found.plan) < yardstick.distance(network, plan)


def test_inputs_of_any_length(network: Network, data: Dataset) -> None:
    """Codes beyond float32's exact integers, and beyond torch's."""
    for length, fraction_bits in ((30, 24), (90, 80)):
        wide = [Override("relu1.output", f"ap_fixed<{length},{length - fraction_bits},AP_RND_CONV,AP_SAT>")]
        found = repair(network, planned(network, data, overrides=wide), data, "qronos,bias,batch-norm", images=120)
        assert found.steps[0].after < found.steps[0].before


def test_bad_input_is_refused(network: Network, data: Dataset, plan: Plan) -> None:
    with pytest.raises(BittrueError, match="no repair 'magic': choose auto, none, or of fold"):
        repair(network, plan, data, "qronos,magic")
    with pytest.raises(BittrueError, match="at least two"):
        repair(network, plan, data, images=1)
    with pytest.raises(PlanError, match="another network"):
        repair(residual(1), plan, data)


@pytest.mark.parametrize(
    ("repairs", "lists"),
    [
        ("qronos,bias", [("qronos", "bias")]),
        ("equalize,grid,qronos,bias", [("equalize", "grid", "qronos", "bias")]),
        ("fold,rescale,qronos,points", [("fold",), ("rescale", "qronos"), ("points",)]),
        ("rescale", [("rescale",)]),
    ],
)
def test_new_scales_are_judged_with_what_is_rounded_for_them(repairs: str, lists: list[tuple[str, ...]]) -> None:
    assert tries(repairs) == (tuple(lists), True)


def test_the_help_names_them_all() -> None:
    *before, last = REPAIRS
    commands = Path(__file__).parents[2] / "docs/commands.md"
    assert f"LIST, of {', '.join(before)} and {last}, joined by commas" in commands.read_text(encoding="utf-8")
