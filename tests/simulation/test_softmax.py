"""Softmax beyond what the table of plans reaches: long codes, parts that overflow."""

from dataclasses import replace

import numpy as np
import pytest

from bittrue.lowering import lower_network
from bittrue.network import Parameter
from bittrue.operators import Dense, Softmax
from bittrue.plan import Override, PlanOptions, uniform_plan
from bittrue.simulation import simulator, softmax_table
from bittrue.simulation.simulator import Simulator
from cases import Case, Draft
from plans import AFFINE_EVERY_NODE
from simulation.comparison import check

TABLE = replace(AFFINE_EVERY_NODE, softmax="table")
EXACT = PlanOptions()


def _differences(draft: Draft) -> None:
    """(a, b) becomes (a + b, a)."""
    weight = np.array([[1, 1], [1, 0]], np.float32)
    draft.add("dense", Dense(Parameter("dense.weight", weight), None))
    draft.add("softmax", Softmax())


@pytest.mark.parametrize("options", [EXACT, replace(EXACT, softmax="table")], ids=["exact", "table"])
def test_a_softmax_of_codes_that_float64_does_not_hold(options: PlanOptions) -> None:
    """2^58 + 1 and 2^58 are one number in float64, and two for a softmax."""
    case = Case("differences", (2,), _differences)
    sites = ["image.output=ap_fixed<60,60>", "dense.weight=ap_fixed<2,2>", "dense.output=EXACT"]
    if options.softmax == "table":
        sites += ["softmax.difference=ap_ufixed<4,4,AP_TRN,AP_SAT>", "softmax.exp=ap_ufixed<9,1>"]
    overrides = [Override.parse(site) for site in sites]
    program = lower_network(case.network, uniform_plan(case.network, 12, 8, options=options, overrides=overrides))
    x = np.array([[2.0**58, 1], [2.0**58, 0], [2.0**58, -2]], np.float32)
    assert check(program, x) is None
    first, equal, second = Simulator(program).run(x).outputs
    assert first[0] > 0.7 > second[1] - 0.2 > 0.6
    assert equal[0] == equal[1]


def test_exponentials_whose_sum_int64_does_not_hold() -> None:
    case = Case("many", (1024,), lambda draft: draft.add("softmax", Softmax()))
    sites = [
        "softmax.exp=ap_ufixed<54,1>",
        "softmax.sum=ap_ufixed<20,12,AP_RND,AP_SAT>",
        "softmax.reciprocal=ap_ufixed<20,1>",
    ]
    overrides = [Override.parse(site) for site in sites]
    program = lower_network(case.network, uniform_plan(case.network, 12, 4, options=TABLE, overrides=overrides))
    x = np.zeros((1, 1024), np.float32)
    assert check(program, x) is None
    assert Simulator(program).run(x).outputs.tolist() == [[0.0] * 1024]  # 1/1024 at 4 fraction bits


def narrow_table() -> tuple[Case, list[Override]]:
    sites = [
        "softmax.difference=ap_ufixed<4,1,AP_TRN,AP_SAT>",
        "softmax.exp=ap_ufixed<5,0,AP_RND,AP_SAT>",
        "softmax.sum=ap_ufixed<5,1,AP_RND,AP_SAT>",
        "softmax.reciprocal=ap_ufixed<5,-1,AP_RND,AP_SAT>",
    ]
    case = Case("narrow table", (4,), lambda draft: draft.add("softmax", Softmax()))
    return case, [Override.parse(site) for site in sites]


@pytest.mark.parametrize("wide", [False, True])
def test_overflows_inside_the_table_are_counted(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """exp(0) = 1, sums of 2 and more, and reciprocals of 1 and more don't fit; nor do differences of 2 and more."""
    case, overrides = narrow_table()
    program = lower_network(case.network, uniform_plan(case.network, 8, 3, options=TABLE, overrides=overrides))
    x = np.array([[0, 0, 0, 0], [3, 0, -4, 2.875], [-1, -1.5, -1, -1]], np.float32)
    if wide:
        monkeypatch.setattr(simulator, "_on_torch", lambda *arguments: None)
    assert check(program, x) is None
    overflows = Simulator(program).run(x).overflows
    assert overflows["softmax.difference"] == 2
    assert overflows["softmax.exp"] == 4 + 1 + 3
    assert overflows["softmax.sum"] == 3
    assert overflows["softmax.reciprocal"] == 3


@pytest.mark.parametrize("name", ["count_overflows"])
def test_an_inner_overflow_that_is_not_counted_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, overrides = narrow_table()
    program = lower_network(case.network, uniform_plan(case.network, 8, 3, options=TABLE, overrides=overrides))
    monkeypatch.setattr(softmax_table, name, lambda codes, quantizer: 0)
    assert "overflows" in (check(program, np.zeros((1, 4), np.float32)) or "")
