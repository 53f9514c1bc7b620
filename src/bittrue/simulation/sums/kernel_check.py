"""A canary for every layer: each kernel, once, on inputs at the ends of what its proof allows (B14).

A kernel that isn't a plain sum of products (Winograd's, one in bfloat16, one that saturates) loses bits on them.
"""

import numpy as np
import torch

from bittrue.errors import KernelError
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.sums.bounds import SumBounds
from bittrue.simulation.sums.choice import Ends
from bittrue.simulation.sums.sum_kernels import SumKernel, aligned_bias, aligned_weight, linear

_CHANNELS = 8


def check_kernel(kernel: SumKernel, sums: SumBounds, shift: int, shape: tuple[int, ...], ends: Ends) -> None:
    """Compare some output channels of a kernel with float64's on inputs of this shape, each at one of its ends.

    Sums that float64 doesn't hold are added in integers, and not looked at. Raises KernelError where a bit is off.
    """
    largest = max(-int(ends[0].min()), int(ends[1].max()))
    if not Carrier.FLOAT64.holds(sums.bound(largest)):
        return
    low, high = (torch.from_numpy(end.astype(np.float64)) for end in ends)
    x = torch.where(torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.5, low, high)
    channels = sums.instruction.weight.shape[-1]
    # Some of them, evenly spread, are cheap to compute; groups keep theirs together.
    some = slice(None, None, -(-channels // _CHANNELS) if sums.instruction.groups == 1 else 1)
    weight = aligned_weight(sums, Carrier.FLOAT64, shift, outputs=some)
    bias = aligned_bias(sums, torch.float64, shift)
    exact = linear(x, weight, None if bias is None else bias[some], sums.instruction)
    codes = x.to(torch.float32) if Carrier.FLOAT32.holds(largest) else x
    if not torch.equal(kernel(codes, None)[..., some].to(torch.float64), exact):
        raise KernelError(
            f"{sums.what}: the kernel for it isn't exact on this machine where it must be; look for a setting that "
            "trades precision for speed, such as DNNL_DEFAULT_FPMATH_MODE, or try another version of torch, or "
            "BITTRUE_KERNELS=none."
        )
