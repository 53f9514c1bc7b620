"""C of softmax in table form: difference, exponential, sum, reciprocal, product, each in its own format (B9)."""

from math import prod

import numpy as np

from bittrue.exports.c.draft import Constant, Draft, Number
from bittrue.exports.c.functions import entry
from bittrue.exports.c.integers import literal
from bittrue.exports.c.quantization import divided, requantized
from bittrue.exports.c.table import export_c, finish
from bittrue.exports.function_tables import table_of
from bittrue.program import LogSoftmax, Softmax, SoftmaxTable
from bittrue.program.functions import Exp

_NO_INTEGERS = "its exponentials have no integer form; stop before it with --until, or plan with --softmax table"
export_c.unsupported(Softmax, reason=_NO_INTEGERS)
export_c.unsupported(LogSoftmax, reason="its logarithm has no integer form; stop before it with --until")


@export_c.rule(SoftmaxTable)
def softmax_table(instruction: SoftmaxTable, draft: Draft) -> None:
    step = draft.step
    length = step.type.shape[-1]
    x = draft.code(0, "row + j")
    # The largest code is the one with the difference 0, so the differences reach from 0 to the whole range.
    reach = Number("largest", x.fraction_bits, 0, x.high - x.low)
    trial = Draft(draft.names, draft.steps, draft.inputs)  # nobody reads it: the bounds alone are wanted
    differences = requantized(trial, reach, instruction.difference)
    bits = instruction.difference.format.fraction_bits
    exps = table_of(Exp(), instruction.exp, -differences.high, -differences.low, bits, f"node {step.name}")[::-1, 0]
    exp_bits = instruction.exp.format.fraction_bits
    low, high = int(exps.min()), int(exps.max())
    kind = draft.type_for(low, high)
    total_kind = draft.type_for(length * min(low, 0), length * max(high, 0))
    mask = None if instruction.mask is None else draft.constant(step, "mask", instruction.mask.astype(np.int64))
    draft.line(f"static {kind} exps[{length}];")
    with draft.loop("r", prod(step.type.shape[:-1])):
        draft.line(f"const int32_t row = r * {length};")
        draft.line(f"{draft.type_for(x.low, x.high)} largest = {literal(x.low)};")
        draft.line(f"{total_kind} sum = 0;")
        with draft.loop("j", length), draft.block(f"if ({_taken(mask)}{x.text} > largest)"):
            draft.line(f"largest = {x.text};")
        with draft.loop("j", length):
            if mask is not None:
                with draft.block(f"if (!{mask.name}[row + j])"):
                    draft.line("exps[j] = 0;")
                    draft.line("continue;")
            wide = draft.type_for(x.low, x.high, reach.high)
            below = draft.variable(f"({wide})largest - ({wide}){x.text}", x.fraction_bits, 0, reach.high)
            difference = requantized(draft, below, instruction.difference)
            draft.line(f"exps[j] = {entry(draft, step, 'exps', exps, difference, exp_bits).text};")
            draft.line("sum += exps[j];")
        ends = length * min(low, 0), length * max(high, 0)
        total = requantized(draft, Number("sum", exp_bits, *ends), instruction.sum)
        reciprocal = divided(draft, Number("1", 0, 1, 1), total, instruction.reciprocal)
        with draft.loop("j", length):
            finish(draft, "row + j", draft.times(Number("exps[j]", exp_bits, min(low, 0), high), reciprocal))


def _taken(mask: Constant | None) -> str:
    return "" if mask is None else f"{mask.name}[row + j] && "
