"""Quantizers in an ONNX file: QuantizeLinear and DequantizeLinear, and QONNX's Quant, IntQuant, Trunc and BipolarQuant.

They become no nodes but sites' formats: an activation's quantizer is that of the node that makes it, a weight's that of
the weight. Scales must be powers of two and zero points 0, since that is all that a fixed-point format is (B1).
"""

from dataclasses import replace
from math import frexp

import numpy as np

from bittrue.errors import ModelError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.frontends.arrays.stored import exact_value
from bittrue.frontends.onnx.conversion import Constant, NodeUse, Tensor, Value
from bittrue.frontends.onnx.rows import Table, function
from bittrue.network import format_shape
from bittrue.operators import Identity
from bittrue.shapes import Shape

QONNX_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")

ROUNDINGS = {
    "ROUND": Rounding.NEAREST_EVEN,
    "HALF_EVEN": Rounding.NEAREST_EVEN,
    "HALF_UP": Rounding.NEAREST_AWAY,
    "HALF_DOWN": Rounding.NEAREST_TO_ZERO,
    "DOWN": Rounding.TRUNCATE,
    "FLOOR": Rounding.FLOOR,
}
"""QONNX's names: its `half up` goes away from zero. CEIL and UP have no counterpart in hardware's fixed point."""

WIDTHS = {
    **{name: (True, int(name[3:])) for name in ("int4", "int8", "int16", "int32")},
    **{name: (False, int(name[4:])) for name in ("uint4", "uint8", "uint16")},
}
MAXIMUM_WORD_LENGTH = 64


def _fraction_bits(scale: float) -> int:
    mantissa, exponent = frexp(scale)
    if mantissa != 0.5:
        raise ModelError(
            f"its scale {scale:g} is not a power of two, and fixed-point formats have no others: train or export the "
            "model with power-of-two scales"
        )
    return 1 - exponent


def _scales(use: NodeUse, index: int) -> list[float]:
    """The scale in an input, or one a channel."""
    scales = use.constant(index).value.reshape(-1)
    if not 0 < scales.size <= 1 << 16 or not np.isfinite(scales).all() or (scales <= 0).any():
        raise ModelError("its scales are no positive numbers: export the model again")
    return [float(scales[0])] if (scales == scales[0]).all() else [float(scale) for scale in scales]


def _refuse_zero_point(use: NodeUse, index: int) -> None:
    if use.has(index) and use.constant(index).value.any():
        raise ModelError(
            "its zero point is not 0, and fixed-point formats have none: quantize the model symmetrically (or unsigned "
            "from 0)"
        )


def _applied(use: NodeUse, quantizers: tuple[Quantizer, ...]) -> Value:
    """The first input under these quantizers: noted for a plan, and passed on."""
    value = use.value(0)
    if isinstance(value, Constant):
        return replace(value, quantizers=quantizers)
    if len(quantizers) > 1:
        raise ModelError("it quantizes activations by channel, which is not supported: use one scale")
    return _noted(use, use.tensor(0), quantizers[0])


def _noted(use: NodeUse, x: Tensor, quantizer: Quantizer) -> Tensor:
    """x under a quantizer, which is that of the node that makes it, or of an Identity where that has other readers or a
    quantizer already."""
    noted = use.conversion.quantizers
    if not x.sole or x.node in noted:
        x = Tensor(use.add(Identity(), x), x.layout)
    noted[x.node] = quantizer
    return replace(x, sole=False)


def _quantize_linear(use: NodeUse) -> Value:
    _refuse_zero_point(use, 2)
    kind = str(use.constant(2).value.dtype) if use.has(2) else "uint8"
    return _applied(use, _linear(use, kind))


def _linear(use: NodeUse, kind: str) -> tuple[Quantizer, ...]:
    if kind not in WIDTHS:
        raise ModelError(f"its type {kind} is not supported: use 4 to 16 bits, or 32 for biases")
    signed, width = WIDTHS[kind]
    return tuple(Quantizer(FixedFormat(signed, width, _fraction_bits(scale))) for scale in _scales(use, 1))


