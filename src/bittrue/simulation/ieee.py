"""torch's float32 arithmetic as the proofs need it: sums of products exact up to the carrier's limit (B14)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch

from bittrue.environment import exact_environment
from bittrue.errors import CarrierError
from bittrue.operators.windows import convolution_weight, convolve


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """IEEE arithmetic for all that is computed inside; afterwards the settings are what they were.

    Raises CarrierError where a kernel of this machine's torch isn't exact all the same.
    """
    with exact_environment():
        check_kernels()
        yield


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
