"""The quantizer layer for Keras 3: the bits of `bittrue.fixed` on float32 tensors, on each of Keras's backends.

Everything is computed with `keras.ops`, in float32 and exactly: products with powers of two that neither overflow nor
lose a bit, integers below 2^24, and differences that float32 holds. So it doesn't matter whether a compiler fuses
operations. TensorFlow and XLA take subnormal numbers for zero; the one mode that tells them from zero, FLOOR, looks at
their bits.
"""

from collections.abc import Callable
from typing import Any

from bittrue.errors import FormatError
from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.integrations.float32 import SIGNIFICAND_BITS, float32_quantizer
from bittrue.integrations.with_keras import keras

ops = keras.ops

Tensor = Any
"""A tensor of whichever backend Keras runs on."""

_LEAST_INT32 = -(2**31)
"""The bits of float32's negative zero."""


@keras.saving.register_keras_serializable(package="bittrue")
class Quantize(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Rounds its input to a fixed-point format: the bits of rules B1 to B4, as float32 values.

    word_length, fraction_bits, signed: the format (W, F). rounding, overflow: a mode, or its name by bittrue or AMD.
    enabled: False passes the input on untouched; a change takes effect in what is traced or compiled afterwards.

    The gradient goes straight through the rounding, and is that of the overflow mode: 1 inside the format's range, 0
    where SATURATE, SATURATE_SYMMETRIC or SATURATE_ZERO replaced the number, and 1 everywhere for WRAP and UNBOUNDED.
    NaN and infinity, which have no code, come out as NaN.

    Raises: FormatError for a format that doesn't exist or whose values float32 doesn't hold (more than 24 significant
    bits, unless UNBOUNDED), and for a dtype policy other than float32.
    """

    def __init__(
        self,
        word_length: int,
        fraction_bits: int,
        signed: bool = True,
        rounding: Rounding | str = Rounding.NEAREST_EVEN,
        overflow: Overflow | str = Overflow.SATURATE,
        enabled: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.compute_dtype != "float32":
            raise FormatError(
                f"The layer {self.name} computes in {self.compute_dtype}, which doesn't hold its values: "
                "give it dtype='float32'."
            )
        self.quantizer = float32_quantizer(word_length, fraction_bits, signed, rounding, overflow)
        self.enabled = enabled
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        return quantize_straight_through(ops.cast(inputs, "float32"), self.quantizer) if self.enabled else inputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        shape = self.quantizer.format
        return {
            **super().get_config(),
            "word_length": shape.word_length,
            "fraction_bits": shape.fraction_bits,
            "signed": shape.signed,
            "rounding": self.quantizer.rounding.value,
            "overflow": self.quantizer.overflow.value,
            "enabled": self.enabled,
        }


def quantize_straight_through(x: Tensor, quantizer: Quantizer) -> Tensor:
    """The quantized values of a float32 tensor, with the gradient that `Quantize` describes."""
    constant = ops.stop_gradient(x)
    values, passing = _round(constant, quantizer), x
    if quantizer.overflow is not Overflow.UNBOUNDED:
        low, high = _ends(quantizer)
        inside = ops.logical_and(values >= low, values <= high)
        values = _OVERFLOW[quantizer.overflow](values, inside, quantizer)
        if quantizer.overflow is not Overflow.WRAP:
            passing = ops.where(inside, x, constant)
    # The difference is zero and brings the gradient alone; `x + (quantized − x)` would be rounded once more.
    return ops.stop_gradient(values) + (passing - constant)


def _ends(quantizer: Quantizer) -> tuple[float, float]:
    """The lowest and the highest value that is no overflow."""
    unit = 2.0**-quantizer.format.fraction_bits
    return quantizer.min_code * unit, quantizer.max_code * unit


def _round(x: Tensor, quantizer: Quantizer) -> Tensor:
    """The rounded values, not yet limited."""
    bits = quantizer.format.fraction_bits
    # From 2^23 last bits on, every float32 is on the grid.
    on_grid = ops.absolute(x) >= 2.0 ** (SIGNIFICAND_BITS - 1 - bits)
    codes = _ROUNDING[quantizer.rounding](ops.where(on_grid, 0.0, x), bits)
    return ops.where(on_grid, x, codes * 2.0**-bits)


def _nearest_even(x: Tensor, bits: int) -> Tensor:
    return ops.round(x * 2.0**bits)


def _nearest_up(x: Tensor, bits: int) -> Tensor:
    # ⌊x + ½⌋ would be wrong where the sum is rounded itself. Doubling is exact, and ⌈⌊2x⌋/2⌉ is x with ties up.
    return ops.ceil(ops.floor(x * 2.0 ** (bits + 1)) * 0.5)


def _nearest_down(x: Tensor, bits: int) -> Tensor:
    return ops.floor(ops.ceil(x * 2.0 ** (bits + 1)) * 0.5)


def _nearest_away(x: Tensor, bits: int) -> Tensor:
    doubled = ops.trunc(x * 2.0 ** (bits + 1))
    return doubled - ops.trunc(doubled * 0.5)


def _nearest_to_zero(x: Tensor, bits: int) -> Tensor:
    # The fraction is exact, and rounding it to even sends exactly one half to zero.
    scaled = x * 2.0**bits
    whole = ops.trunc(scaled)
    return whole + ops.round(scaled - whole)


def _floor(x: Tensor, bits: int) -> Tensor:
    codes = ops.floor(x * 2.0**bits)
    pattern = ops.view(x, "int32")
    negative = ops.logical_and(pattern < 0, pattern != _LEAST_INT32)
    # A negative number whose product vanished, or that the machine takes for zero.
    return ops.where(ops.logical_and(negative, codes == 0.0), -1.0, codes)


def _truncate(x: Tensor, bits: int) -> Tensor:
    return ops.trunc(x * 2.0**bits)


_ROUNDING: dict[Rounding, Callable[[Tensor, int], Tensor]] = {
    Rounding.NEAREST_EVEN: _nearest_even,
    Rounding.NEAREST_UP: _nearest_up,
    Rounding.NEAREST_DOWN: _nearest_down,
    Rounding.NEAREST_AWAY: _nearest_away,
    Rounding.NEAREST_TO_ZERO: _nearest_to_zero,
    Rounding.FLOOR: _floor,
    Rounding.TRUNCATE: _truncate,
}
"""For each mode the codes of numbers below 2^23 last bits."""


def _saturate(values: Tensor, inside: Tensor, quantizer: Quantizer) -> Tensor:
    return ops.clip(values, *_ends(quantizer))


def _saturate_to_zero(values: Tensor, inside: Tensor, quantizer: Quantizer) -> Tensor:
    return ops.where(inside, values, 0.0)


def _wrap(values: Tensor, inside: Tensor, quantizer: Quantizer) -> Tensor:
    span = quantizer.format.integer_bits
    if SIGNIFICAND_BITS + span <= 128:
        # A float32 of 2^23 spans and more is a whole number of them, and could overflow below.
        whole = ops.absolute(values) >= 2.0 ** (SIGNIFICAND_BITS - 1 + span)
        values = ops.where(whole, 0.0, values)
    spans = values * 2.0**-span
    turns = ops.ceil(ops.floor(spans * 2.0) * 0.5) if quantizer.format.signed else ops.floor(spans)
    return (spans - turns) * 2.0**span


_OVERFLOW: dict[Overflow, Callable[[Tensor, Tensor, Quantizer], Tensor]] = {
    Overflow.SATURATE: _saturate,
    Overflow.SATURATE_SYMMETRIC: _saturate,
    Overflow.SATURATE_ZERO: _saturate_to_zero,
    Overflow.WRAP: _wrap,
}
"""For each mode that limits anything, the rounded values after it."""
