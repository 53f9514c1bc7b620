"""Candidates of a search per second: plans that differ from a known one in a single site.

    python benchmarks/candidates.py NETWORK… [--images 16] [--rounds 2] [--threads 1]

NETWORK as in speed.py. The known plan has 8-bit words; a candidate has one bit less in the weights of a layer or in an
output, or an output's binary point one place further left. Each is lowered and laid out near the known plan, and goes
on from its kept values (`Simulator.run_from`); beside it stands what a candidate takes that starts from nothing. The
figures are means over all layers, in each round every one of them.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from speed import FUSED, batch_of, read

from bittrue.fixed import Quantizer
from bittrue.lowering import lower_keeping, lower_network, lower_variant
from bittrue.network import Network
from bittrue.plan import Override, Plan, uniform_plan
from bittrue.simulation.simulator import Simulator

WORD, POINT = 8, 4
WEIGHTS = [Override("*.weight", f"ap_fixed<{WORD},0,AP_RND_CONV,AP_SAT>")]


def shorter(quantizer: Quantizer) -> Quantizer:
    return replace(quantizer, format=replace(quantizer.format, word_length=quantizer.format.word_length - 1))


def moved(quantizer: Quantizer) -> Quantizer:
    return replace(quantizer, format=replace(quantizer.format, fraction_bits=quantizer.format.fraction_bits + 1))


KINDS: dict[str, tuple[str, Callable[[Quantizer], Quantizer]]] = {
    "one weight site": (".weight", shorter),
    "one activation site": (".output", shorter),
    "one binary point": (".output", moved),
}


def candidates(plan: Plan, ending: str, change: Callable[[Quantizer], Quantizer]) -> Iterator[Plan]:
    for name, spec in plan.sites.items():
        if name.endswith(ending) and isinstance(spec, Quantizer):
            yield replace(plan, sites={**plan.sites, name: change(spec)})


def measure(network: Network, images: int, rounds: int) -> None:
    plan = uniform_plan(network, WORD, POINT, options=FUSED, overrides=WEIGHTS)
    x = batch_of(network, images)
    lowered = lower_keeping(network, plan)
    base = Simulator(lowered.program)
    base.run(x)
    kept = base.run_keeping(x)
    print(f"\n{network.name}, {images} images: ms a candidate")
    print(f"{'':<24}{'candidates':>11}{'lowered':>9}{'run':>9}{'a second':>10}{'from nothing':>14}{'a second':>10}")
    for label, (ending, change) in KINDS.items():
        near, running, alone, count = 0.0, 0.0, 0.0, 0
        for _ in range(rounds):
            for candidate in candidates(plan, ending, change):
                start = time.perf_counter()
                simulator = Simulator(lower_variant(lowered, candidate), base)
                laid_out = time.perf_counter()
                outputs = simulator.run_from(kept)
                done = time.perf_counter()
                whole = Simulator(lower_network(network, candidate)).run(x)
                near, running, count = near + laid_out - start, running + done - laid_out, count + 1
                alone += time.perf_counter() - done
                assert np.array_equal(outputs, whole.judged)
        each, nothing = (near + running) / count, alone / count
        figures = f"{1e3 * near / count:>9.1f}{1e3 * running / count:>9.1f}{1 / each:>10.1f}"
        print(f"{label:<24}{count // rounds:>11}{figures}{1e3 * nothing:>14.1f}{1 / nothing:>10.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", metavar="NETWORK")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for name in arguments.networks:
        measure(read(name), arguments.images, arguments.rounds)


if __name__ == "__main__":
    main()
