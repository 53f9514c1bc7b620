"""Modules of functions of one code: a table with an entry for each code that can come in (B8)."""

from bittrue.analysis.cost.hardware import Operand
from bittrue.exports.function_tables import table_of
from bittrue.exports.verilog.draft import Draft, literal
from bittrue.exports.verilog.flow import Flow
from bittrue.exports.verilog.table import computes_one_code
from bittrue.program import Lookup, Step


@computes_one_code(Lookup)
def lookup(instruction: Lookup, step: Step, draft: Draft, x: Flow) -> Flow:
    quantizer = step.rounds_with
    table = table_of(instruction.function, quantizer, x.low, x.high, x.fraction_bits, f"node {step.name}")
    low, high = int(table.min()), int(table.max())
    entries, period = table.shape
    if period & (period - 1):
        # The place of an entry.
        draft.multiply(Operand(x.width, signed=False), Operand(period.bit_length(), signed=False))
    width = max(draft.word_length(step, "table", table), quantizer.format.word_length)
    word = draft.fresh("entry")
    y = draft.flow("looked_up", quantizer.format.fraction_bits, low, high)
    draft.line(f"logic [{width - 1}:0] {word};")
    draft.line(f"assign {y.data} = {f'$signed({word})' if low < 0 else f'$signed({{1{chr(39)}b0, {word}}})'};")
    parameters = {
        "IN_WIDTH": x.width,
        "WIDTH": width,
        "ENTRIES": entries,
        "PERIOD": period,
        "LOW": literal(x.low, x.width),
        "TABLE": draft.memory(step, "table", table.reshape(-1), width),
    }
    return draft.stage("lookup", parameters, x, y, out_data=word)
