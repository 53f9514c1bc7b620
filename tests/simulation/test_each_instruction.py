"""A case of each instruction against the definition, for `make quick`; `test_against_definition.py` has all of them."""

from bittrue.lowering import lower_network
from bittrue.program import Bypass, Instruction
from cases import inputs_of
from plans import PLANNED
from simulation.comparison import check
from test_rule_matrix import rows

NAMES = ("hardware 8", "study 8", "softmax table hardware", "norm table hardware")


def test_each_instruction_has_the_bits_of_the_definition() -> None:
    pending = rows(Instruction) - {Bypass}  # which is computed in float32, see test_float_sites
    for planned in sorted((one for one in PLANNED if one.name in NAMES), key=lambda one: NAMES.index(one.name)):
        program = lower_network(planned.case.network, planned.plan)
        new = {type(step.instruction) for step in program.steps} & pending
        if new:
            assert check(program, inputs_of(planned.case)) is None, planned.id
            pending -= new
    assert pending == set()
