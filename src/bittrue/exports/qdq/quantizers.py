"""QuantizeLinear and DequantizeLinear for a site's quantizer and for constants.

QuantizeLinear divides float32 by float32, rounds to the nearest with ties to even, and saturates at the ends of its
type: 8 bits, or 16 from operator set 21 on. A word of fewer than 8 bits, and one without its lowest code, is 8 bits
whose codes a Clip limits, as Brevitas writes it (QCDQ). onnxruntime clips no codes of 16 bits.
"""

import numpy as np

from bittrue.exports.onnx.constants import require_scales, stored, values_of
from bittrue.exports.onnx.graph import FLOAT32, Constant, Dialect, Exact, Graph, Value, in_file, refused
from bittrue.exports.onnx.overflow import rounded_codes, saturating
from bittrue.fixed import FixedFormat, Quantizer, Rounding, word_length_between
from bittrue.fixed.integers import extremes
from bittrue.program import Step

LARGEST_WORD = 16

_INT32 = FixedFormat(True, 32, 0)


def _quantized(graph: Graph, step: Step, exact: Exact) -> Value:
    quantizer = saturating(graph, step, exact, step.rounds_with)
    site = step.site or step.name
    _require_ties_to_even(graph, step, quantizer)
    format = quantizer.format
    if format.word_length > LARGEST_WORD:
        what = f"has words of 16 bits at most, and {site} has {format.word_length}"
        raise refused(graph, step, what, f"give {site} 16 bits or fewer")
    bits = 8 if format.word_length <= 8 else 16
    limits = np.iinfo(f"{'' if format.signed else 'u'}int{bits}")
    shape, kind = in_file(step.type.shape, exact.first), step.type
    scale, zero = _scale_and_zero(graph, site, format.fraction_bits, limits.dtype)
    codes = f"{site}.codes"
    graph.add("QuantizeLinear", f"{step.name}_quantize", [exact.tensor, scale, zero], codes, shape, limits.dtype.name)
    if (quantizer.min_code, quantizer.max_code) != (limits.min, limits.max):
        reached = rounded_codes(exact, quantizer)
        beyond = reached is None or reached[0] < quantizer.min_code or reached[1] > quantizer.max_code
        if beyond and bits == 16:
            what = f"clips no codes of 16 bits, and {site} has {quantizer.min_code} … {quantizer.max_code}"
            raise refused(graph, step, what, f"give {site} 16 bits, or 8 or fewer, and SATURATE")
        if beyond or bits == 8:
            codes = _clipped(graph, codes, quantizer, limits.dtype, f"{step.name}_clip", shape)
    graph.add("DequantizeLinear", f"{step.name}_dequantize", [codes, scale, zero], site, shape)
    return Value(site, kind.shape, kind.binary_point, kind.low or 0, kind.high or 0, exact.first)


def _require_ties_to_even(graph: Graph, step: Step, quantizer: Quantizer) -> None:
    nothing_rounded = step.is_dyadic and step.exact.binary_point <= quantizer.format.fraction_bits
    if quantizer.rounding is not Rounding.NEAREST_EVEN and not nothing_rounded:
        what = f"rounds to the nearest alone, ties to even, and not {quantizer.rounding.value}"
        raise refused(graph, step, what, f"give {step.site or step.name} NEAREST_EVEN")


def _clipped(
    graph: Graph,
    codes: str,
    quantizer: Quantizer,
    dtype: np.dtype[np.generic],
    name: str,
    shape: tuple[int, ...],
    *,
    batched: bool = True,
) -> str:
    ends = [
        graph.constant(f"{codes}.{end}", np.array(code, dtype))
        for end, code in (("lowest", quantizer.min_code), ("highest", quantizer.max_code))
    ]
    return graph.add("Clip", name, [codes, *ends], f"{codes}.clipped", shape, dtype.name, batched=batched)


