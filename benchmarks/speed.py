"""Time per image of the simulation, and of other tools, beside the float model in eager PyTorch.

    python benchmarks/speed.py NETWORK… [--batch 16] [--rounds 7] [--threads 2] [--without-integer-units] [--no-peers]

NETWORK: a model file, such as the AlexNet of the study (examples/alexnet_cifar10), or `mobilenet` or `autoencoder`,
which are built here. The contenders take turns on the same batches in one process; the figures are medians of the
ratios, round by round, so a machine whose speed drifts doesn't matter. The float model runs at the batch size that
suits it best, in channels_last memory. `memory` is the peak of a process of its own that simulates some batches.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import peers
import torch
from eager import Eager
from networks import BUILT
from pairs import ratios

import bittrue
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.operators import Dense
from bittrue.plan import Override, Plan, PlanOptions, study_plan, uniform_plan
from bittrue.simulation.compiled import library
from bittrue.simulation.simulator import Simulator, is_exact, prove
from bittrue.simulation.sums import integer_units

FUSED = PlanOptions()
FLOAT_BATCHES = (16, 64, 256)
WEIGHTS_11 = [Override("*.weight", "ap_fixed<11,0,AP_RND_CONV,AP_SAT>")]
WEIGHTS_16 = [Override("*.weight", "ap_fixed<16,0,AP_RND_CONV,AP_SAT>")]


def plans(network: Network) -> dict[str, Plan]:
    found = {f"study, F = {k}": study_plan(network, k) for k in (3, 5, 6, 8)}
    found |= {f"affine and fused, F = {k}": study_plan(network, k, options=FUSED) for k in (6, 8)}
    found["13-bit data, 11-bit weights"] = uniform_plan(network, 13, 7, options=FUSED, overrides=WEIGHTS_11)
    for word_length in (7, 8, 9, 10, 12):
        weights = [Override("*.weight", f"ap_fixed<{word_length},0,AP_RND_CONV,AP_SAT>")]
        name = f"{word_length}-bit data, {word_length}-bit weights"
        found[name] = uniform_plan(network, word_length, word_length - 4, options=FUSED, overrides=weights)
    found["16-bit data, 16-bit weights"] = uniform_plan(network, 16, 10, options=FUSED, overrides=WEIGHTS_16)
    return found


def read(name: str) -> Network:
    return BUILT[name]() if name in BUILT else bittrue.load(name)


def batch_of(network: Network, images: int) -> np.ndarray:
    return np.random.default_rng(0).random((images, *network.input.shape), np.float32)


def first(batch: np.ndarray) -> torch.Tensor:
    """Channels first, in channels_last memory."""
    return torch.from_numpy(batch).movedim(-1, 1)


def best_batch(network: Network, rounds: int) -> int:
    """The batch size at which the float model takes least time per image."""
    eager = Eager(network)
    yardstick = first(batch_of(network, FLOAT_BATCHES[0]))
    cost = {}
    for images in FLOAT_BATCHES:
        x = first(batch_of(network, images))
        cost[images] = statistics.median(ratios(partial(eager, x), partial(eager, yardstick), rounds)) / images
    return min(cost, key=lambda images: cost[images])


def compare(where: str, network: Network, arguments: argparse.Namespace) -> None:
    float_batch = best_batch(network, 3)
    batch = batch_of(network, arguments.batch)
    eager, x = Eager(network), first(batch_of(network, float_batch))
    per_image = float_batch / arguments.batch
    print(f"\n{network.name}, {network.parameter_count:,} parameters")
    unit = library.unit()
    print(f"batches of {arguments.batch}, float in batches of {float_batch}; {arguments.threads} threads; ", end="")
    print("without compiled kernels" if unit is None else f"compiled kernels for {unit.name}")
    print(f"{'':<42}{'× float':>9}{'least':>8}{'most':>8}  {'proven exact':<14}{'memory':>10}")

    def report(name: str, run: peers.Run, exact: str, memory: str = "") -> None:
        measured = [ratio * per_image for ratio in ratios(run, partial(eager, x), arguments.rounds)]
        ends = f"{min(measured):>8.2f}{max(measured):>8.2f}"
        print(f"{name:<42}{statistics.median(measured):>9.2f}{ends}  {exact:<14}{memory:>10}", flush=True)

    for name, plan in plans(network).items():
        if arguments.rows and not any(row in name for row in arguments.rows.split("; ")):
            continue
        program = lower_network(network, plan)
        simulator = Simulator(program)
        result = simulator.run(batch)
        exact = is_exact(program) and all(proof.margin_bits > 0 for proof in prove(program, result.peaks))
        report(
            f"bittrue, {name}", partial(simulator.run, batch), "yes" if exact else "no", peak(where, name, arguments)
        )
    if arguments.peers:
        for name, build in others(network, batch, arguments.threads):
            try:
                run = build()
            except ImportError as error:
                print(f"{name:<42} not measured: {error.name} isn't installed here", flush=True)
            else:
                report(name, run, "no")


def others(network: Network, batch: np.ndarray, threads: int) -> Iterator[tuple[str, Callable[[], peers.Run]]]:
    """What else a user would take, by name; where a whole network would take too long, its dense layers alone, or the
    first of them."""
    for name, build in peers.EAGER.items():
        yield f"{name}, 13 bits", partial(build, network, first(batch), 13, 7)
    for name, start in peers.WHOLE.items():
        yield name, partial(start, network, batch, threads)
    weights = [node.operator.weight.value for node in network.nodes if isinstance(node.operator, Dense)]
    if not weights or len(batch.shape) != 2:
        return
    one = batch[:1]
    yield "QONNX execution, its dense layers alone", partial(peers.qonnx, weights, batch, 13, 7)
    yield "fxpmath, its first layer, 1 image", partial(peers.fxpmath, weights[0], one, 13, 7)
    yield "APyTypes, its first layer, 1 image", partial(peers.apytypes, weights[0], one, 13, 7)


def peak(name: str, plan: str, arguments: argparse.Namespace) -> str:
    """The peak memory of a process of its own that simulates a few batches under a plan."""
    command = [sys.executable, __file__, name, "--only-memory", plan, "--batch", str(arguments.batch)]
    command += ["--without-integer-units"] * arguments.without_integer_units
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def print_memory(network: Network, plan: str, images: int) -> None:
    simulator = Simulator(lower_network(network, plans(network)[plan]))
    batch = batch_of(network, images)
    for _ in range(3):
        simulator.run(batch)
    # getrusage's peak would be the parent's, where that was larger as it started this process.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(f"{int(status['VmHWM'].split()[0]) / 2**20:.2f} GiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", metavar="NETWORK")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", default="", help="only plans whose names hold one of these, 'F = 6; 8-bit'")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without-integer-units", action="store_true", help="as on a processor that has none")
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    parser.add_argument("--only-memory", metavar="PLAN", help="print the peak memory of simulating under this plan")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.without_integer_units:
        integer_units.available = lambda: False
    for name in arguments.networks:
        network = read(name)
        if arguments.only_memory:
            print_memory(network, arguments.only_memory, arguments.batch)
        else:
            compare(name, network, arguments)


if __name__ == "__main__":
    main()
