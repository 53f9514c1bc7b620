"""A canary for every layer: each kernel, once, on inputs at the ends of what its proof allows (B14).

A kernel that isn't a plain sum of products (Winograd's, one in bfloat16, one that saturates) loses bits on them.
"""

import torch

from bittrue.errors import KernelError
from bittrue.simulation.bounds import SumBounds
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.sum_kernels import SumKernel, aligned_bias, aligned_weight, linear

_CHANNELS = 8


def check_kernel(kernel: SumKernel, sums: SumBounds, shift: int, shape: tuple[int, ...], low: int, high: int) -> None:
    """Compare some output channels of a kernel with float64's on inputs of this shape, each `low` or `high`.

    Raises KernelError where a bit is off.
    """
    excess = max(sums.bound(max(-low, high)).bit_length() - Carrier.FLOAT64.bits, 0)
    ends = torch.tensor([low >> excess, high >> excess], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    x = ends[torch.randint(0, 2, shape, generator=generator)]
    channels = sums.instruction.weight.shape[-1]
    # Some of them, evenly spread, are cheap to compute; groups keep theirs together.
    every = -(-channels // _CHANNELS) if sums.instruction.groups == 1 else 1
    weight = aligned_weight(sums, Carrier.FLOAT64, shift)[::every]
    bias = aligned_bias(sums, torch.float64, shift)
    exact = linear(x, weight, None if bias is None else bias[::every], sums.instruction)
    codes = x if max(-low, high) >> Carrier.FLOAT32.bits else x.to(torch.float32)
    if not torch.equal(kernel(codes, None)[..., ::every].to(torch.float64), exact):
        raise KernelError(
            f"{sums.what}: torch's kernel for it isn't exact on this machine where it must be; look for a setting that "
            "trades precision for speed, such as DNNL_DEFAULT_FPMATH_MODE, or try another version of torch."
        )
