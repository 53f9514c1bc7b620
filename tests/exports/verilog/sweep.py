"""Random small networks through Verilog: `python tests/exports/verilog/sweep.py [NETWORKS [SIMULATOR]]`.

Formats, roundings, overflow modes, negative and large binary points, accumulators and multipliers, all drawn by seed;
what Verilog refuses is drawn again. Both ends pause at random. Simulators: icarus (the default), verilator. Prints the
codes compared, and ends with 1 at a mismatch.
"""

import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bittrue.data import as_dataset
from bittrue.errors import BittrueError
from bittrue.exports.device.compare import DeviceComparison, compare_codes
from bittrue.exports.job import Job
from bittrue.exports.verilog.design import Design, design_of
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.exports.verilog.run import run_design
from bittrue.exports.verilog.simulators import ICARUS, VERILATOR, Simulator
from bittrue.lowering import lower_network
from bittrue.plan import Plan
from cases import CASES, Case, inputs_of
from simulation.test_random_plans import random_plan

SIMULATORS = {"icarus": ICARUS, "verilator": VERILATOR}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A design that Verilog can have, and how many draws were refused before it."""

    case: Case
    job: Job
    design: Design
    refused: Counter[str]


def job_of(case: Case, plan: Plan, verilog: VerilogOptions | None = None) -> Job:
    return Job(case.network, plan, lower_network(case.network, plan), None, verilog=verilog or VerilogOptions())


def draw(seed: int) -> Drawn:
    generator = random.Random(seed)
    refused: Counter[str] = Counter()
    while True:
        case = generator.choice(CASES)
        try:
            job = job_of(case, random_plan(case, generator), VerilogOptions(multipliers=generator.randint(4, 20)))
            return Drawn(case, job, design_of(job), refused)
        except BittrueError as error:
            refused[str(error).rpartition(": ")[2][:60]] += 1


def through(case: Case, job: Job, folder: Path, simulator: Simulator = ICARUS, *plusargs: str) -> DeviceComparison:
    """A case's inputs through its design, beside the simulation."""
    images = as_dataset(inputs_of(case))
    codes, _ = run_design(design_of(job), images, folder, simulator, *plusargs)
    return compare_codes(job.program, images, codes, against="verilog")


def compared(seed: int, folder: Path, simulator: Simulator = ICARUS) -> int:
    """How many codes were compared; fails where one differs."""
    drawn = draw(seed)
    found = through(drawn.case, drawn.job, folder, simulator, "+backpressure", f"+seed={seed + 1}")
    assert found.mismatches == 0, f"seed {seed}, {drawn.case.name}: {found.first}"
    return found.values


def main() -> None:
    networks = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    simulator = SIMULATORS[sys.argv[2] if len(sys.argv) > 2 else "icarus"]
    codes = 0
    for seed in range(networks):
        with tempfile.TemporaryDirectory() as folder:
            codes += compared(seed, Path(folder), simulator)
    print(f"{networks} networks through Verilog ({simulator.name}): {codes:,} codes compared, 0 mismatches")


if __name__ == "__main__":
    main()
