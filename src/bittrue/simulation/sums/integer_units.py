"""Sums of products of 8-bit integers in int32, by oneDNN's kernels for the processor's integer units.

They are several times faster than float32 where the processor has instructions for them (VNNI, AMX), and as exact: all
adding is in int32, and the sum becomes a float32 once, times a power of two. AMX's kernels take what the inputs' zero
point has added to it off after that, so the sum with it still in it has to fit float32, too. On a processor without
them oneDNN adds pairs of products in 16 bits, which saturates, and such a torch may have no kernels for it at all:
`available` tries.
"""

from collections.abc import Sequence
from functools import cache

import torch

from bittrue.operators.windows import channels_first, channels_last, pad_spatial
from bittrue.program import MultiplyAccumulate

SUM_BITS = 31
"""The absolute value of every partial sum, with the inputs' zero point still in them, stays below 2^31."""

_ONE_SCALE = 1.0
_NO_POST_OPERATION: tuple[str, list[float | None], str] = ("none", [], "")


_FEWEST_IN_A_GROUP = 4


def suits(instruction: MultiplyAccumulate) -> bool:
    """Whether there is a kernel for this geometry that isn't slow: not for depthwise convolutions."""
    return instruction.groups == 1 or instruction.weight.shape[-2] >= _FEWEST_IN_A_GROUP


@cache
def available() -> bool:
    """Whether this machine's integer kernels are there and exact, the largest digits included; tried once a process."""
    try:
        return all(
            _exact(zero_point, weight, digits)
            for zero_point in (0, 128)
            for kernel in ((), (3, 3))
            for weight, digits in (_largest(kernel), _cancelling(kernel))
        )
    except (AttributeError, RuntimeError, NotImplementedError):
        return False


def _largest(kernel: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and digits, the largest of either sign, and others."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(-128, 128, (*kernel, 64, 32), generator=generator)
    weight[..., :8], weight[..., 8:16] = -128, 127
    digits = torch.randint(0, 256, (32, *(5,) * len(kernel), 64), generator=generator)
    digits[:8], digits[8:16] = 0, 255
    return weight, digits


def _cancelling(kernel: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """The same with sums that are small, and half of whose products add up to more than float32 holds."""
    generator = torch.Generator().manual_seed(0)
    half = torch.randint(64, 128, (*kernel, 1024, 32), generator=generator)
    digits = torch.randint(192, 255, (2 if kernel else 32, *(5,) * len(kernel), 1024), generator=generator)
    other = digits + torch.randint(0, 2, digits.shape, generator=generator)
    return torch.cat((half, -half), -2), torch.cat((digits, other), -1)


def _exact(zero_point: int, weight: torch.Tensor, digits: torch.Tensor) -> bool:
    """The sums of these beside the same in float64."""
    kernel = weight.shape[:-2]
    layer = MultiplyAccumulate(
        weight.numpy(),
        (0,),
        None,
        0,
        (1,) * len(kernel),
        ((1, 1),) * len(kernel),
        (1,) * len(kernel),
        1,
    )
    sums = IntegerSums(layer, weight.to(torch.int8), zero_point)(digits.to(torch.uint8), [1.0] * 32, None)
    codes = digits.double() - zero_point
    if not kernel:
        exact = codes @ weight.double()
    else:
        moved = weight.double().permute(3, 2, 0, 1)
        exact = channels_last(torch.nn.functional.conv2d(channels_first(codes), moved, padding=1))
    return torch.equal(sums.double(), exact)


class IntegerSums:
    """Σ x·w for one digit of the weights, laid out for oneDNN.

    weight: int8, (*kernel, in, out). zero_point: what the inputs' digits are held with.
    """

    def __init__(self, instruction: MultiplyAccumulate, weight: torch.Tensor, zero_point: int) -> None:
        self._instruction, self._zero_point = instruction, zero_point
        rank = len(instruction.strides)
        outputs = weight.shape[-1]
        self._unit_scales = torch.ones(outputs)
        self._weight_zero_points = torch.zeros(outputs, dtype=torch.int32)
        moved = weight.permute(rank + 1, rank, *range(rank)).contiguous()
        # The layout is a hint for the sizes that come; any others are computed just as well.
        if rank:
            size = [1, moved.shape[1] * instruction.groups, *(32,) * rank]
            self._weight = torch.ops.onednn.qconv_prepack(
                moved,
                self._unit_scales,
                _ONE_SCALE,
                zero_point,
                list(instruction.strides),
                [0] * rank,
                list(instruction.dilation),
                instruction.groups,
                size,
            )
        else:
            self._weight = torch.ops.onednn.qlinear_prepack(moved, [32, moved.shape[1]])

    def __call__(self, digits: torch.Tensor, scales: Sequence[float], bias: torch.Tensor | None) -> torch.Tensor:
        """Σ (digits − zero point)·w, times a power of two for each output, plus the bias, in float32, channels last."""
        instruction = self._instruction
        scale = torch.tensor(scales, dtype=torch.float32).expand(len(self._unit_scales)).contiguous()
        weight = self._weight, scale, self._weight_zero_points, bias
        if not instruction.strides:
            rows = digits.reshape(-1, digits.shape[-1])
            sums: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
                rows, _ONE_SCALE, self._zero_point, *weight, _ONE_SCALE, 0, torch.float32, *_NO_POST_OPERATION
            )
            return sums.reshape(*digits.shape[:-1], -1)
        first = channels_first(digits)
        symmetric = all(before == after for before, after in instruction.padding)
        if not symmetric:
            first = pad_spatial(first, instruction.padding, self._zero_point)
        amount = [before if symmetric else 0 for before, _ in instruction.padding]
        geometry = list(instruction.strides), amount, list(instruction.dilation), instruction.groups
        kernel = torch.ops.onednn.qconv2d_pointwise if len(amount) == 2 else torch.ops.onednn.qconv1d_pointwise
        sums = kernel(
            first, _ONE_SCALE, self._zero_point, *weight, *geometry, _ONE_SCALE, 0, torch.float32, *_NO_POST_OPERATION
        )
        return channels_last(sums)
