"""C of layer normalization with a table of reciprocal roots, each part in its own format (B9)."""

from fractions import Fraction
from math import prod

import numpy as np

from bittrue.errors import CarrierError
from bittrue.exports.c.draft import Draft, Number
from bittrue.exports.c.functions import entry
from bittrue.exports.c.quantization import divided, requantized
from bittrue.exports.c.table import export_c, finish
from bittrue.exports.function_tables import LARGEST_INPUT
from bittrue.fixed import decode, overflow_code
from bittrue.fixed.surd import round_surd
from bittrue.program import Normalize, NormalizeTable

export_c.unsupported(
    Normalize, reason="its root has no integer form; stop before it with --until, or plan with --layer-norm table"
)


@export_c.rule(NormalizeTable)
def normalize_table(instruction: NormalizeTable, draft: Draft) -> None:
    step = draft.step
    count = prod(step.type.shape[-instruction.axes :])
    x = draft.code(0, "row + j")
    size = Number(str(count), 0, count, count)
    wide = draft.type_for(count * x.low, count * x.high)
    with draft.loop("r", prod(step.type.shape) // count):
        draft.line(f"const int32_t row = r * {count};")
        draft.line(f"{wide} sum = 0;")
        with draft.loop("j", count):
            draft.line(f"sum += {x.text};")
        total = Number("sum", x.fraction_bits, count * min(x.low, 0), count * max(x.high, 0))
        mean = divided(draft, total, size, instruction.mean)
        # A difference is computed where it is wanted, twice, so that no row is held.
        minus_mean = Number(f"(-{mean.text})", mean.fraction_bits, -mean.high, -mean.low)
        reach = _difference_reach(draft, x, minus_mean, instruction)
        squares = count * max(abs(reach.low), abs(reach.high)) ** 2
        draft.line(f"{draft.type_for(squares)} squares = 0;")
        with draft.loop("j", count):
            difference = requantized(draft, draft.plus(x, minus_mean), instruction.difference)
            square = draft.times(difference, difference)
            draft.line(f"squares += {square.text};")
        spread = Number("squares", 2 * instruction.difference.format.fraction_bits, 0, squares)
        variance = divided(draft, spread, size, instruction.variance)
        factor = _reciprocal_root(instruction, draft, variance)
        with draft.loop("j", count):
            difference = requantized(draft, draft.plus(x, minus_mean), instruction.difference)
            product = requantized(draft, draft.times(difference, factor), instruction.normalized)
            if instruction.gamma is not None:
                bits = instruction.gamma_fraction_bits
                product = draft.times(product, draft.element(step, "gamma", instruction.gamma, "j", bits))
            if instruction.beta is not None:
                bits = instruction.beta_fraction_bits
                product = draft.plus(product, draft.element(step, "beta", instruction.beta, "j", bits))
            finish(draft, "row + j", product)


def _difference_reach(draft: Draft, x: Number, minus_mean: Number, instruction: NormalizeTable) -> Number:
    """What a quantized difference lies between, found in a draft of its own that nobody reads."""
    trial = Draft(draft.names, draft.steps, draft.inputs)
    return requantized(trial, trial.plus(x, minus_mean), instruction.difference)


def _reciprocal_root(instruction: NormalizeTable, draft: Draft, variance: Number) -> Number:
    quantizer = instruction.reciprocal_root
    codes = range(variance.low, variance.high + 1)
    if len(codes) > LARGEST_INPUT:
        raise CarrierError(
            f"site {draft.step.name}.variance: a table of reciprocal roots with an entry for each of {len(codes):,} "
            "variances is too large; give it 16 bits or fewer."
        )
    bits = quantizer.format.fraction_bits
    numbers = [decode(code, variance.fraction_bits) + instruction.epsilon for code in codes]
    roots = [round_surd(Fraction(0), Fraction(1), number, bits, quantizer.rounding) for number in numbers]
    table = np.array([overflow_code(root, quantizer) for root in roots], object)
    return entry(draft, draft.step, "roots", table, variance, bits)
