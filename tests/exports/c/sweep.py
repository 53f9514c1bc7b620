"""Random small networks under random plans through C: `python tests/exports/c/sweep.py [NETWORKS [COMPILER]]`.

Formats, roundings, overflow modes, negative and large binary points, accumulators, all drawn by seed; what C refuses
(words beyond 64 bits, softmax without tables) is drawn again. Prints the codes compared, and ends with 1 at a mismatch.
"""

import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bittrue.errors import BittrueError
from bittrue.exports.c.program import CProgram
from bittrue.lowering import lower_network
from bittrue.program import FixedNetwork
from cases import CASES, Case, inputs_of
from exports.building import compiled, ran, vectors, written
from simulation.test_random_plans import random_plan


@dataclass(frozen=True, eq=False)
class Drawn:
    """A program that C takes, its files in the folder, and how many draws were refused before it."""

    case: Case
    program: FixedNetwork
    made: CProgram
    refused: Counter[str]


def draw(seed: int, folder: Path) -> Drawn:
    generator = random.Random(seed)
    refused: Counter[str] = Counter()
    while True:
        case = generator.choice(CASES)
        try:
            program = lower_network(case.network, random_plan(case, generator))
            return Drawn(case, program, written(program, folder), refused)
        except BittrueError as error:
            refused[str(error).rpartition(": ")[2][:60]] += 1


def compared(seed: int, folder: Path, compiler: str = "gcc") -> int:
    """How many codes were compared; fails where one differs."""
    drawn = draw(seed, folder)
    places = folder / "vectors"
    places.mkdir()
    vectors(drawn.made, inputs_of(drawn.case), places)
    done = ran(compiled(folder, compiler), places)
    assert done.returncode == 0, f"seed {seed}, {drawn.case.name}: {done.stdout}{done.stderr}"
    return int(done.stdout.split()[0])


def main() -> None:
    networks = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    compiler = sys.argv[2] if len(sys.argv) > 2 else "gcc"
    codes = 0
    for seed in range(networks):
        with tempfile.TemporaryDirectory() as folder:
            codes += compared(seed, Path(folder), compiler)
    print(f"{networks} networks through C ({compiler}): {codes:,} codes compared, 0 mismatches")


if __name__ == "__main__":
    main()
