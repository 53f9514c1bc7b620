"""Modules of sums of products with trained weights: convolutions over rows and columns, and dense layers (B6)."""

from math import prod

import numpy as np

from bittrue.analysis.cost.hardware import Operand
from bittrue.exports.verilog.draft import CLOCK, Draft, Parameter, Products, entering
from bittrue.exports.verilog.engine import Engine
from bittrue.exports.verilog.flow import Flow, bounds_of
from bittrue.exports.verilog.layer import Layer
from bittrue.exports.verilog.rounding import OVERFLOWS, ROUNDINGS, requantized
from bittrue.exports.verilog.table import export_verilog, finish
from bittrue.fixed import Quantizer, requantize
from bittrue.program import MultiplyAccumulate


@export_verilog.rule(MultiplyAccumulate)
def multiply_accumulate(instruction: MultiplyAccumulate, draft: Draft) -> None:
    layer = Layer(draft.step, instruction, draft.shapes[0], draft.sources[0].type)
    engine, windows, quantizer = draft.engine, layer.windows, layer.quantizer
    outputs = layer.outputs
    blocks = -(-outputs // engine.lanes)
    taps = prod(windows.kernel) * layer.inner
    draft.needed.append(windows.needed(outputs))
    draft.cycles = layer.cycles(engine)
    draft.late[0] = windows.late
    draft.spare[0] = windows.spare
    side = engine.words if engine.terms == 1 else 1
    word = windows.instance(
        draft,
        blocks=blocks,
        blocks_a_group=blocks // (instruction.groups // side),
        inner=layer.inner // engine.terms,
        words=engine.words,
    )
    weights = instruction.weight.reshape(taps, outputs)
    alignments = np.array([max(instruction.weight_fraction_bits) - own for own in instruction.weight_fraction_bits])
    if quantizer is not None and alignments.any():
        # Each sum is rounded on its way, so its products must have one binary point from the start.
        weights = weights.astype(object) << alignments.astype(object)
    low, high = bounds_of(draft.sources[0].type, draft.step)
    product_bits = draft.sources[0].type.binary_point + max(instruction.weight_fraction_bits)
    width = draft.word_length(draft.step, "weight", weights)
    lines = _lines(weights, engine)
    signed = bool(int(weights.min()) < 0)
    draft.products.append(Products(engine.multipliers, word.operand, Operand(width, signed), shared_out=True))
    parameters: dict[str, Parameter] = {
        "IN_WIDTH": word.width,
        "IN_SIGNED": int(word.signed),
        "WEIGHT_WIDTH": width,
        "WEIGHT_SIGNED": int(signed),
        "LANES": engine.lanes,
        "WORDS": engine.words,
        "TERMS": engine.terms,
        "TAPS": taps // engine.terms,
        "BLOCKS": blocks,
        "OUTPUTS": outputs,
        "WEIGHTS": draft.memory(draft.step, "weight", lines, width, lines.size - weights.size),
    }
    if quantizer is None:
        most = int(np.abs(weights.astype(object)).sum(axis=0).max()) * max(-low, high)
        sums = draft.flow("sum", product_bits, -most, most)
    else:
        # A bit more than the code, which may have no sign.
        word_length = quantizer.format.word_length
        sums = draft.flow("sum", quantizer.format.fraction_bits, -1 << word_length, (1 << word_length) - 1)
        parameters |= _quantized(instruction, draft, quantizer, product_bits, sums.width)
    parameters |= {"SUM_WIDTH": sums.width}
    flags = {f"in_{name}": f"tap_{name}" for name in ("first", "last")}
    ports = CLOCK | entering("tap", "in") | flags | entering(sums.name, "out")
    draft.instance("multiply_accumulate", parameters, ports)
    if quantizer is None:
        finish(draft, _biased(instruction, draft, sums, alignments))
    else:
        ends = quantizer.min_code, quantizer.max_code
        finish(draft, draft.renamed(sums, "total", sums.data, quantizer.format.fraction_bits, *ends))


def _lines(weights: np.ndarray, engine: Engine) -> np.ndarray:
    """Weights of shape (taps, outputs) as lines of the memory, (blocks · taps / terms, lanes · terms); lanes that the
    last block hasn't are 0."""
    taps, outputs = weights.shape
    lanes, terms = engine.lanes, engine.terms
    padded = np.zeros((taps, -(-outputs // lanes) * lanes), weights.dtype)
    padded[:, :outputs] = weights
    split = padded.reshape(taps // terms, terms, -1, lanes)
    return split.transpose(2, 0, 3, 1).reshape(-1, lanes * terms)


def _quantized(
    instruction: MultiplyAccumulate,
    draft: Draft,
    quantizer: Quantizer,
    product_bits: int,
    sum_width: int,
) -> dict[str, Parameter]:
    """What a sum that is quantized after each product has, too: its format, and the codes that it starts from."""
    outputs = instruction.weight.shape[-1]
    starts = np.zeros(outputs, object)
    if instruction.bias is not None:
        bits = instruction.bias_fraction_bits
        starts = np.array([requantize(int(code), bits, quantizer) for code in instruction.bias], object)
    lines = _lines(starts[None, :], draft.engine)
    return {
        "QUANTIZED": 1,
        "QUANTIZED_PRODUCTS": int(instruction.quantized_products),
        "PRODUCT_FRACTION": product_bits,
        "CODE_WIDTH": quantizer.format.word_length,
        "CODE_SIGNED": int(quantizer.format.signed),
        "CODE_FRACTION": quantizer.format.fraction_bits,
        "ROUNDING": ROUNDINGS[quantizer.rounding],
        "OVERFLOW": OVERFLOWS[quantizer.overflow],
        "STARTS": draft.memory(draft.step, "starts", lines, sum_width, lines.size - outputs),
    }


def _biased(instruction: MultiplyAccumulate, draft: Draft, sums: Flow, alignments: np.ndarray) -> Flow:
    """An exact sum, its channels aligned, with its bias; by the accumulator's quantizer where there is one."""
    if instruction.bias is None and not alignments.any():
        return requantized(draft, sums, instruction.accumulator)
    outputs = instruction.weight.shape[-1]
    bias = np.zeros(1, np.int64) if instruction.bias is None else instruction.bias
    bits = sums.fraction_bits
    bias_bits = bits if instruction.bias is None else instruction.bias_fraction_bits
    finest = max(bits, bias_bits)
    most = sums.high << int(alignments.max()) + finest - bits
    low, high = (int(end) << finest - bias_bits for end in (bias.min(), bias.max()))
    y = draft.flow("biased", finest, low - most, high + most)
    width = draft.word_length(draft.step, "bias", bias)
    parameters: dict[str, Parameter] = {
        "IN_WIDTH": sums.width,
        "OUT_WIDTH": y.width,
        "BIAS_WIDTH": width,
        "BIAS_SIGNED": int(int(bias.min()) < 0),
        "SHIFT": finest - bits,
        "BIAS_SHIFT": finest - bias_bits,
        "CHANNELS": outputs,
        "BIASES": draft.memory(draft.step, "bias", np.broadcast_to(bias, (outputs,)), width),
    }
    if alignments.any():
        shifts = int(alignments.max()).bit_length()
        table = np.broadcast_to(alignments, (outputs,))
        parameters |= {
            "ALIGNED": 1,
            "ALIGNMENT_WIDTH": shifts,
            "ALIGNMENTS": draft.memory(draft.step, "alignment", table, shifts),
        }
    draft.stage("bias", parameters, sums, y)
    return requantized(draft, y, instruction.accumulator)
