"""torch's float32 arithmetic as the proofs need it: IEEE 754, whatever precision torch has been told to be content with
(B14).

Notebooks ask for `torch.set_float32_matmul_precision("medium")` or automatic mixed precision to train faster; oneDNN
then multiplies in bfloat16 or TF32, which no bound on sums allows for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from bittrue.errors import CarrierError
from bittrue.operators.windows import convolution_weight, convolve

torch.backends.nnpack.set_flags(False)  # type: ignore[no-untyped-call]  # its convolutions are Winograd's and not exact on integers (B14)

_SWITCHES = (torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv)  # type: ignore[attr-defined]  # torch makes them at import


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """IEEE precision for all that is computed inside; afterwards the settings are what they were.

    Raises CarrierError where a kernel of this machine's torch isn't exact all the same.
    """
    changed = [
        (switch, _own_precision(switch)) for switch in _SWITCHES if switch.fp32_precision not in ("none", "ieee")
    ]
    try:
        for switch, _ in changed:
            switch.fp32_precision = "ieee"
        with torch.autocast("cpu", enabled=False):
            check_kernels()
            yield
    finally:
        for switch, precision in changed:
            switch.fp32_precision = precision


def _own_precision(switch: Any) -> str:
    """The setting itself: "none" where what it says is taken from the one for all of torch."""
    said: str = switch.fp32_precision
    switch.fp32_precision = "none"
    inherited = switch.fp32_precision == said
    switch.fp32_precision = said
    return "none" if inherited else said


@cache
def check_kernels() -> None:
    """Sums of products up to float32's limit through each kind of kernel, once a process.

    Raises CarrierError where a bit is off.
    """
    for name, (products, compute) in _CANARIES.items():
        x, weight = _factors(products)
        exact = compute(x.to(torch.float64), weight.to(torch.float64))
        if not torch.equal(compute(x, weight).to(torch.float64), exact):
            raise CarrierError(
                f"torch's {name} isn't exact in float32 on this machine, so no exact result can be promised; "
                "look for a setting that trades precision for speed, such as DNNL_DEFAULT_FPMATH_MODE."
            )


Canary = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
_CHANNELS = 32


def _dense(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.linear(x.reshape(-1, len(weight)), weight.T.contiguous())


def _convolution(size: int, stride: int = 1) -> Canary:
    def compute(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        kernel = convolution_weight(weight.reshape(size, size, _CHANNELS, -1))
        padding = ((size // 2, size // 2),) * 2
        return convolve(x, kernel, None, (stride, stride), padding, (1, 1), 1)

    return compute


_CANARIES: dict[str, tuple[int, Canary]] = {
    "dense layer": (8 * _CHANNELS, _dense),
    "1×1 convolution": (_CHANNELS, _convolution(1)),
    "3×3 convolution": (9 * _CHANNELS, _convolution(3)),
    "5×5 convolution": (25 * _CHANNELS, _convolution(5)),
    "strided convolution": (9 * _CHANNELS, _convolution(3, 2)),
}
"""Each with how many products a sum has."""


def _factors(products: int) -> tuple[torch.Tensor, torch.Tensor]:
    """12-bit inputs (batch, height, width, channels) and weights (products, outputs) whose sums stay below 2^24."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(1 << 11, 1 << 12, (8, 8, 8, _CHANNELS), generator=generator)
    most = ((1 << 24) - 1) // (products << 12)
    weights = torch.randint(most // 2, most + 1, (products, _CHANNELS), generator=generator)
    return inputs.to(torch.float32), weights.to(torch.float32)
