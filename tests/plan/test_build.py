"""Plans by recipe, and the overrides that change a site's part of one."""

import numpy as np
import pytest

from bittrue.errors import FormatError, PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.lowering import lower_network
from bittrue.network import Parameter
from bittrue.operators import Dense
from bittrue.plan import (
    STUDY_OPTIONS,
    STUDY_WORD_LENGTH,
    Guard,
    Override,
    Plan,
    PlanOptions,
    Ranges,
    SiteRange,
    Spec,
    Word,
    check_plan,
    describe_spec,
    plan_from_ranges,
    sites_of,
    study_plan,
    uniform_plan,
)
from cases import CASES, Case, Draft
from plans import AFFINE_EVERY_NODE, TABLE, ranges_of

BY_NAME = {case.name: case for case in CASES}
WHOLE = BY_NAME["whole"]
OWN = Quantizer(FixedFormat(True, 8, 4))


def overridden(*texts: str, case: Case = WHOLE, options: PlanOptions = STUDY_OPTIONS) -> Plan:
    return uniform_plan(case.network, 8, 4, options=options, overrides=[Override.parse(text) for text in texts])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("options", [STUDY_OPTIONS, AFFINE_EVERY_NODE, TABLE, PlanOptions()], ids=repr)
def test_a_recipe_speaks_of_every_site_and_fits_its_network(case: Case, options: PlanOptions) -> None:
    plans = [
        study_plan(case.network, 5, options=options),
        uniform_plan(case.network, 8, 3, options=options),
        plan_from_ranges(case.network, ranges_of(case), 6, options=options),
        plan_from_ranges(case.network, ranges_of(case), 6, options=options, per_channel=True),
    ]
    found = sites_of(case.network, options)
    for plan in plans:
        assert set(plan.sites) == {name for name, site in found.items() if not site.optional}
        assert set(check_plan(plan, case.network)) == set(found)


def test_the_study_gives_every_site_the_same_fraction_bits_and_no_limit() -> None:
    plan = study_plan(WHOLE.network, 5)
    assert plan.options == PlanOptions(batch_norm="raw", rounding_points="every-node")
    expected = Quantizer(FixedFormat(True, STUDY_WORD_LENGTH, 5), Rounding.NEAREST_EVEN, Overflow.UNBOUNDED)
    assert {name for name, spec in plan.sites.items() if spec != expected} == {"conv.accumulator", "dense.accumulator"}
    assert {plan.sites[name] for name in ("conv.accumulator", "dense.accumulator")} == {Word.EXACT}


def test_the_hardware_recipe_takes_binary_points_from_ranges() -> None:
    case = BY_NAME["norm-of-dense"]
    ranges = {
        "image.output": SiteRange(0.0, 0.99, 1, 0, (), ()),
        "dense.output": SiteRange(-3.0, 9.0, 1, 0, (), ()),
        "norm.output": SiteRange(-1.0, 0.3, 1, 0, (), ()),
    }
    plan = plan_from_ranges(
        case.network, Ranges(case.network.hash, {}, ranges), 8, options=AFFINE_EVERY_NODE, rounding=Rounding.FLOOR
    )

    def quantizer(signed: bool, word_length: int, fraction_bits: int) -> Quantizer:
        return Quantizer(FixedFormat(signed, word_length, fraction_bits), Rounding.FLOOR, Overflow.SATURATE)

    assert plan.sites["image.output"] == quantizer(False, 8, 8)  # never below zero, so unsigned
    assert plan.sites["dense.output"] == quantizer(True, 8, 3)
    assert plan.sites["norm.output"] == quantizer(True, 8, 7)
    for name in ("dense.bias", "norm.offset"):  # twice the word
        spec = plan.sites[name]
        assert isinstance(spec, Quantizer)
        assert spec.format.word_length == 16


def _mixed_weights(draft: Draft) -> None:
    weight = np.array([[0.1, -3.0, 0.0], [0.2, 1.0, 0.0]], np.float32)
    draft.add("dense", Dense(Parameter("dense.weight", weight), None))


