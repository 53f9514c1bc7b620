"""The simulation has the definition's bits: every step of every case under every plan (B3 to B14)."""

from collections import Counter

import pytest

from bittrue.lowering import lower_network
from bittrue.simulation.simulator import is_exact
from cases import CASES, inputs_of
from plans import ACCUMULATORS, PLANNED, Planned
from simulation.comparison import check


@pytest.mark.parametrize("planned", PLANNED, ids=lambda p: p.id)
def test_every_step_has_the_bits_of_the_definition(planned: Planned) -> None:
    program = lower_network(planned.case.network, planned.plan)
    assert check(program, inputs_of(planned.case)) is None
    assert is_exact(program)


def test_the_table_of_plans_is_what_it_claims() -> None:
    assert len({planned.id for planned in PLANNED}) == len(PLANNED)
    modes = Counter(planned.name for planned in PLANNED if planned.name.split(" ")[0].isupper())
    assert len(modes) == 7 * 5  # each rounding with each overflow mode, by one case or another
    assert min(modes.values()) >= len(CASES) // 5
    accumulators = Counter(
        planned.name
        for planned in PLANNED
        if planned.name.startswith("accumulator ") and " of windows " not in planned.name
    )
    assert len(accumulators) == 2 * len(ACCUMULATORS)  # each with exact and with quantized products
    assert min(accumulators.values()) >= 8
