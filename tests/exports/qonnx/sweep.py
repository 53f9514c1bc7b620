"""Random small networks under random plans through QONNX: `python tests/exports/qonnx/sweep.py [NETWORKS]`.

Formats, roundings, overflow modes and binary points are drawn by seed; what QONNX can't have is drawn again. Every
site's codes, as qonnx executes the file, are compared with the simulation's. Prints the codes compared, and ends with 1
at a mismatch.
"""

import random
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from bittrue.analysis.evaluating.codes import codes_of
from bittrue.data import as_dataset
from bittrue.errors import BittrueError
from bittrue.exports.device.compare import DeviceComparison, compare_codes
from bittrue.exports.job import Job
from bittrue.exports.onnx.graph import Dialect
from bittrue.exports.onnx.network import graph_of
from bittrue.exports.qonnx.quantizers import DIALECT, ROUNDINGS
from bittrue.exports.witness import BUILDS, FLOATING
from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.lowering import lower_network
from bittrue.plan import Plan, Spec, Word
from bittrue.program import FixedNetwork
from cases import CASES, Case, inputs_of
from exports.hls4ml.networks import random_network
from exports.hls4ml.networks import random_plan as random_plan_of_layers
from simulation.test_random_plans import random_plan

SATURATING = [Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC]


def tamed(spec: Spec, generator: random.Random, roundings: list[Rounding]) -> Spec:
    """A spec with modes that the file has, three times in four: else few plans would be taken."""
    if not isinstance(spec, Quantizer) or generator.random() < 0.25:
        return spec
    return Quantizer(spec.format, generator.choice(roundings), generator.choice(SATURATING))


def draw(seed: int, dialect: Dialect, roundings: list[Rounding]) -> tuple[Case, Job, Counter[str]]:
    """A network and a plan that the dialect takes and is proven to compute, and why others weren't taken before."""
    generator = random.Random(seed)
    refused: Counter[str] = Counter()
    while True:
        case = generator.choice(CASES)
        drawn = random_plan(case, generator)
        sites = {
            name: Word.EXACT if name.endswith(".accumulator") else tamed(spec, generator, roundings)
            for name, spec in drawn.sites.items()
        }
        plan = Plan(drawn.network, drawn.options, sites)
        try:
            job = Job(case.network, plan, lower_network(case.network, plan), None)
            if not graph_of(job, dialect).unproven:
                return case, job, refused
            refused["not proven"] += 1
        except BittrueError as error:
            refused[str(error).partition(": ")[2][:60]] += 1


def of_many_layers(seed: int, roundings: list[Rounding], longest: int) -> Job:
    """Six branches of layers of all kinds, whose words have modes that the file has and `longest` bits at most."""
    generator = random.Random(seed)
    network = random_network(seed, streams=False)
    drawn = random_plan_of_layers(network, seed, rounding_points="fused" if seed % 2 else "every-node")
    sites = dict(drawn.sites)
    for name, spec in sites.items():
        if isinstance(spec, Quantizer):
            format = replace(spec.format, word_length=min(spec.format.word_length, longest))
            sites[name] = Quantizer(format, generator.choice(roundings), generator.choice(SATURATING))
        if name.endswith(".accumulator"):
            sites[name] = Word.EXACT
    plan = replace(drawn, sites=sites)
    return Job(network, plan, lower_network(network, plan), None)


def executed(job: Job, images: np.ndarray, target: str, folder: Path) -> DeviceComparison:
    """What the target's file computes of images, beside the simulation's codes."""
    data = as_dataset(images)
    codes = (BUILDS | FLOATING)[target](job, data, folder)
    return compare_codes(job.program, data, codes, against=target)


def outputs_of(program: FixedNetwork, x: np.ndarray) -> np.ndarray:
    """The numbers that a program makes of images."""
    codes = codes_of(program, as_dataset(x), [program.output])[program.output]
    return np.ldexp(codes.astype(np.float64), -program.by_name[program.output].type.binary_point)


def compared(seed: int, target: str, dialect: Dialect, roundings: list[Rounding], folder: Path) -> DeviceComparison:
    """The file's codes beside the simulation's, at every site."""
    case, job, _ = draw(seed, dialect, roundings)
    return executed(job, inputs_of(case), target, folder)


def sweep(target: str, dialect: Dialect, roundings: list[Rounding]) -> None:
    networks = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    values = 0
    for seed in range(networks):
        with tempfile.TemporaryDirectory() as folder:
            result = compared(seed, target, dialect, roundings, Path(folder))
        assert not result.mismatches, f"seed {seed}: {result.first}"
        assert not result.missing, f"seed {seed}: {result.missing}"
        values += result.values
    print(f"{networks} networks through {target}: {values:,} codes compared, 0 mismatches")


if __name__ == "__main__":
    sweep("qonnx", DIALECT, list(ROUNDINGS))
