"""The simulation has the definition's bits: every step of every case under every plan (B3 to B14)."""

from collections import Counter

import pytest

from bittrue.errors import CarrierError
from bittrue.lowering import lower_network
from bittrue.simulation.simulator import is_exact
from cases import CASES, inputs_of
from plans import PLANNED, Planned
from simulation.comparison import check

REFUSED = {
    # Products of 32 and 32 bits and biases of 64 need more than the 62 bits of int64 that are held exactly.
    "hardware 32": {
        *("conv", "conv-1x1", "conv-strides", "conv-dilation", "conv-groups", "conv-depthwise", "conv-asymmetric"),
        *("conv-no-bias", "conv1d", "conv1d-groups", "dense", "dense-wide", "dense-rank-3", "dense-no-bias"),
        *("norm", "norm-of-dense", "norm-no-gamma", "norm-neither", "norm-no-beta"),
        *("relu", "relu6", "leaky-relu", "relu-threshold", "relu-all", "relu-negative-slope"),
        *("sigmoid", "tanh", "softmax", "add", "add-to-itself"),
        *("concatenate-rows", "concatenate-columns", "concatenate-channels"),
        *("flatten", "reshape", "zero-padding", "identity", "shared", "residual", "whole"),
    },
    # A fused group multiplies an exact sum of 24 and 24 bits by a scale of 24.
    "hardware 24": {"norm-of-dense", "residual", "whole"},
    # 30 and 30 fraction bits, and the integer bits of a sum.
    "wide": {
        *("conv", "conv-strides", "conv-dilation", "conv-groups", "conv-depthwise", "conv-asymmetric"),
        *("conv-no-bias", "conv1d", "conv1d-groups", "dense", "dense-wide", "dense-rank-3", "dense-no-bias"),
        *("leaky-relu", "relu-threshold", "relu-all", "relu-negative-slope", "sigmoid", "tanh", "softmax"),
        *("add", "add-to-itself", "zero-padding", "identity", "residual", "whole"),
    },
}
"""Which plans no carrier holds, by name and case. A new refusal must be stated here; there are none among the rest."""


def refused(planned: Planned) -> bool:
    return planned.case.name in REFUSED.get(planned.name, ())


@pytest.mark.parametrize("planned", [planned for planned in PLANNED if not refused(planned)], ids=lambda p: p.id)
def test_every_step_has_the_bits_of_the_definition(planned: Planned) -> None:
    program = lower_network(planned.case.network, planned.plan)
    assert check(program, inputs_of(planned.case)) is None
    assert is_exact(program)


@pytest.mark.parametrize("planned", [planned for planned in PLANNED if refused(planned)], ids=lambda p: p.id)
def test_what_no_carrier_holds_is_refused_by_the_name_of_its_site(planned: Planned) -> None:
    with pytest.raises(CarrierError, match=r"^site \w+\.(output|bias|offset): .* bits"):
        lower_network(planned.case.network, planned.plan)


def test_the_table_of_plans_is_what_it_claims() -> None:
    assert set(REFUSED) <= {planned.name for planned in PLANNED}
    assert len({planned.id for planned in PLANNED}) == len(PLANNED)
    modes = Counter(planned.name for planned in PLANNED if planned.name.split(" ")[0].isupper())
    assert len(modes) == 7 * 5  # each rounding with each overflow mode, by one case or another
    assert min(modes.values()) >= len(CASES) // 5
