"""Builds the C of a program and compares it with golden vectors of the simulation, as a user's Makefile does."""

import subprocess
from pathlib import Path

import numpy as np

from bittrue.exports.c.check import main
from bittrue.exports.c.program import CProgram, c_program
from bittrue.exports.c.source import constants_header, constants_text, header, source
from bittrue.exports.storage import storage_of
from bittrue.program import FixedNetwork, Step
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Value

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion")
SANITIZERS = ("-g", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")


def written(program: FixedNetwork, folder: Path) -> CProgram:
    """The C files of a program in a folder."""
    made = c_program(program, "net")
    texts = {
        "net.h": header(made),
        "net.c": source(made),
        "net_constants.h": constants_header(made),
        "net_constants.c": constants_text(made),
        "main.c": main(made),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return made


def vectors(made: CProgram, x: np.ndarray, folder: Path) -> None:
    """The input's and every stored layer's codes of images x, as the check reads them."""
    found: dict[str, np.ndarray] = {}

    def observe(step: Step, value: Value) -> None:
        found[step.name] = value.integers()

    Simulator(made.program).run(x, observe)
    for step in (made.input, *(function.group.last for function in made.functions)):
        found[step.name].astype(storage_of(step).dtype).tofile(folder / f"{step.site or step.name}.bin")


def compiled(folder: Path, compiler: str = "gcc", *options: str) -> Path:
    """The check, compiled; fails with what the compiler says."""
    sources = [str(folder / name) for name in ("main.c", "net.c", "net_constants.c")]
    command = [compiler, *WARNINGS, *(options or ("-O0",)), "-DNET_OBSERVE", "-o", str(folder / "check"), *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    return folder / "check"


def ran(check: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(check), str(folder)], capture_output=True, text=True, check=False)
