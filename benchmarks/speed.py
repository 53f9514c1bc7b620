"""Time per image of the simulation beside the float model in eager PyTorch, in one process.

    python benchmarks/speed.py MODEL [--batch 16] [--rounds 7] [--threads 2]

MODEL: a .keras file, such as the AlexNet of the study (examples/alexnet_cifar10) or the demo's model.keras. The
contenders take turns on the same batches; the figures are medians of the ratios, round by round, so a machine whose
speed drifts doesn't matter.
"""

import argparse
import resource
import statistics
from collections.abc import Callable

import numpy as np
import torch
from eager import Eager
from pairs import ratios

import bittrue
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Override, Plan, PlanOptions, study_plan, uniform_plan
from bittrue.simulation.proof import prove
from bittrue.simulation.simulator import Simulator, is_exact

FUSED = PlanOptions()


def fake_quantize(fraction_bits: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """The naive chain: scale, round, scale back, clamp, each a tensor of its own."""
    scale = 2.0**fraction_bits
    return lambda x: torch.clamp(torch.round(x * scale) / scale, -(2.0**15) / scale, (2.0**15 - 1) / scale)


def plans(network: Network) -> dict[str, Plan]:
    found = {f"bittrue, study, F = {k}": study_plan(network, k) for k in (3, 5, 6, 8)}
    found |= {f"bittrue, affine and fused, F = {k}": study_plan(network, k, options=FUSED) for k in (5, 6, 8)}
    found["bittrue, 13-bit data and 11-bit weights"] = uniform_plan(
        network, 13, 7, options=FUSED, overrides=[Override("*.weight", "ap_fixed<11,0,AP_RND_CONV,AP_SAT>")]
    )
    found["bittrue, 16-bit data and weights"] = uniform_plan(
        network, 16, 10, options=FUSED, overrides=[Override("*.weight", "ap_fixed<16,0,AP_RND_CONV,AP_SAT>")]
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = bittrue.load(arguments.model)
    generator = np.random.default_rng(0)
    batch = generator.random((arguments.batch, *network.input.shape), np.float32)
    first = torch.from_numpy(batch).permute(0, 3, 1, 2)
    eager = Eager(network)
    print(f"{network!r}; batch {arguments.batch}, {arguments.threads} threads, median of {arguments.rounds} rounds")
    print(f"{'':<40}{'× float':>9}{'least':>8}{'most':>8}  {'proven exact':<14}")
    naive = Eager(network, fake_quantize(8))
    report("naive fake quantization, F = 8", ratios(lambda: naive(first), lambda: eager(first), arguments.rounds), "no")
    for name, plan in plans(network).items():
        program = lower_network(network, plan)
        simulator = Simulator(program)
        result = simulator.run(batch)
        exact = is_exact(program) and all(proof.margin_bits > 0 for proof in prove(program, result.peaks))
        measured = ratios(lambda s=simulator: s.run(batch), lambda: eager(first), arguments.rounds)
        report(name, measured, "yes" if exact else "no")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of the whole process, with both float models: {peak:.2f} GiB")


def report(name: str, measured: list[float], exact: str) -> None:
    print(f"{name:<40}{statistics.median(measured):>9.2f}{min(measured):>8.2f}{max(measured):>8.2f}  {exact:<14}")


if __name__ == "__main__":
    main()
