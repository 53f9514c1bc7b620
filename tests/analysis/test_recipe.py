"""Which recipe follows from which bits, and that every option overrides its part."""

from pathlib import Path
from typing import Any

import pytest

from analysis.networks import convolutional, random_images
from bittrue.analysis.asked import sweep_rows
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.recipe import HARDWARE, STUDY, UNIFORM, Recipe, choose_recipe
from bittrue.errors import FormatError, PlanError
from bittrue.fixed import Overflow, Rounding
from bittrue.plan import Override, PlanOptions, WordLengths, plan_from_ranges, study_plan, uniform_plan


@pytest.mark.parametrize(
    ("word_length", "fraction_bits", "name", "expected"),
    [
        (False, True, None, STUDY),
        (True, False, None, HARDWARE),
        (True, True, None, UNIFORM),
        (True, True, "study", STUDY),
        (False, True, "study", STUDY),
        (True, False, "hardware", HARDWARE),
        (True, True, "uniform", UNIFORM),
    ],
)
def test_the_bits_choose_the_recipe(word_length: bool, fraction_bits: bool, name: str | None, expected: Recipe) -> None:
    assert choose_recipe(word_length=word_length, fraction_bits=fraction_bits, recipe=name) == expected


@pytest.mark.parametrize(
    ("word_length", "fraction_bits", "name", "message"),
    [
        (False, False, None, "give --fraction-bits, --word-length"),
        (True, False, "study", "study needs --fraction-bits"),
        (False, True, "hardware", "give --word-length alone"),
        (True, True, "hardware", "give --word-length alone"),
        (True, False, "uniform", "uniform needs --fraction-bits"),
        (False, True, "uniform", "uniform needs --word-length"),
        (False, True, "cooking", "choose one of study, hardware, uniform"),
    ],
)
def test_bits_that_a_recipe_has_no_use_for(
    word_length: bool, fraction_bits: bool, name: str | None, message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        choose_recipe(word_length=word_length, fraction_bits=fraction_bits, recipe=name)


@pytest.mark.parametrize(
    ("option", "value", "part"),
    [
        ("rounding", Rounding.FLOOR, {"rounding": Rounding.FLOOR}),
        ("overflow", Overflow.WRAP, {"overflow": Overflow.WRAP}),
        ("batch_norm", "affine", {"options": PlanOptions("affine", "every-node")}),
        ("rounding_points", "fused", {"options": PlanOptions("raw", "fused")}),
        ("softmax", "table", {"options": PlanOptions("raw", "every-node", softmax="table")}),
        ("layer_norm", "table", {"options": PlanOptions("raw", "every-node", layer_norm="table")}),
        ("product", "quantized", {"options": PlanOptions("raw", "every-node", product="quantized")}),
    ],
)
def test_an_option_overrides_its_part(option: str, value: Any, part: dict[str, Any]) -> None:
    recipe = choose_recipe(word_length=False, fraction_bits=True, **{option: value})
    expected = {"options": STUDY.options, "rounding": STUDY.rounding, "overflow": STUDY.overflow} | part
    assert recipe == Recipe("study", **expected)


def test_a_choice_that_does_not_exist() -> None:
    with pytest.raises(PlanError, match="rounding_points"):
        choose_recipe(word_length=True, fraction_bits=False, rounding_points="nowhere")
    with pytest.raises(PlanError, match="--per-channel"):
        choose_recipe(word_length=False, fraction_bits=True, per_channel=True)
    with pytest.raises(PlanError, match="--point is about binary points from ranges"):
        choose_recipe(word_length=False, fraction_bits=True, point="least-squares")
    with pytest.raises(PlanError, match="choose one of range, least-squares"):
        choose_recipe(word_length=True, fraction_bits=False, point="nearest")


def test_the_plans_are_those_of_the_plan_package(tmp_path: Path) -> None:
    network = convolutional()
    ranges = measure_ranges(network, random_images(tmp_path))
    assert STUDY.plan_for(network, fraction_bits=5) == study_plan(network, 5)
    assert STUDY.plan_for(network, fraction_bits=5, word_length=9) == study_plan(network, 5, word_length=9)
    assert UNIFORM.plan_for(network, fraction_bits=5, word_length=9) == uniform_plan(network, 9, 5)
    assert HARDWARE.plan_for(network, ranges, word_length=8) == plan_from_ranges(network, ranges, 8)
    override = Override("softmax.output", "FLOAT")
    recipe = choose_recipe(
        word_length=True, fraction_bits=False, rounding=Rounding.FLOOR, per_channel=True, overrides=[override]
    )
    assert recipe.plan_for(network, ranges, word_length=8) == plan_from_ranges(
        network, ranges, 8, rounding=Rounding.FLOOR, per_channel=True, overrides=[override]
    )


def test_word_lengths_by_kind_and_least_squares(tmp_path: Path) -> None:
    network = convolutional()
    ranges = measure_ranges(network, random_images(tmp_path))
    words = WordLengths(4, 6)
    recipe = choose_recipe(word_length=True, fraction_bits=False, point="least-squares")
    plan = recipe.plan_for(network, ranges, word_length=words)
    assert plan == plan_from_ranges(network, ranges, words, point="least-squares")
    assert plan != plan_from_ranges(network, ranges, words)
    rows = sweep_rows(network, word_length=[words, WordLengths(5, 6)], ranges=ranges)
    assert [row.name for row in rows] == ["W4A6", "W5A6"]
    assert rows[0].plan == plan_from_ranges(network, ranges, words)
    for recipe in (STUDY, UNIFORM):
        with pytest.raises(PlanError, match="one word length at every site: leave --weights"):
            recipe.plan_for(network, fraction_bits=5, word_length=words)


def test_what_a_plan_lacks(tmp_path: Path) -> None:
    network = convolutional()
    assert HARDWARE.needs_ranges
    assert not STUDY.needs_ranges
    with pytest.raises(PlanError, match="measure them with"):
        HARDWARE.plan_for(network, word_length=8)
    with pytest.raises(PlanError, match="needs --fraction-bits"):
        STUDY.plan_for(network)
    with pytest.raises(FormatError):
        STUDY.plan_for(network, fraction_bits=3, word_length=0)
