"""QONNX's Quant for a site's quantizer and for constants: the same codes, proven, or a refusal.

Quant divides by the scale, clips to the ends of its word, and rounds, in the type of its input; its result is float32.
Clipping first makes no difference, as both ends are whole numbers.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bittrue.exports.onnx.constants import require_float32, require_scales, stored, values_of
from bittrue.exports.onnx.graph import FLOAT32, FLOAT64, Constant, Dialect, Exact, Graph, Value, in_file, refused
from bittrue.exports.onnx.overflow import covering, rounded_codes, saturating
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.fixed.integers import extremes
from bittrue.plan import Guard, Spec
from bittrue.program import Step

_ANY = Rounding.NEAREST_EVEN

DOMAIN = "qonnx.custom_op.general"

ROUNDINGS = {
    Rounding.NEAREST_EVEN: "ROUND",
    Rounding.NEAREST_AWAY: "HALF_UP",
    Rounding.NEAREST_TO_ZERO: "HALF_DOWN",
    Rounding.FLOOR: "FLOOR",
    Rounding.TRUNCATE: "DOWN",
}
"""QONNX's names. Its `half up` goes away from zero; for ties that go up or down, whatever the sign, it has none."""

_OF_POSITIVE = {Rounding.NEAREST_UP: Rounding.NEAREST_AWAY, Rounding.NEAREST_DOWN: Rounding.NEAREST_TO_ZERO}
"""The same where no number is negative."""


def _quantized(graph: Graph, step: Step, exact: Exact) -> Value:
    quantizer = saturating(graph, step, exact, step.rounds_with)
    rounding = _rounding(graph, step, exact, quantizer)
    quantizer = replace(quantizer, rounding=rounding, format=_without_signs_alone(graph, step, exact, quantizer))
    if max(-quantizer.min_code, quantizer.max_code) > FLOAT32:
        what = f"passes codes on in float32, and {quantizer.format.word_length} bits are more than it holds"
        raise refused(graph, step, what, f"give {step.site or step.name} 24 bits or fewer")
    if rounding in (Rounding.NEAREST_AWAY, Rounding.NEAREST_TO_ZERO):
        exact = _with_room_for_a_half(graph, step, exact, quantizer)
    kind, output = step.type, step.site or step.name
    shape = in_file(kind.shape, exact.first)
    _quant(graph, exact.tensor, quantizer, (quantizer.format.fraction_bits,), None, output, step.name, shape)
    return Value(output, kind.shape, kind.binary_point, kind.low or 0, kind.high or 0, exact.first)


def _rounding(graph: Graph, step: Step, exact: Exact, quantizer: Quantizer) -> Rounding:
    """A rounding that QONNX has and that makes the same codes."""
    if quantizer.rounding in ROUNDINGS:
        return quantizer.rounding
    if step.is_dyadic and step.exact.binary_point <= quantizer.format.fraction_bits:
        return Rounding.NEAREST_EVEN  # nothing is rounded
    if exact.bounds.low is not None and exact.bounds.low >= 0:
        return _OF_POSITIVE[quantizer.rounding]
    what = f"has no rounding {quantizer.rounding.value}"
    raise refused(graph, step, what, f"give {step.site or step.name} one of {', '.join(r.value for r in ROUNDINGS)}")


def _without_signs_alone(graph: Graph, step: Step, exact: Exact, quantizer: Quantizer) -> FixedFormat:
    """The format, which is none of one bit with a sign: of such a word QONNX makes −1 and 1."""
    format = quantizer.format
    if not format.signed or format.word_length > 1:
        return format
    reached = rounded_codes(exact, quantizer)
    if reached is None or reached[0] < -1 or reached[1] > 0:
        what = "makes −1 and 1 of a word of one bit with a sign"
        raise refused(graph, step, what, f"give {step.site or step.name} two bits")
    return FixedFormat(True, 2, format.fraction_bits)


def _with_room_for_a_half(graph: Graph, step: Step, exact: Exact, quantizer: Quantizer) -> Exact:
    """The exact result in a type that holds it with one half more, as HALF_UP adds that to it once it is clipped, and
    HALF_DOWN takes that away."""
    largest = max(-quantizer.min_code, quantizer.max_code)
    if quantizer.rounding is Rounding.NEAREST_TO_ZERO or exact.reach is None:
        # Less one half a number is a float like itself, unless its last bit counts one; HALF_UP's quotients have room
        # (`pooling`), and in float64 so has every float32 of an image.
        room = quantizer.rounding is Rounding.NEAREST_TO_ZERO or exact.bounds.ends is not None
        needed = 2 * largest if room else FLOAT32 + 1
    else:
        more = step.exact.binary_point - quantizer.format.fraction_bits
        finer = max(more, 1)
        needed = min(exact.reach << finer - more, largest << finer) + (1 << finer - 1)
    if needed <= (FLOAT64 if exact.double else FLOAT32):
        return exact
    if needed > FLOAT64:
        what = f"adds one half to numbers that float64 then doesn't hold, under {quantizer.rounding.value}"
        raise refused(graph, step, what, f"give {step.site or step.name} another rounding")
    value = graph.as_float64(Value(exact.tensor, step.type.shape, 0, 0, 0, exact.first))
    return replace(exact, tensor=value.tensor, double=True)