def _scale_and_zero(graph: Graph, name: str, fraction_bits: int, dtype: np.dtype[np.generic]) -> list[str]:
    """Of each tensor its own: where two share them, onnxruntime's optimizations change both for the sake of one."""
    scale = graph.number(f"{name}.scale", 2.0**-fraction_bits, False)
    return [scale, graph.constant(f"{name}.zero_point", np.zeros((), dtype))]


def _constant(graph: Graph, constant: Constant) -> str:
    """Stored codes and their DequantizeLinear."""
    require_scales(graph, constant)
    if constant.sums_fraction_bits is None:
        return _dequantized(graph, constant, constant.codes, constant.fraction_bits)
    return _bias(graph, constant, constant.sums_fraction_bits)


def _bias(graph: Graph, constant: Constant, sums: tuple[int, ...]) -> str:
    """Codes of 32 bits on the grid of the sums that the bias is added to: onnxruntime's fused operators take every bias
    of 32 bits to be on it, whatever its own scale is. One that isn't on it is stored as float32, which they round."""
    (own,) = constant.fraction_bits
    if all(bits >= own for bits in sums):
        codes = constant.codes.astype(object) * np.array([1 << bits - own for bits in sums], object)
        low, high = extremes(codes)
        if _INT32.min_code <= low and high <= _INT32.max_code:
            return _dequantized(graph, constant, codes, sums)
    _note_what_float32_rounds(graph, constant, constant.codes)
    graph.off_grid.append(constant.site)
    return stored(graph, f"{graph.job.stored_name(constant.site)}.float32", constant.arranged(values_of(constant)))


def _dequantized(graph: Graph, constant: Constant, codes: np.ndarray, bits: tuple[int, ...]) -> str:
    low, high = extremes(codes)
    if not _INT32.min_code <= low <= high <= _INT32.max_code:
        what = f"stores codes of 32 bits at most, and those of {constant.role} have more"
        raise refused(graph, constant.step, what, f"give {constant.site} fewer")
    _note_what_float32_rounds(graph, constant, codes)
    dtype = _type_of(constant, low, high)
    name = graph.job.stored_name(constant.site)
    tensor = stored(graph, f"{name}.codes", np.ascontiguousarray(constant.arranged(codes)).astype(dtype))
    output = tensor.removesuffix(".codes") if tensor.endswith(".codes") else f"{tensor}.values"
    if output in graph.tensors:
        return output
    shape = graph.constants[tensor].shape
    if len(bits) == 1:
        inputs = [tensor, *_scale_and_zero(graph, output, bits[0], dtype)]
        return graph.add("DequantizeLinear", f"{name}_dequantize", inputs, output, shape, batched=False)
    scales = stored(graph, f"{output}.scales", np.ldexp(1.0, -np.array(bits)).astype(np.float32))
    zeros = stored(graph, f"{output}.zero_points", np.zeros(len(bits), dtype))
    axis = constant.channel_axis
    inputs = [tensor, scales, zeros]
    return graph.add("DequantizeLinear", f"{name}_dequantize", inputs, output, shape, batched=False, axis=axis)


def _note_what_float32_rounds(graph: Graph, constant: Constant, codes: np.ndarray) -> None:
    if max(map(abs, extremes(codes))) > FLOAT32:
        graph.unproven[constant.site] = "its codes have more than the 24 bits that float32 holds"


def _type_of(constant: Constant, low: int, high: int) -> np.dtype[np.generic]:
    """32 bits for a bias, as ONNX's quantized operators have it, and for what doesn't fit into 8; weights take 16."""
    length = word_length_between(low, high)
    if constant.role == "bias" or length > (LARGEST_WORD if constant.role == "weight" else 8):
        return np.dtype("int32")
    return np.dtype(f"{'' if low < 0 else 'u'}int{8 if length <= 8 else 16}")


DIALECT = Dialect("QDQ", carries_float64=False, only_proven=False, quantized=_quantized, constant=_constant)