def clipped_codes(use: NodeUse) -> Value | None:
    """What a Clip between QuantizeLinear and DequantizeLinear makes: the same value with fewer bits, as Brevitas's QCDQ
    writes words below 8. None where the node clips no such codes.

    Raises: ModelError where its bounds are those of no word.
    """
    source = use.node.inputs[0] if use.node.inputs else ""
    maker = use.conversion.makers.get(source)
    if use.node.op_type != "Clip" or use.node.domain or maker is None or maker.op_type != "QuantizeLinear":
        return None
    value, noted = use.value(0), use.conversion.quantizers
    if isinstance(value, Constant):
        noted_before = value.quantizers or ()  # QuantizeLinear notes them
        return replace(value, quantizers=tuple(_clipped(use, quantizer) for quantizer in noted_before))
    if len(use.conversion.readers[source]) > 1:
        raise ModelError("something else reads the codes before it clips them, which is not supported: clip them first")
    noted[value.node] = _clipped(use, noted[value.node])
    return value


def _clipped(use: NodeUse, quantizer: Quantizer) -> Quantizer:
    """The quantizer whose codes a Clip leaves of another's."""
    whole = quantizer.format
    low, high = (
        limit if not use.has(index) else int(use.constant(index).value.reshape(-1)[0])
        for index, limit in ((1, whole.min_code), (2, whole.max_code))
    )
    low, high = max(low, whole.min_code), min(high, whole.max_code)
    signed = low < 0
    width = max(high, 0).bit_length() + signed
    overflow = Overflow.SATURATE_SYMMETRIC if signed and low == -high else Overflow.SATURATE
    clipped = Quantizer(FixedFormat(signed, max(width, 1), whole.fraction_bits), quantizer.rounding, overflow)
    if (clipped.min_code, clipped.max_code) != (low, high):
        raise ModelError(
            f"it clips codes to {low} … {high}, which are those of no word: clip to 0 … 2^W − 1, −2^(W−1) … "
            "2^(W−1) − 1, or the same without its lowest code"
        )
    return clipped


def _dequantize_linear(use: NodeUse) -> Value:
    """Of stored codes the values, in the word that a Clip of the codes leaves; behind a QuantizeLinear with the same
    scale nothing."""
    _refuse_zero_point(use, 2)
    value = use.value(0)
    if isinstance(value, Tensor):
        noted = use.conversion.quantizers.get(value.node)
        if noted is None or [noted.format.fraction_bits] != [_fraction_bits(scale) for scale in _scales(use, 1)]:
            raise ModelError("its scale is not the one that its input was quantized with: export the model again")
        return value
    if value.quantizers is not None:
        return value
    quantizers = _linear(use, str(value.value.dtype))
    maker = use.conversion.makers.get(use.node.inputs[0])
    if maker is not None and maker.op_type == "Clip":
        clip = NodeUse(maker, use.conversion)
        quantizers = tuple(_clipped(clip, quantizer) for quantizer in quantizers)
    scales = np.array(_scales(use, 1), np.float32)
    if len(quantizers) > 1:
        axis = use.axis(use.node.integer("axis", 1), value.value.ndim)
        if value.value.shape[axis] != len(quantizers):
            raise ModelError(f"{len(quantizers)} scales don't fit an axis of {value.value.shape[axis]}")
        scales = scales.reshape([-1 if place == axis else 1 for place in range(value.value.ndim)])
    return Constant(value.value.astype(np.float64) * scales, value.origin, value.stored, quantizers)


def _quant(use: NodeUse) -> Value:
    """QONNX's Quant and IntQuant: inputs x, scale, zero point, bit width."""
    _refuse_zero_point(use, 2)
    width, signed = _width(use, 3), bool(use.node.integer("signed", 1))
    rounding, overflow = _rounding(use, "ROUND"), _overflow(use, signed)
    formats = (FixedFormat(signed, width, _fraction_bits(scale)) for scale in _scales(use, 1))
    return _applied(use, tuple(Quantizer(each, rounding, overflow) for each in formats))