def test_a_binary_point_for_each_output_channel() -> None:
    case = Case("mixed weights", (2,), _mixed_weights)
    plan = plan_from_ranges(case.network, ranges_of(case), 8, per_channel=True)
    specs = plan.sites["dense.weight"]
    assert isinstance(specs, tuple)
    assert [spec.format for spec in specs] == [
        FixedFormat(True, 8, 9),  # signed as the tensor is, though this channel never goes below zero
        FixedFormat(True, 8, 5),
        FixedFormat(True, 8, 7),  # only zeros
    ]
    assert describe_spec(specs).endswith("… per channel, F = 5…9")


def test_the_ends_of_ranges_lie_inside_symmetric_words() -> None:
    def lowest_one(draft: Draft) -> None:
        draft.add("dense", Dense(Parameter("dense.weight", np.array([[-1.0, -0.75], [0.5, 0.5]], np.float32)), None))

    case = Case("weights down to a power of two", (2,), lowest_one)
    network, measured = case.network, ranges_of(case)
    symmetric = Overflow.SATURATE_SYMMETRIC
    plan = plan_from_ranges(network, measured, 8, overflow=symmetric)
    assert plan.sites["dense.weight"] == Quantizer(FixedFormat(True, 8, 6), overflow=symmetric)
    each = plan_from_ranges(network, measured, 8, overflow=symmetric, per_channel=True)
    assert each.sites["dense.weight"] == tuple(Quantizer(FixedFormat(True, 8, f), overflow=symmetric) for f in (6, 7))
    assert lower_network(network, plan).parameter_overflows["dense.weight"] == 0
    wider = plan_from_ranges(network, measured, 8)
    assert wider.sites["dense.weight"] == Quantizer(FixedFormat(True, 8, 7))


def test_ranges_of_another_network_or_without_a_site_are_refused() -> None:
    with pytest.raises(PlanError, match="measured on another network"):
        plan_from_ranges(WHOLE.network, ranges_of(BY_NAME["dense"]), 8)
    found = ranges_of(WHOLE)
    fewer = {name: site for name, site in found.sites.items() if name != "pool.output" and name != "norm.output"}
    with pytest.raises(PlanError, match=r"say nothing of the site norm\.output; measure them again"):
        plan_from_ranges(WHOLE.network, Ranges(found.network, {}, fewer), 8)


def test_the_parts_of_a_softmax_table_need_no_measurement() -> None:
    plan = plan_from_ranges(WHOLE.network, ranges_of(WHOLE), 8, options=TABLE)
    formats = {}
    for role in ("exp", "sum", "reciprocal", "difference"):
        spec = plan.sites[f"softmax.{role}"]
        assert isinstance(spec, Quantizer)
        formats[role] = spec.format
    assert formats["exp"] == formats["reciprocal"] == FixedFormat(False, 8, 7)
    assert formats["sum"] == FixedFormat(False, 8, 5)
    logits = ranges_of(WHOLE).sites["dense.output"]
    assert formats["difference"].max_value + formats["difference"].resolution > logits.high - logits.low


# Overrides


def test_an_override_changes_the_sites_that_it_names() -> None:
    plan = overridden("*.weight=sfix6_En4", "conv.output=FLOAT", "norm.output=GUARD")
    weight = Quantizer(FixedFormat(True, 6, 4), Rounding.NEAREST_EVEN, Overflow.SATURATE)
    changed = {name: spec for name, spec in plan.sites.items() if spec != overridden().sites[name]}
    assert changed == {
        "conv.weight": weight,
        "dense.weight": weight,
        "conv.output": Word.FLOAT,
        "norm.output": Guard(OWN),
        "pool.output": Guard(OWN),  # passes on what the norm gives
        "dropout.output": Guard(OWN),
        "flatten.output": Guard(OWN),
    }