def _quant(
    graph: Graph,
    tensor: str,
    quantizer: Quantizer,
    fraction_bits: tuple[int, ...],
    scales: np.ndarray | None,
    output: str,
    name: str,
    shape: tuple[int, ...],
    *,
    batched: bool = True,
) -> str:
    format = quantizer.format
    if scales is None:
        scale = graph.number(f"constants.scale_{fraction_bits[0]}", 2.0 ** -fraction_bits[0], False)
    else:
        scale = stored(graph, f"{output}.scales", scales.astype(np.float32))
    inputs = [tensor, scale, graph.number("constants.zero", 0.0, False)]
    inputs.append(graph.number(f"constants.bits_{format.word_length}", float(format.word_length), False))
    narrow = quantizer.overflow is Overflow.SATURATE_SYMMETRIC and format.signed
    return graph.add(
        "Quant",
        f"{name}_quant",
        inputs,
        output,
        shape,
        batched=batched,
        domain=DOMAIN,
        signed=int(format.signed),
        narrow=int(narrow),
        rounding_mode=ROUNDINGS[quantizer.rounding],
    )


def _constant(graph: Graph, constant: Constant) -> str:
    """Trained numbers and the Quant that makes the plan's codes of them; numbers that are codes already, where no Quant
    of QONNX's does, and where the plan has no format for them."""
    require_float32(graph, constant)
    require_scales(graph, constant)
    name = graph.job.stored_name(constant.site)
    trained = graph.trained(constant.site)
    if trained is not None and (trained.dtype != np.float32 or trained.shape != constant.codes.shape):
        trained = None
    quantizers = _quantizers(graph.spec_of(constant.step, constant.role), constant)
    if quantizers is None:
        values = values_of(constant)
        return stored(graph, name, constant.arranged(values))
    low, high = extremes(constant.codes)
    format = covering(_widest(quantizers), low, high)
    if format.signed and format.word_length == 1:
        format = FixedFormat(True, 2, format.fraction_bits)
    symmetric = quantizers[0].overflow is Overflow.SATURATE_SYMMETRIC and low > format.min_code
    overflow = Overflow.SATURATE_SYMMETRIC if symmetric else Overflow.SATURATE
    own = quantizers[0].rounding if quantizers[0].rounding in ROUNDINGS else Rounding.NEAREST_EVEN
    numbers = [values_of(constant)] if trained is None else [trained, values_of(constant)]
    attempts = ((each, Quantizer(format, rounding, overflow)) for each in numbers for rounding in (own, _ANY))
    # Of codes, rounding to the nearest makes themselves; HALF_UP, for one, doesn't of those above 2²³.
    values, chosen = next(
        attempt for attempt in attempts if np.array_equal(_codes_made(attempt[0], constant, attempt[1]), constant.codes)
    )
    tensor = stored(graph, name, np.ascontiguousarray(constant.arranged(values)))
    output = f"{tensor}.quantized"
    if output in graph.tensors:
        return output
    bits = constant.fraction_bits
    scales = constant.by_channel([2.0**-own for own in bits]) if len(bits) > 1 else None
    shape = graph.constants[tensor].shape
    return _quant(graph, tensor, chosen, bits, scales, output, name, shape, batched=False)


def _quantizers(spec: Spec | None, constant: Constant) -> tuple[Quantizer, ...] | None:
    """A plan's quantizers of a constant, one for all or one an output channel; None where it has none, or the constant
    has another binary point."""
    if isinstance(spec, Guard):
        spec = spec.quantizer
    found = (spec,) if isinstance(spec, Quantizer) else spec if isinstance(spec, tuple) else None
    if found is None or tuple(quantizer.format.fraction_bits for quantizer in found) != constant.fraction_bits:
        return None
    return found


def _widest(quantizers: tuple[Quantizer, ...]) -> FixedFormat:
    formats = [quantizer.format for quantizer in quantizers]
    signed = any(format.signed for format in formats)
    length = max(format.word_length + (signed and not format.signed) for format in formats)
    return FixedFormat(signed, length, formats[0].fraction_bits)


_IN_FLOAT32: dict[Rounding, Callable[[np.ndarray], np.ndarray]] = {
    Rounding.NEAREST_EVEN: np.round,
    Rounding.NEAREST_AWAY: lambda x: np.sign(x) * np.floor(np.abs(x) + np.float32(0.5)),
    Rounding.NEAREST_TO_ZERO: lambda x: np.sign(x) * np.ceil(np.abs(x) - np.float32(0.5)),
    Rounding.FLOOR: np.floor,
    Rounding.TRUNCATE: np.fix,
}
"""QONNX's roundings, by which it is known beforehand what its Quant makes of a constant."""


def _codes_made(numbers: np.ndarray, constant: Constant, quantizer: Quantizer) -> np.ndarray:
    with np.errstate(over="ignore"):
        scaled = numbers / np.ldexp(np.float32(1), -np.array(constant.fraction_bits))
    limited = np.clip(scaled, np.float32(quantizer.min_code), np.float32(quantizer.max_code))
    made: np.ndarray = _IN_FLOAT32[quantizer.rounding](limited.astype(np.float32)).astype(np.int64)
    return made


DIALECT = Dialect("QONNX", carries_float64=True, only_proven=True, quantized=_quantized, constant=_constant)
