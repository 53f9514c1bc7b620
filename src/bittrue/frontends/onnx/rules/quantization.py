"""Quantizers in an ONNX file: QuantizeLinear and DequantizeLinear, and Quant, IntQuant and BipolarQuant of QONNX.

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


def _scales(use: NodeUse) -> list[float]:
    """The scale, or one a channel."""
    scales = use.constant(1).value.reshape(-1)
    if not 0 < scales.size <= 1 << 16 or not np.isfinite(scales).all() or (scales <= 0).any():
        raise ModelError("its scales are no positive numbers: export the model again")
    return [float(scales[0])] if (scales == scales[0]).all() else [float(scale) for scale in scales]


def _refuse_zero_point(use: NodeUse) -> None:
    if use.has(2) and use.constant(2).value.any():
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
    x, noted = use.tensor(0), use.conversion.quantizers
    if not x.sole or x.node in noted:
        x = Tensor(use.add(Identity(), x), x.layout)
    noted[x.node] = quantizers[0]
    return replace(x, sole=False)


def _quantize_linear(use: NodeUse) -> Value:
    _refuse_zero_point(use)
    kind = str(use.constant(2).value.dtype) if use.has(2) else "uint8"
    return _applied(use, _linear(use, kind))


def _linear(use: NodeUse, kind: str) -> tuple[Quantizer, ...]:
    if kind not in WIDTHS:
        raise ModelError(f"its type {kind} is not supported: use 4 to 16 bits, or 32 for biases")
    signed, width = WIDTHS[kind]
    return tuple(Quantizer(FixedFormat(signed, width, _fraction_bits(scale))) for scale in _scales(use))


def _dequantize_linear(use: NodeUse) -> Value:
    """Of stored codes the values; behind a QuantizeLinear with the same scale nothing."""
    _refuse_zero_point(use)
    value = use.value(0)
    if isinstance(value, Tensor):
        noted = use.conversion.quantizers.get(value.node)
        if noted is None or [noted.format.fraction_bits] != [_fraction_bits(scale) for scale in _scales(use)]:
            raise ModelError("its scale is not the one that its input was quantized with: export the model again")
        return value
    if value.quantizers is not None:
        return value
    quantizers = _linear(use, str(value.value.dtype))
    scales = np.array(_scales(use), np.float32)
    if len(quantizers) > 1:
        axis = use.axis(use.node.integer("axis", 1), value.value.ndim)
        if value.value.shape[axis] != len(quantizers):
            raise ModelError(f"{len(quantizers)} scales don't fit an axis of {value.value.shape[axis]}")
        scales = scales.reshape([-1 if place == axis else 1 for place in range(value.value.ndim)])
    return Constant(value.value.astype(np.float64) * scales, value.origin, value.stored, quantizers)


def _quant(use: NodeUse) -> Value:
    """QONNX's Quant and IntQuant: inputs x, scale, zero point, bit width."""
    _refuse_zero_point(use)
    width = use.scalar(3)
    signed, narrow = bool(use.node.integer("signed", 1)), bool(use.node.integer("narrow", 0))
    mode = use.node.text("rounding_mode", "ROUND").upper()
    if mode not in ROUNDINGS:
        raise ModelError(f"its rounding mode {mode} is not supported: use one of {', '.join(ROUNDINGS)}")
    if width != int(width) or not 1 <= width <= MAXIMUM_WORD_LENGTH or (narrow and not signed):
        raise ModelError(
            f"its {width:g} bits are not supported: use 1 to {MAXIMUM_WORD_LENGTH}, unsigned ones not narrow"
        )
    overflow = Overflow.SATURATE_SYMMETRIC if narrow else Overflow.SATURATE
    formats = (FixedFormat(signed, int(width), _fraction_bits(scale)) for scale in _scales(use))
    return _applied(use, tuple(Quantizer(each, ROUNDINGS[mode], overflow) for each in formats))


def _bipolar_quant(use: NodeUse) -> Value:
    """QONNX's BipolarQuant of weights: +scale where they are ≥ 0, −scale below."""
    value = use.value(0)
    if isinstance(value, Tensor):
        raise ModelError("it makes signs of activations, which is not supported: use Quant with two bits")
    scales = exact_value(use.constant(1).value)
    if scales.size != 1 and not _is_spread(scales.shape, value.value.shape):
        raise ModelError(f"its scales of {format_shape(scales.shape)} don't fit {format_shape(value.value.shape)}")
    quantizers = tuple(Quantizer(FixedFormat(True, 2, _fraction_bits(scale))) for scale in _scales(use))
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
}
