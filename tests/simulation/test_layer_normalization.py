"""Layer normalization: ties are decided exactly."""

import numpy as np
import pytest

from bittrue.fixed import Rounding
from bittrue.lowering import lower_network
from bittrue.network import Parameter
from bittrue.operators import LayerNormalization
from bittrue.plan import Override, uniform_plan
from bittrue.simulation import layer_normalization
from cases import Case
from simulation.comparison import check


def tied_norm(gamma: float, beta: float) -> Case:
    """Rows of a variance of 1, to which 3 is added: halves of gamma."""
    parameters = (
        Parameter(f"node.{role}", np.full(4, value, np.float32)) for role, value in (("g", gamma), ("b", beta))
    )
    return Case("tied", (2, 4), lambda draft: draft.add("node", LayerNormalization(*parameters, 3.0)))


TIED = np.array([[[1, 3, 1, 3], [5, 5, 5, 5]], [[-7, -5, -5, -7], [0, 0, 0, 0]]], np.float32)


@pytest.mark.parametrize("rounding", Rounding)
def test_ties_of_a_layer_normalization(rounding: Rounding) -> None:
    case = tied_norm(1.0, 1.5)
    overrides = [Override("node.output", "ap_fixed<12,12>"), Override("node.b", "ap_fixed<8,6>")]
    program = lower_network(case.network, uniform_plan(case.network, 12, 2, rounding=rounding, overrides=overrides))
    assert check(program, TIED) is None


def test_a_tie_that_is_not_decided_exactly_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    case = tied_norm(1.0, 0.0)
    overrides = [Override("node.output", "ap_fixed<12,12,AP_RND,AP_SAT>")]
    program = lower_network(case.network, uniform_plan(case.network, 12, 2, overrides=overrides))
    assert check(program, TIED) is None
    monkeypatch.setattr(layer_normalization.RowNorm, "code", lambda self, row, index, radicand: 0)
    assert check(program, TIED) is not None
