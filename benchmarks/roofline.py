"""What the processor gives, and how near to it the compiled kernels come:

    python benchmarks/roofline.py NETWORK [--batch 16] [--threads 2] [--rounds 9] [--words 8,9,13,16]

For a processor with AVX-512 VNNI, and a C compiler (`roofline.c` measures products and bytes a second). The least time
of a layer is that of its products or that in which its weights are read once, whichever is longer; the network's is the
sum of its layers'. Products are of bytes where the format of the codes has no more than 256 and no weight needs more
than 8 bits. On a processor with AMX, `ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI` keeps torch from it.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from speed import batch_of, plans, read

from bittrue.lowering import lower_network
from bittrue.program import FixedNetwork, MultiplyAccumulate
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.sums.strategies import work_of


def measured_peaks() -> tuple[float, float, float]:
    """Products of bytes, products of words, and bytes read, a second on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "roofline"
        compiler, source = os.environ.get("CC", "cc"), Path(__file__).with_suffix(".c")
        subprocess.run([compiler, "-O3", "-march=native", source, "-o", program], check=True)
        printed = [subprocess.run([program], check=True, capture_output=True, text=True).stdout for _ in range(3)]
    runs = [[float(number) * 1e9 for number in line.split()] for line in printed]
    in_bytes, in_words, reading = (max(column) for column in zip(*runs, strict=True))
    return in_bytes, in_words, reading


def least_seconds(program: FixedNetwork, images: int, peaks: tuple[float, float, float], threads: int) -> float:
    in_bytes, in_words, reading = peaks
    total = 0.0
    for step in program.steps:
        if not isinstance(step.instruction, MultiplyAccumulate):
            continue
        weight, codes = step.instruction.weight, program.by_name[step.inputs[0]].type
        bytes_a_weight = 1 if weight.min() >= -128 and weight.max() <= 127 else 2
        is_short = bytes_a_weight == 1 and codes.high - codes.low < 256
        products = work_of(step.instruction, codes.shape, step.exact.shape).products * images
        multiplying = products / (in_bytes if is_short else in_words)
        total += max(multiplying, weight.size * bytes_a_weight / reading) / threads
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--words", default="8,9,16")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    peaks = measured_peaks()
    print(
        "a thread: {:.0f} and {:.0f} GMAC/s in bytes and words, {:.1f} GB/s read".format(
            *(peak / 1e9 for peak in peaks)
        )
    )
    network = read(arguments.network)
    batch, known = batch_of(network, arguments.batch), plans(network)
    print(f"{'data and weights':<18}{'least':>10}{'measured':>10}{'share':>8}")
    for bits in arguments.words.split(","):
        program = lower_network(network, known[f"{bits}-bit data, {bits}-bit weights"])
        simulator, seconds = Simulator(program), list[float]()
        simulator.run(batch)
        for _ in range(arguments.rounds):
            begun = time.perf_counter()
            simulator.run(batch)
            seconds.append(time.perf_counter() - begun)
        least, median = least_seconds(program, arguments.batch, peaks, arguments.threads), statistics.median(seconds)
        print(f"{bits + ' bits':<18}{1e3 * least:>7.1f} ms{1e3 * median:>7.1f} ms{least / median:>8.0%}", flush=True)


if __name__ == "__main__":
    main()
