"""The quantizer module for PyTorch: the bits of `bittrue.fixed` on float32 and float64 tensors."""

from typing import Any

import torch
from torch import Tensor, nn

from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.fixed.tensor import decode, quantize
from bittrue.integrations.float32 import float32_quantizer


class Quantize(nn.Module):
    """Rounds its input to a fixed-point format: the bits of rules B1 to B4, in the input's dtype.

    The arguments and the gradient are those of `bittrue.keras.Quantize`. There is nothing to train and nothing in the
    state_dict. `torch.compile` leaves this module to eager mode, since it looks at the numbers to refuse NaN.

    Raises: FormatError for a format that doesn't exist or whose values float32 doesn't hold (more than 24 significant
    bits, unless UNBOUNDED); when called, for NaN, infinity and for tensors of other types than float32 and float64.
    """

    def __init__(
        self,
        word_length: int,
        fraction_bits: int,
        signed: bool = True,
        rounding: Rounding | str = Rounding.NEAREST_EVEN,
        overflow: Overflow | str = Overflow.SATURATE,
        enabled: bool = True,
    ) -> None:
        super().__init__()
        self.quantizer = float32_quantizer(word_length, fraction_bits, signed, rounding, overflow)
        self.enabled = enabled

    def forward(self, x: Tensor) -> Tensor:
        if not self.enabled:
            return x
        quantized: Tensor = _quantize_straight_through(x, self.quantizer)
        return quantized

    def extra_repr(self) -> str:
        shape = self.quantizer.format
        return (
            f"word_length={shape.word_length}, fraction_bits={shape.fraction_bits}, signed={shape.signed}, "
            f"rounding={self.quantizer.rounding.value}, overflow={self.quantizer.overflow.value}, "
            f"enabled={self.enabled}"
        )


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _quantize_straight_through(x: Tensor, quantizer: Quantizer) -> Tensor:
    quantized: Tensor = _StraightThrough.apply(x, quantizer)  # type: ignore[no-untyped-call]
    return quantized


class _StraightThrough(torch.autograd.Function):
    """Quantized values whose gradient is that of the overflow mode."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, quantizer: Quantizer) -> Tensor:
        codes = quantize(x, quantizer)
        ctx.inside = None
        if quantizer.overflow not in (Overflow.WRAP, Overflow.UNBOUNDED):
            rounded = quantize(x, Quantizer(quantizer.format, quantizer.rounding, Overflow.UNBOUNDED))
            ctx.inside = (rounded >= quantizer.min_code) & (rounded <= quantizer.max_code)
        return decode(codes, quantizer.format.fraction_bits, x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient if ctx.inside is None else gradient * ctx.inside, None
