"""Mutations of what the Verilog reads with $readmemh: one bit of a line. The simulation is run again, not built."""

from collections.abc import Collection
from functools import partial
from pathlib import Path
from random import Random

from bittrue.exports.mutation.constants import rewritten
from bittrue.exports.mutation.mutant import Draw, Mutation, Trial
from bittrue.exports.mutation.verilog.bench import VerilogBench
from bittrue.exports.mutation.verilog.reasons import reason
from bittrue.exports.verilog.design import Module


def memory_bit(roles: Collection[str], kind: str, same: str) -> Draw[VerilogBench]:
    """One bit of a line in the memories of some roles; same: what it means that it changes no number."""

    def draw(bench: VerilogBench, random: Random) -> Trial | None:
        found = [
            (module, memory)
            for module in bench.design.modules
            for memory in module.draft.memories
            if memory.name.rpartition(".")[2].rstrip("0123456789") in roles
        ]
        if not found:
            return None
        module, memory = random.choice(found)
        path = bench.verilog / memory.path
        lines = path.read_text(encoding="ascii").split()
        place, bit = random.randrange(len(lines)), random.randrange(memory.image.width)
        before = lines[place]
        after = f"{int(before, 16) ^ 1 << bit:0{len(before)}x}"
        mutation = Mutation(kind, f"verilog/{memory.path}", f"line {place + 1}, bit {bit}", before, after)
        return Trial(
            mutation,
            partial(_tried, bench, path, place, after),
            partial(_explained, bench, path, place, after, module, same),
        )

    return draw


def _tried(bench: VerilogBench, path: Path, place: int, line: str) -> str | None:
    def change(text: str) -> str:
        lines = text.splitlines()
        lines[place] = line
        return "\n".join(lines) + "\n"

    with rewritten(path, change):
        return bench.failure(rebuilt=False)


def _explained(bench: VerilogBench, path: Path, place: int, line: str, module: Module, same: str) -> str | None:
    _tried(bench, path, place, line)
    return reason(bench, module, same)
