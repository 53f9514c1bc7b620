"""plan.json: what goes in comes out, and everything else is refused in one sentence that names the file."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from bittrue.errors import PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.plan import Guard, Override, Plan, PlanOptions, Word, check_plan, plan_from_ranges, uniform_plan
from cases import CASES
from plans import PLANNED, Planned, ranges_of

BY_NAME = {case.name: case for case in CASES}
NETWORK = BY_NAME["conv-groups"].network


def plan() -> Plan:
    overrides = [Override("conv.output", "GUARD"), Override("conv.bias", "FLOAT")]
    return plan_from_ranges(NETWORK, ranges_of(BY_NAME["conv-groups"]), 6, per_channel=True, overrides=overrides)


def content() -> Any:
    return json.loads(json.dumps(plan().to_json()))


@pytest.mark.parametrize("planned", PLANNED[::9], ids=lambda planned: planned.id)
def test_a_plan_survives_its_file(planned: Planned) -> None:
    read = Plan.from_json(json.loads(json.dumps(planned.plan.to_json())), "plan.json")
    assert read == planned.plan
    assert read.hash == planned.plan.hash


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("overflow", Overflow)
def test_every_mode_survives_the_file(rounding: Rounding, overflow: Overflow) -> None:
    for quantizer in (
        Quantizer(FixedFormat(True, 13, 5), rounding, overflow),
        Quantizer(FixedFormat(False, 8, -2), rounding, overflow),
        Quantizer(FixedFormat(True, 4, 9), rounding, overflow),
    ):
        made = Plan("sha256:0", PlanOptions(), {"a.output": quantizer, "b.output": Guard(quantizer)})
        assert Plan.from_json(json.loads(json.dumps(made.to_json())), "plan.json") == made


def test_the_file_is_what_the_design_says() -> None:
    made = uniform_plan(BY_NAME["relu-alone"].network, 8, 4, overrides=[Override("node.output", "FLOAT")])
    assert made.to_json() == {
        "bittrue": 1,
        "network": BY_NAME["relu-alone"].network.hash,
        "options": {
            "batch_norm": "raw",
            "rounding_points": "every-node",
            "softmax": "exact",
            "product": "exact",
        },
        "sites": {"image.output": "ap_fixed<8,4,AP_RND_CONV,AP_SAT>", "node.output": "FLOAT"},
    }


def test_the_form_of_layer_norms_is_in_the_file_where_it_is_not_exact() -> None:
    network = BY_NAME["layer-norm"].network
    exact, table = (uniform_plan(network, 8, 4, options=PlanOptions(layer_norm=form)) for form in ("exact", "table"))
    assert "layer_norm" not in exact.to_json()["options"]
    assert table.to_json()["options"]["layer_norm"] == "table"
    assert Plan.from_json(table.to_json(), "plan.json") == table
    assert Plan.from_json(exact.to_json(), "plan.json") == exact


def test_the_hash_changes_with_any_part() -> None:
    made = plan()
    others = [
        Plan("sha256:0", made.options, made.sites),
        Plan(made.network, PlanOptions(product="quantized"), made.sites),
        Plan(made.network, made.options, {**made.sites, "conv.output": Word.EXACT}),
    ]
    assert len({made.hash, *(other.hash for other in others)}) == 4
    reordered = Plan(made.network, made.options, dict(reversed(list(made.sites.items()))))
    assert reordered.hash == made.hash


def changed(**parts: Any) -> Any:
    return {**content(), **parts}


def with_site(name: str, value: Any) -> Any:
    made = content()
    made["sites"][name] = value
    return made


def without(key: str) -> Any:
    made = content()
    del made[key]
    return made


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: None, r"not a plan; make one with `bittrue plan`"),
        (lambda: [1], r"not a plan"),
        (dict, r"not a plan"),
        (lambda: without("network"), r"not a plan"),
        (lambda: without("sites"), r"not a plan"),
        (lambda: changed(sites=[]), r"not a plan"),
        (lambda: without("bittrue"), r"version None of the file is not known"),
        (lambda: changed(bittrue=2), r"version 2 of the file is not known"),
        (lambda: changed(options="raw"), r"its options are no object"),
        (lambda: changed(options={"colour": "red"}), r"unknown option 'colour'; the options are batch_norm"),
        (lambda: changed(options={"softmax": "none"}), r"the option softmax is 'none'"),
        (lambda: with_site("conv.output", "GUARD"), r"site conv\.output: GUARD needs the site's own quantizer"),
        (lambda: with_site("conv.output", "exakt"), r"site conv\.output: "),
        (lambda: with_site("conv.output", 7), r"site conv\.output: "),
        (lambda: with_site("conv.output", None), r"site conv\.output: "),
        (lambda: with_site("conv.weight", []), r"site conv\.weight: a list of formats.* can't be empty"),
        (lambda: with_site("conv.weight", ["ap_fixed<8,4>", 3]), r"site conv\.weight: "),
        (lambda: with_site("conv.output", {"guard": "none"}), r"site conv\.output: "),
        (lambda: with_site("conv.output", {"format": "ap_fixed<0,0>"}), r"site conv\.output: "),
    ],
)
def test_a_file_that_holds_no_plan_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(PlanError, match=rf"^plan\.json: {message}"):
        Plan.from_json(make(), "plan.json")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: changed(network="sha256:0"), "the plan was made for another network"),
        (lambda: with_site("conv.extra", "FLOAT"), r"there is no site conv\.extra"),
        (lambda: with_site("convolution.output", "FLOAT"), r"there is no site convolution\.output; did you mean conv"),
        (lambda: with_site("conv.bias", ["ap_fixed<8,4>"] * 6), r"site conv\.bias: only weights take one format"),
        (
            lambda: with_site("conv.weight", ["ap_fixed<8,4>"] * 5),
            r"conv\.weight: 5 formats for 6 output channels",
        ),
        (
            lambda: with_site("conv.weight", ["ap_fixed<8,4>"] * 5 + ["ap_fixed<8,4,AP_RND,AP_SAT>"]),
            r"site conv\.weight: rounding and overflow differ between channels",
        ),
        (lambda: with_site("image.output", "EXACT"), r"site image\.output: EXACT is impossible"),
        (lambda: with_site("conv.accumulator", "FLOAT"), r"site conv\.accumulator: an accumulator is EXACT or has"),
        (
            lambda: with_site("conv.accumulator", {"guard": "ap_fixed<8,4>"}),
            r"site conv\.accumulator: an accumulator is EXACT or has",
        ),
    ],
)
def test_a_plan_that_does_not_fit_its_network_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        check_plan(Plan.from_json(make(), "plan.json"), NETWORK)


def test_a_plan_that_leaves_out_a_site_is_refused() -> None:
    made = content()
    del made["sites"]["conv.weight"]
    with pytest.raises(PlanError, match=r"the plan says nothing of the site conv\.weight"):
        check_plan(Plan.from_json(made, "plan.json"), NETWORK)


def test_a_plan_fits_its_own_network() -> None:
    assert set(check_plan(plan(), NETWORK)) == set(plan().sites)
