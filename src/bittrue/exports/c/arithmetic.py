"""C of arithmetic between values: sums, products, quotients and extrema of tensors (B6, B10)."""

from functools import reduce
from math import prod

from bittrue.exports.c.accumulation import Accumulation
from bittrue.exports.c.broadcasting import place_of
from bittrue.exports.c.draft import Draft, Number, in_type
from bittrue.exports.c.quantization import divided
from bittrue.exports.c.table import export_c, finish, finish_rounded
from bittrue.program import Add, Divide, Extremum, MultiplyTensors


def _operands(draft: Draft, index: str) -> list[Number]:
    """The inputs' codes at the place of the result's flat `index`."""
    shape = draft.step.type.shape
    return [draft.code(place, place_of(kind.shape, shape, index)) for place, kind in enumerate(draft.inputs)]


@export_c.rule(Add)
def add(instruction: Add, draft: Draft) -> None:
    with draft.loop("i", draft.size):
        total = reduce(lambda x, y: draft.plus(x, y), _operands(draft, "i"))
        finish(draft, "i", total)


@export_c.rule(Extremum)
def extremum(instruction: Extremum, draft: Draft) -> None:
    choose, sign = (max, ">") if instruction.largest else (min, "<")

    def larger(x: Number, y: Number) -> Number:
        low, high = choose(x.low, y.low), choose(x.high, y.high)
        kind = draft.type_for(x.low, x.high, y.low, y.high)
        chosen = f"{x.to(kind)} {sign} {y.to(kind)} ? {x.to(kind)} : {y.to(kind)}"
        return draft.variable(in_type(chosen, kind, low, high), x.fraction_bits, low, high)

    with draft.loop("i", draft.size):
        operands = _operands(draft, "i")
        bits = max(operand.fraction_bits for operand in operands)
        finish(draft, "i", reduce(larger, [draft.shifted(operand, bits) for operand in operands]))


@export_c.rule(MultiplyTensors)
def multiply_tensors(instruction: MultiplyTensors, draft: Draft) -> None:
    if instruction.matrices:
        _matrix_product(instruction, draft)
        return
    with draft.loop("i", draft.size):
        finish(draft, "i", draft.times(*_operands(draft, "i")))


def _matrix_product(instruction: MultiplyTensors, draft: Draft) -> None:
    left, right = draft.inputs
    *leading, rows, columns = draft.step.type.shape
    inner = left.shape[-1]
    x, w = draft.code(0, "a + k"), draft.code(1, f"b + k * {columns}")
    bits = x.fraction_bits + w.fraction_bits
    most = inner * max(-x.low, x.high) * max(-w.low, w.high)
    first, one = draft.zero(bits), Number("1", 0, 1, 1)
    quantizer = instruction.accumulator
    total = Accumulation(draft, bits, bits, most, inner, quantizer, instruction.quantized_products)
    with draft.loop("m", prod(leading)), draft.loop("r", rows), draft.loop("c", columns):
        before_left, before_right = (place_of(kind.shape[:-2], tuple(leading), "m") for kind in (left, right))
        draft.line(f"const int32_t a = ({before_left}) * {rows * inner} + r * {inner};")
        draft.line(f"const int32_t b = ({before_right}) * {inner * columns} + c;")
        total.begin(first)
        with draft.loop("k", inner):
            total.add(x, w, one, first)
        finish(draft, f"(m * {rows} + r) * {columns} + c", total.end(one, first))


@export_c.rule(Divide)
def divide(instruction: Divide, draft: Draft) -> None:
    shape = draft.step.type.shape
    with draft.loop("i", draft.size):
        x = draft.code(0, place_of(draft.inputs[0].shape, shape, "i"))
        if instruction.divisor is None:
            d = draft.code(1, place_of(draft.inputs[1].shape, shape, "i"))
            if d.low <= 0 <= d.high:
                draft.can_fail = True
                with draft.block(f"if ({d.text} == 0)"):
                    draft.line("return 1;")
        else:
            place = place_of(instruction.divisor.shape, shape, "i")
            d = draft.element(draft.step, "divisor", instruction.divisor, place, instruction.divisor_fraction_bits)
        if d.low < 0:  # where the divisor is below 0, both change their signs
            x, d = _negated_below_zero(draft, x, d), _negated_below_zero(draft, d, d)
        finish_rounded(draft, "i", divided(draft, x, d, draft.step.rounds_with))


def _negated_below_zero(draft: Draft, number: Number, sign: Number) -> Number:
    low, high = min(number.low, -number.high), max(number.high, -number.low)
    kind = draft.type_for(low, high)
    low = max(low, 0) if number is sign else low
    chosen = f"{sign.text} < 0 ? -{number.to(kind)} : {number.to(kind)}"
    return draft.variable(chosen, number.fraction_bits, low, high)
