"""C of functions of one code: a constant table with an entry for each code that can come in (B8)."""

import numpy as np

from bittrue.exports.c.draft import Draft, Number
from bittrue.exports.c.integers import literal
from bittrue.exports.c.table import computes_one_code
from bittrue.exports.function_tables import table_of
from bittrue.program import Lookup, Step


@computes_one_code(Lookup)
def lookup(instruction: Lookup, step: Step, draft: Draft, x: Number, index: str) -> Number:
    quantizer = step.rounds_with
    table = table_of(instruction.function, quantizer, x.low, x.high, x.fraction_bits, f"node {step.name}")
    if table.shape[1] == 1:
        return entry(draft, step, "table", table[:, 0], x, quantizer.format.fraction_bits)
    channels = step.type.shape[-1]
    place = f"({_offset(draft, x)}) * {channels} + {index} % {channels}"
    return _read(draft, step, "table", table.reshape(-1), place, quantizer.format.fraction_bits)


def entry(draft: Draft, step: Step, role: str, table: np.ndarray, x: Number, fraction_bits: int) -> Number:
    """The entry of a table for the code x, of which the first is for the least code that x can be."""
    return _read(draft, step, role, table, _offset(draft, x), fraction_bits)


def _read(draft: Draft, step: Step, role: str, table: np.ndarray, place: str, fraction_bits: int) -> Number:
    found = draft.element(step, role, table, place, fraction_bits)
    return draft.variable(found.text, fraction_bits, found.low, found.high)


def _offset(draft: Draft, x: Number) -> str:
    kind = draft.type_for(x.low, x.high, x.high - x.low)
    return f"{x.to(kind)} - {literal(x.low)}" if x.low else x.text
