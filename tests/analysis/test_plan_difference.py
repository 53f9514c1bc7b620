"""What differs between two plans."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.networks import chain, convolutional
from bittrue.analysis.plan_difference import Difference, diff
from bittrue.errors import BittrueError, PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.operators import Input, ReLU
from bittrue.plan import Guard, Plan, PlanOptions, Spec, Word, uniform_plan

NETWORK = convolutional()
PLAN = uniform_plan(NETWORK, 8, 6, options=PlanOptions())


def with_site(name: str, spec: Spec) -> Plan:
    return replace(PLAN, sites={**PLAN.sites, name: spec})


def test_equal_plans() -> None:
    found = diff(PLAN, with_site("conv.weight", PLAN.sites["conv.weight"]))
    assert found.same
    assert found.differences == ()
    assert str(found) == "The plans are the same: 16 sites."


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (Quantizer(FixedFormat(True, 6, 5)), [("format", "ap_fixed<8,2>", "ap_fixed<6,1>")]),
        (Quantizer(FixedFormat(False, 8, 6)), [("format", "ap_fixed<8,2>", "ap_ufixed<8,2>")]),
        (Quantizer(FixedFormat(True, 8, 6), Rounding.FLOOR), [("rounding", "NEAREST_EVEN", "FLOOR")]),
        (
            Quantizer(FixedFormat(True, 9, 6), Rounding.FLOOR, Overflow.WRAP),
            [
                ("format", "ap_fixed<8,2>", "ap_fixed<9,3>"),
                ("rounding", "NEAREST_EVEN", "FLOOR"),
                ("overflow", "SATURATE", "WRAP"),
            ],
        ),
        (Word.FLOAT, [("format", "ap_fixed<8,2>", "FLOAT")]),
        (Guard(Quantizer(FixedFormat(True, 8, 6))), [("format", "ap_fixed<8,2>", "GUARD of ap_fixed<8,2>")]),
        (
            tuple(Quantizer(FixedFormat(True, 4, bits)) for bits in (1, 2, 3)),
            [("format", "ap_fixed<8,2>", "4 bits, F = 1…3")],
        ),
    ],
    ids=str,
)
def test_a_site_that_differs(spec: Spec, expected: list[tuple[str, str, str]]) -> None:
    found = diff(PLAN, with_site("conv.weight", spec))
    assert not found.same
    assert found.sites == ("conv.weight",)
    assert found.differences == tuple(Difference("conv.weight", *each) for each in expected)
    assert "The plans differ at 1 of 16 sites" in str(found)


def test_channels_that_differ_within_the_same_ends() -> None:
    each = [tuple(Quantizer(FixedFormat(True, 4, bits)) for bits in chosen) for chosen in ((1, 2, 3), (3, 2, 1))]
    found = diff(with_site("conv.weight", each[0]), with_site("conv.weight", each[1]))
    assert found.differences == (Difference("conv.weight", "channels", "4 bits, F = 1…3", "another F in 2 of 3"),)


def test_options_and_sites_of_one_plan_alone() -> None:
    raw = uniform_plan(NETWORK, 8, 6, options=PlanOptions(batch_norm="raw"))
    found = diff(PLAN, raw)
    assert found.differences[0] == Difference("options", "batch norm", "affine", "raw")
    assert Difference("norm.scale", "format", "ap_fixed<8,2>", "–") in found.differences
    assert Difference("norm.mean", "format", "–", "ap_fixed<8,2>") in found.differences
    assert found.to_json()["options"] == {"batch_norm": ["affine", "raw"]}
    assert found.to_json()["sites"]["norm.scale"] == ["ap_fixed<8,2,AP_RND_CONV,AP_SAT>", None]


def test_a_network_trained_again() -> None:
    """The same sites, other weights: the hash differs, and nothing else."""
    again = convolutional(1)
    found = diff(PLAN, uniform_plan(again, 8, 6, options=PlanOptions()))
    assert [(entry.where, entry.what) for entry in found.differences] == [("network", "hash")]
    assert found.sites == ()
    assert not found.same
    assert diff(PLAN, found.second, again).to_json()["cost"]["weight-bits"] == [1184, 1184]


def test_costs_beside_the_difference() -> None:
    found = diff(PLAN, with_site("conv.weight", Quantizer(FixedFormat(True, 4, 2))), NETWORK)
    pairs = found.to_json()["cost"]
    assert pairs["weight-bits"] == [1184, 1184 - 27 * 4]
    assert pairs["mac-bit-operations"] == [69_120, 69_120 - 972 * 8 * 4]
    assert found.to_json()["bits"]["weights"] == [8, (27 * 4 + 108 * 8) / 135]
    text = str(found)
    assert "weight-bits" in text
    assert "−9.1 %" in text
    assert "On average 8.00 bits a weight" in text
    assert "Not counted in either: softmax: its exact form" in text


def test_bad_input(tmp_path: Path) -> None:
    other = chain("other", [("pixels", Input((4,))), ("clip", ReLU())])
    with pytest.raises(
        PlanError, match=r"two networks, sha256:.*, of which only one has the node clip: compare plans of one network"
    ):
        diff(PLAN, uniform_plan(other, 8, 6))
    with pytest.raises(PlanError, match="Neither plan was made for small"):
        diff(PLAN, PLAN, convolutional(1))
    with pytest.raises(PlanError, match=r"site norm\.output is FLOAT, and float32 has no cost"):
        diff(PLAN, with_site("norm.output", Word.FLOAT), NETWORK)
    PLAN.save(tmp_path / "plan.json")
    (tmp_path / "sweep.json").write_text('{"bittrue": 1}')
    assert diff(tmp_path / "plan.json", str(tmp_path / "plan.json")).same
    with pytest.raises(BittrueError, match=r"sweep\.json: not a plan"):
        diff(tmp_path / "plan.json", tmp_path / "sweep.json")
    with pytest.raises(BittrueError, match=r"none\.json doesn't exist"):
        diff(tmp_path / "none.json", PLAN)
