"""The exported files in a folder, with the C's check built from them: what every mutation is tried on."""

import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bittrue.errors import BittrueError
from bittrue.exports.c.draft import Constant
from bittrue.exports.c.program import CProgram, Function, c_program
from bittrue.exports.export import TARGETS, write_targets
from bittrue.exports.job import Job
from bittrue.exports.memory.target import Stored, stored_arrays
from bittrue.exports.tools import c_compiler, require_tools, tool_output

_TARGETS = ("c", "memory", "vectors")
_OPTIONS = ("-std=c99", "-O2", "-fwrapv")  # what overflows in a mutant wraps, as it does in hardware
_QUICK = ("-std=c99", "-O1", "-fwrapv")
_REMEDY = "install a C compiler (on Debian and Ubuntu: build-essential), or name one with CC=…"
_LONGEST = 600
"""Seconds after which a mutant that doesn't end counts as caught."""


@dataclass(frozen=True, eq=False)
class Bench:
    """folder: the export's. made: the C program in it."""

    job: Job
    folder: Path
    made: CProgram

    @property
    def c(self) -> Path:
        return self.folder / "c"

    @property
    def source(self) -> str:
        """The name of the C file with the layers."""
        return f"{self.made.name}.c"

    @property
    def blob(self) -> str | None:
        """The name of the file with the constants' bytes; None where they are written out."""
        name = f"{self.made.name}_constants.bin"
        return name if (self.c / name).exists() else None

    @property
    def constants(self) -> str:
        """The name of the file that is compiled for the constants."""
        return f"{self.made.name}_constants.{'c' if self.blob is None else 'S'}"

    @cached_property
    def function_of(self) -> Mapping[str, Function]:
        """The function that reads each constant array."""
        return {each.name: function for function in self.made.functions for each in function.draft.constants}

    @cached_property
    def constant_named(self) -> Mapping[str, Constant]:
        return {constant.name: constant for constant in self.made.constants}

    @cached_property
    def step_of(self) -> Mapping[str, str]:
        """The step of each name in C."""
        return {c_name: step for function in self.made.functions for step, c_name in function.draft.names.items()}

    @cached_property
    def memories(self) -> tuple[Stored, ...]:
        return tuple(stored_arrays(self.job))

    @property
    def vectors(self) -> Path:
        return self.folder / "vectors" / "bin"

    def site(self, constant: Constant) -> str:
        """A constant's name as `node.role`."""
        name, _, role = constant.name.rpartition("__")
        return f"{self.step_of[name]}.{role}"

    def failure(self, changed: str | None = None) -> str | None:
        """What the check says first where it fails. changed: the one file that isn't what the built check has."""
        objects = [self.built(name) for name in ("main.c", self.source, self.constants)]
        if changed is not None:
            place = 1 if changed == self.source else 2
            objects[place] = self.compiled(changed, "mutant.o", *_QUICK)
        check = self.linked(objects, "mutant")
        return self.ran(check)

    def ran(self, check: Path) -> str | None:
        """What a check says first of the vectors where it fails; None where it passes."""
        try:
            done = subprocess.run(
                [check, self.vectors], capture_output=True, text=True, errors="replace", check=False, timeout=_LONGEST
            )
        except subprocess.TimeoutExpired:
            return f"it didn't end within {_LONGEST} s"
        if done.returncode == 0:
            return None
        said = (done.stdout or done.stderr).splitlines()
        return said[0] if said else f"ended with {done.returncode}"

    def compiled(self, source: str | Path, name: str, *options: str) -> Path:
        """An object file of a source file of the C folder."""
        target = self.folder / name
        observe = f"-D{self.made.name.upper()}_OBSERVE"
        command = [*shlex.split(c_compiler()), *(options or _OPTIONS), observe, "-w", f"-I{self.c}", "-c"]
        self._tool([*command, "-o", str(target), str(self.c / source)])
        return target

    def linked(self, objects: list[Path], name: str) -> Path:
        target = self.folder / name
        self._tool([*shlex.split(c_compiler()), "-o", str(target), *map(str, objects)])
        return target

    def built(self, source: str) -> Path:
        """The object file of a file as it was exported."""
        made = self.folder / f"{source}.o"
        return made if made.exists() else self.compiled(source, made.name)

    def _tool(self, command: list[str]) -> None:
        # The assembler looks for the file of bytes where it runs.
        tool_output(command, "Building the C", remedy=_REMEDY, folder=self.c)


def bench_of(job: Job, folder: Path) -> Bench:
    """Export the C, the memories and the vectors of a job into an empty folder, and see that the check passes.

    Raises: BittrueError for what C or the memories can't have, without a compiler, and where the check fails as it is.
    """
    targets = [TARGETS[name] for name in _TARGETS]
    for target in targets:
        target.check(job)
    require_tools("Building the C", shlex.split(c_compiler())[0], remedy=_REMEDY)
    write_targets(job, targets, folder)
    bench = Bench(job, folder, c_program(job.program, job.name))
    failed = bench.failure()
    if failed is not None:
        raise BittrueError(f"The exported C fails before anything is changed ({failed}): compare with --against c.")
    return bench
