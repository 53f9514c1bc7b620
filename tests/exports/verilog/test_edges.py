"""Ends of what a network and a plan may be: sizes of 1, windows as large as the image, words of 1 and 24 bits, binary
points far apart, every mode, names that Verilog has taken. In Icarus, with pauses at random at both ends (B1-B10)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from bittrue.exports.verilog.design import design_of
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.exports.verilog.simulators import ICARUS
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.operators import Add, AveragePooling, Concatenate, Flatten, MaxPooling
from bittrue.plan import Override, Plan, PlanOptions, uniform_plan
from cases import Case, Draft
from exports.verilog.sweep import job_of, through

OPTIONS = PlanOptions(batch_norm="affine", rounding_points="every-node")

NONE = ((0, 0), (0, 0))
"""No padding."""


def _one(draft: Draft) -> None:
    draft.convolution("conv", (1, 1), 1)
    draft.add("pool", MaxPooling((1, 1), (1, 1), NONE))
    draft.add("flatten", Flatten())
    draft.dense("dense", 1)


def _far_in_the_padding(draft: Draft) -> None:
    """The first windows and the last ones lie in the padding alone."""
    draft.convolution("conv", (2, 2), 3, padding=((2, 3), (3, 2)))


def _strided(draft: Draft) -> None:
    draft.convolution("conv", (2, 2), 3, strides=(3, 3))
    draft.add("pool", AveragePooling((1, 2), (2, 3), NONE))


def _three_added(draft: Draft) -> None:
    source = draft.last
    first = draft.dense("first", 3, source)
    second = draft.convolution("second", (3, 3), 3, source, padding=((1, 1), (1, 1)))
    draft.add("add", Add(), source, second, first)


def _of_several_lengths(draft: Draft) -> None:
    source = draft.last
    parts = [draft.dense(f"part{units}", units, source) for units in (1, 4, 2)]
    draft.add("all", Concatenate(2), *parts, source)


def _chain(draft: Draft) -> None:
    for place in range(len(MODES)):
        draft.dense(f"dense{place}", 3)


def _taken_names(draft: Draft) -> None:
    source = draft.last
    parts = [draft.dense(name, 2, source) for name in ("table", "reg", "größe", "gr__e", "clk", "out", "y", "_", "3")]
    draft.add("module", Concatenate(0), *parts)


MODES = tuple(product(Rounding, Overflow))

NETWORKS: Mapping[str, Case] = {
    case.name: case
    for case in (
        Case("one", (1, 1, 1), _one),
        Case("kernel-is-the-image", (4, 3, 2), lambda draft: draft.convolution("conv", (4, 3), 3)),
        Case("pool-is-the-image", (3, 4, 2), lambda draft: draft.add("pool", MaxPooling((3, 4), (3, 4), NONE))),
        Case("far-in-the-padding", (3, 3, 2), _far_in_the_padding),
        Case("stride-beyond-kernel", (8, 7, 2), _strided),
        Case("norm-alone", (2, 2, 3), lambda draft: draft.norm("norm")),
        Case("three-added", (3, 3, 3), _three_added),
        Case("several-lengths", (2, 2, 3), _of_several_lengths),
        Case("every-mode", (3,), _chain),
        Case("table", (3,), _taken_names),
    )
}


def uniform(word_length: int, fraction_bits: int, **options: object) -> Callable[[Case], Plan]:
    return lambda case: uniform_plan(case.network, word_length, fraction_bits, options=OPTIONS, **options)


def _each_mode(case: Case) -> Plan:
    """A layer for each pair of modes; what overflows in one is in range again behind the next."""
    plan = uniform_plan(case.network, 6, 3, options=OPTIONS)
    own = {
        f"dense{place}.output": Quantizer(FixedFormat(place % 3 > 0, 5, 2), *modes) for place, modes in enumerate(MODES)
    }
    return replace(plan, sites={**plan.sites, **own})


def _far_apart(output: str) -> Callable[[Case], Plan]:
    """Weights far below the numbers, a bias further below, an output anywhere: shifts of some thirty bits."""
    sites = {
        "conv.weight": "ap_fixed<8,-24,AP_RND_CONV,AP_SAT>",
        "conv.bias": "ap_fixed<8,-30,AP_RND_CONV,AP_SAT>",
        "conv.output": output,
    }
    overrides = [Override(*each) for each in sites.items()]
    return lambda case: uniform_plan(case.network, 9, 4, options=OPTIONS, overrides=overrides)


ROWS = [
    *((name, "8 bits", uniform(8, 4)) for name in NETWORKS if name != "every-mode"),
    ("three-added", "1 bit", uniform(1, 0)),
    ("several-lengths", "1 bit", uniform(1, 1)),
    ("three-added", "24 bits", uniform(24, 12)),
    ("kernel-is-the-image", "24 bits", uniform(24, 20)),
    ("kernel-is-the-image", "a shift to the right", _far_apart("ap_fixed<9,-12,AP_RND_CONV,AP_WRAP>")),
    ("kernel-is-the-image", "a shift to the left", _far_apart("ap_fixed<24,-36,AP_RND_INF,AP_SAT>")),
    ("kernel-is-the-image", "a shift far beyond", _far_apart("ap_ufixed<9,29,AP_RND_INF,AP_SAT_ZERO>")),
    ("every-mode", "each in a layer of its own", _each_mode),
]


@pytest.mark.parametrize(("name", "plan_of"), [(row[0], row[2]) for row in ROWS], ids=[f"{a}, {b}" for a, b, _ in ROWS])
def test_every_stream_has_the_codes_of_the_simulation(
    name: str, plan_of: Callable[[Case], Plan], tmp_path: Path
) -> None:
    case = NETWORKS[name]
    found = through(case, job_of(case, plan_of(case), VerilogOptions()), tmp_path, ICARUS, "+backpressure")
    assert found.mismatches == 0, found.first
    assert found.values > 0


def test_more_multipliers_than_products_are_not_made() -> None:
    case = NETWORKS["several-lengths"]
    options = VerilogOptions({"part4": 50, "part1": 3})
    design = design_of(job_of(case, uniform(8, 4)(case), options))
    assert {module.step.name: module.draft.multipliers for module in design.modules} == {
        "part1": 3,
        "part4": 12,
        "part2": 1,
        "all": 0,
    }