def test_a_later_override_wins() -> None:
    plan = overridden("*=FLOAT", "*.accumulator=EXACT", "dense.*=sfix4", "dense.accumulator=EXACT")
    words = {name: spec for name, spec in plan.sites.items() if spec is not Word.FLOAT}
    four = Quantizer(FixedFormat(True, 4, 0))
    assert words == {
        "conv.accumulator": Word.EXACT,
        "dense.accumulator": Word.EXACT,
        "dense.output": four,
        "dense.weight": four,
        "dense.bias": four,
    }


def test_modes_that_an_override_leaves_out_are_the_recipes_and_those_it_names_its_own() -> None:
    plan = uniform_plan(
        WHOLE.network,
        8,
        4,
        rounding=Rounding.NEAREST_AWAY,
        overflow=Overflow.SATURATE_ZERO,
        overrides=[
            Override("conv.output", "Q2.3"),
            Override("dense.output", "ap_fixed<6,3,AP_RND,AP_SAT>"),
            Override("norm.output", "ap_fixed<6,3>"),
        ],
    )
    assert plan.sites["conv.output"] == Quantizer(
        FixedFormat(True, 6, 3), Rounding.NEAREST_AWAY, Overflow.SATURATE_ZERO
    )
    assert plan.sites["norm.output"] == Quantizer(FixedFormat(True, 6, 3), Rounding.FLOOR, Overflow.WRAP)  # AMD's (B2)
    assert plan.sites["dense.output"] == Quantizer(FixedFormat(True, 6, 3), Rounding.NEAREST_UP, Overflow.SATURATE)


def test_a_guard_inside_a_group_guards_what_would_be_the_sites_own_format() -> None:
    plan = overridden("conv.output=GUARD", options=PlanOptions())
    assert plan.sites["conv.output"] == Guard(OWN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv1.weight=EXACT", r"there is no site conv1\.weight; did you mean conv\.weight"),
        ("dense.wieght=EXACT", r"did you mean dense\.weight"),
        ("zzz*=EXACT", r"there is no site zzz\*; `bittrue inspect` lists the sites"),
        ("softmax.output=EXACT", r"site softmax\.output: EXACT is impossible.*GUARD, FLOAT or a format"),
        ("conv.accumulator=FLOAT", r"site conv\.accumulator: an accumulator is EXACT or has a format"),
        ("conv.accumulator=GUARD", r"site conv\.accumulator: GUARD is 16 fraction bits more.* this site has none"),
        ("conv.weight", "write NAME=SPEC"),
        ("=EXACT", "write NAME=SPEC"),
        ("conv.weight=", "write NAME=SPEC"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        overridden(text)


@pytest.mark.parametrize("spec", ["exact", "ap_fixed<8>", "8.4", "ap_fixed<8,4,AP_WRONG>", "ap_fixed<0,0>"])
def test_an_override_with_an_unknown_notation_is_refused(spec: str) -> None:
    with pytest.raises(FormatError, match=r"^site conv\.weight: "):
        overridden(f"conv.weight={spec}")


@pytest.mark.parametrize("field", ["batch_norm", "rounding_points", "softmax", "product"])
def test_an_option_has_its_choices(field: str) -> None:
    with pytest.raises(PlanError, match=rf"the option {field} is 'none'; it must be one of \w+"):
        PlanOptions(**{field: "none"})


def test_an_empty_word_is_refused() -> None:
    with pytest.raises(FormatError, match="word length of 0 bits"):
        uniform_plan(WHOLE.network, 0, 4)


def guarded(spec: Spec) -> Quantizer:
    assert isinstance(spec, Guard)
    return spec.quantizer


def test_a_guard_is_sixteen_bits_more_and_clips_nothing() -> None:
    own = Quantizer(FixedFormat(False, 8, -3), Rounding.TRUNCATE, Overflow.WRAP)
    expected = Quantizer(FixedFormat(False, 24, 13), Rounding.TRUNCATE, Overflow.UNBOUNDED)
    assert guarded(Guard(own)) == expected
