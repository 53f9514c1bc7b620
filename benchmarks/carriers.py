"""What each strategy of an exact sum costs beside one float32 sum: where the constants in
simulation/sums/strategies.py and simulation/compiled/costs.py come from.

    python benchmarks/carriers.py [--threads 1] [--rounds 7]

Layers of the study's AlexNet and of ResNet-8, batch 16. The strategies take turns in one process; the figures are
medians of the ratios.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from pairs import ratios

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.program import CodeType, MultiplyAccumulate, Step
from bittrue.simulation.compiled import group, library
from bittrue.simulation.sums.digits import Digits
from bittrue.simulation.sums.integer_units import IntegerSums
from bittrue.simulation.values import Codes

GROUPS = (2, 4, 8, 12, 16)


def convolution(channels: int, out: int, size: int, kernel: int) -> tuple[torch.Tensor, torch.Tensor, dict[str, int]]:
    x = torch.randint(-64, 64, (16, channels, size, size)).float().contiguous(memory_format=torch.channels_last)
    weight = torch.randint(-4, 4, (out, channels, kernel, kernel)).float().contiguous(memory_format=torch.channels_last)
    return x, weight, {"padding": kernel // 2}


def digits(x: torch.Tensor, weight: torch.Tensor, padding: int | None = None) -> Callable[[], object]:
    """One digit by one digit; x channels last, weight (*kernel, in, out), padding None for a dense layer."""
    rank = 0 if padding is None else 2
    pairs = ((padding or 0,) * 2,) * rank
    layer = MultiplyAccumulate(weight.numpy(), (0,), None, 0, (1,) * rank, pairs, (1,) * rank, 1)
    sums, cut = IntegerSums(layer, weight.to(torch.int8), 128), Digits(1, 8, signed=True)
    return lambda: sums(cut.cut(x)[0], [1.0], None)


def compiled(
    x: torch.Tensor, weight: torch.Tensor, out: tuple[int, ...], padding: int | None = None, groups: int = 1
) -> dict[str, Callable[[], object]]:
    """Each unit of the compiled library, a quantizer after the sums, in words of 16 bits and in bytes where it has an
    instruction for them; x, weight and padding as in `digits`, out the shape of a result."""
    rank = 0 if padding is None else 2
    pairs = ((padding or 0,) * 2,) * rank
    layer = MultiplyAccumulate(weight.numpy().astype(np.int64), (0,), None, 0, (1,) * rank, pairs, (1,) * rank, groups)
    word = FixedFormat(True, 8, 0)
    kind, result = (CodeType(shape, 0, word.min_code, word.max_code) for shape in (tuple(x.shape[1:]), out))
    shifted = Quantizer(FixedFormat(True, 8, -9), Rounding.NEAREST_EVEN, Overflow.SATURATE)
    exact = CodeType(out, 0, -(1 << 40), 1 << 40)
    sums = Step("sums", "sums.output", layer, ("x",), exact, shifted, CodeType(out, -9, result.low, result.high))
    codes = Codes(x.to(torch.int16).contiguous(), 0, word.min_code, word.max_code)
    group.pays = lambda *arguments: True  # what it costs is the question
    return {
        f"compiled, {unit.name}{', bytes' * bytes}": partial(
            group.Group({"x": kind}, [sums], replace(unit, multiplies_bytes=bytes), feeds_groups=True).run, codes, []
        )
        for unit in library.units()
        for bytes in ([False, True] if unit.multiplies_bytes and groups == 1 else [False])
    }


def convolution_contenders(
    x: torch.Tensor, weight: torch.Tensor, options: dict[str, int]
) -> dict[str, Callable[[], object]]:
    wide_x, wide_weight = x.double(), weight.double()
    found: dict[str, Callable[[], object]] = {
        "float64": lambda: torch.nn.functional.conv2d(wide_x, wide_weight, **options),
        "int8 digits, 1×1": digits(x.movedim(1, -1), weight.permute(2, 3, 1, 0), options["padding"]),
    }
    for groups in (count for count in GROUPS if count <= x.shape[1]):
        parts = [part.contiguous(memory_format=torch.channels_last) for part in weight.chunk(groups, 1)]

        def grouped(parts: list[torch.Tensor] = parts) -> torch.Tensor:
            pieces = x.split([part.shape[1] for part in parts], 1)
            total = torch.nn.functional.conv2d(pieces[0], parts[0], **options).double()
            for piece, part in zip(pieces[1:], parts[1:], strict=True):
                total += torch.nn.functional.conv2d(piece, part, **options)
            return total

        found[f"float32 in {groups} channel groups"] = grouped
    out = (*x.shape[2:], len(weight))
    return found | compiled(x.movedim(1, -1), weight.permute(2, 3, 1, 0), out, options["padding"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    layers = {
        "conv2 (96→256, 27×27, 5×5)": (96, 256, 27, 5),
        "conv3 (256→384, 13×13, 3×3)": (256, 384, 13, 3),
        "shallow (16→16, 32×32, 3×3)": (16, 16, 32, 3),
        "first (3→16, 32×32, 3×3)": (3, 16, 32, 3),
    }
    for name, shape in layers.items():
        x, weight, options = convolution(*shape)
        contenders = convolution_contenders(x, weight, options)
        compare(name, contenders, partial(torch.nn.functional.conv2d, x, weight, **options), arguments.rounds)
    x, weight = torch.randint(0, 64, (16, 9216)).float(), torch.randint(-4, 4, (4096, 9216)).float()
    dense = {
        "float64": partial(torch.nn.functional.linear, x.double(), weight.double()),
        "float32, inputs in two parts": partial(torch.nn.functional.linear, torch.cat((x, x)), weight),
        "int8 digits, 1×1": digits(x, weight.T),
        **compiled(x, weight.T, (4096,)),
    }
    compare("dense6 (9216→4096)", dense, partial(torch.nn.functional.linear, x, weight), arguments.rounds)
    x, weight, options = convolution(64, 64, 24, 3)
    weight, options = weight[:, :1].contiguous(), {**options, "groups": 64}
    grouped = {
        "float64": partial(torch.nn.functional.conv2d, x.double(), weight.double(), **options),
        "float32, inputs in two parts": partial(torch.nn.functional.conv2d, torch.cat((x, x)), weight, **options),
    }
    last = x.movedim(1, -1), weight.permute(2, 3, 1, 0), (24, 24, 64)
    grouped |= compiled(*last, padding=options["padding"], groups=64)
    name = "depthwise (64, 24×24, 3×3)"
    compare(name, grouped, partial(torch.nn.functional.conv2d, x, weight, **options), arguments.rounds)


def compare(
    name: str, contenders: dict[str, Callable[[], object]], yardstick: Callable[[], object], rounds: int
) -> None:
    for label, contender in contenders.items():
        ratio = statistics.median(ratios(contender, yardstick, rounds))
        print(f"{name:<30}{label:<30}{ratio:>6.2f} × float32")


if __name__ == "__main__":
    main()