def _width(use: NodeUse, index: int) -> int:
    width = use.scalar(index)
    if width != int(width) or not 1 <= width <= MAXIMUM_WORD_LENGTH:
        raise ModelError(f"its {width:g} bits are not supported: use 1 to {MAXIMUM_WORD_LENGTH}")
    return int(width)


def _rounding(use: NodeUse, default: str) -> Rounding:
    mode = use.node.text("rounding_mode", default).upper()
    if mode not in ROUNDINGS:
        raise ModelError(f"its rounding mode {mode} is not supported: use one of {', '.join(ROUNDINGS)}")
    return ROUNDINGS[mode]


def _overflow(use: NodeUse, signed: bool) -> Overflow:
    narrow = bool(use.node.integer("narrow", 0))
    if narrow and not signed:
        raise ModelError("its words are unsigned and narrow, which is not supported: make them signed, or not narrow")
    return Overflow.SATURATE_SYMMETRIC if narrow else Overflow.SATURATE


def _trunc(use: NodeUse) -> Value:
    """QONNX's Trunc, version 2: inputs x, scale, zero point, bit width, then the output's scale, zero point (which
    Brevitas leaves out) and bit width.

    Two quantizers: x goes to the grid of its scale, and from there to the output's. The first word is so wide that the
    second saturates in its place.
    """
    last = len(use.node.inputs) - 1
    if last not in (5, 6):
        raise ModelError(
            "its form, without a scale of the output, is version 1, which is not supported: export the model again "
            "with a Brevitas that writes version 2, or as QCDQ"
        )
    for zero_point in (2, *range(5, last)):
        _refuse_zero_point(use, zero_point)
    scales, signed = (_scales(use, 1), _scales(use, 4)), bool(use.node.integer("signed", 1))
    if max(map(len, scales)) > 1:
        raise ModelError("it quantizes activations by channel, which is not supported: use one scale")
    before, behind = (_fraction_bits(scale) for [scale] in scales)
    width = _width(use, last)
    wide = FixedFormat(signed, max(_width(use, 3), width + before - behind), before)
    quantizer = Quantizer(FixedFormat(signed, width, behind), _rounding(use, "FLOOR"), _overflow(use, signed))
    return _noted(use, _noted(use, use.tensor(0), Quantizer(wide)), quantizer)


def _bipolar_quant(use: NodeUse) -> Value:
    """QONNX's BipolarQuant of weights: +scale where they are ≥ 0, −scale below."""
    value = use.value(0)
    if isinstance(value, Tensor):
        raise ModelError("it makes signs of activations, which is not supported: use Quant with two bits")
    if np.isnan(value.value).any():
        raise ModelError("its weights are not all numbers: export the trained model again")
    scales = exact_value(use.constant(1).value)
    if scales.size != 1 and not _is_spread(scales.shape, value.value.shape):
        raise ModelError(f"its scales of {format_shape(scales.shape)} don't fit {format_shape(value.value.shape)}")
    quantizers = tuple(Quantizer(FixedFormat(True, 2, _fraction_bits(scale))) for scale in _scales(use, 1))
    return replace(value, value=np.where(value.value >= 0, scales, -scales), quantizers=quantizers)


def _is_spread(shape: Shape, to: Shape) -> bool:
    """Whether arrays of one shape are broadcast to the other."""
    return len(shape) <= len(to) and all(size in (1, whole) for size, whole in zip(shape[::-1], to[::-1], strict=False))


OPERATORS: Table = {
    "DequantizeLinear": function(_dequantize_linear, folding=None),
    "QuantizeLinear": function(_quantize_linear, folding=None),
}

QONNX_OPERATORS: Table = {
    "BipolarQuant": function(_bipolar_quant, folding=None),
    "IntQuant": function(_quant, folding=None),
    "Quant": function(_quant, folding=None),
    "Trunc": function(_trunc, folding=None),
}
