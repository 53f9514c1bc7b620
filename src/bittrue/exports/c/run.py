"""Builds the C of a network here and runs it on images."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bittrue.exports.c.program import c_program
from bittrue.exports.c.target import write_c
from bittrue.exports.job import Job
from bittrue.exports.storage import storage_of
from bittrue.exports.tools import tool_output
from bittrue.program import Step
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Value

_REMEDY = "install a C compiler and make (on Debian and Ubuntu: build-essential), or name one with CC=…"


def run_c(job: Job, x: NDArray[np.float32], folder: Path) -> Path:
    """The folder with the codes of every layer that the C stores, for images x, (images, *shape).

    Raises: BittrueError where C can't have the network, or there is no compiler.
    """
    program = c_program(job.program, job.name)
    write_c(program, folder)
    inputs, codes = folder / "inputs", folder / "codes"
    inputs.mkdir()
    codes.mkdir()
    _write_inputs(job, x, inputs)
    tool_output(
        ["make", "-C", str(folder), f"CC={os.environ.get('CC', 'cc')}", "check"], "Building the C", remedy=_REMEDY
    )
    command = [str(folder / "check"), str(inputs), "--dump", str(codes)]
    tool_output(command, "The C program", remedy="look at the plan's divisors")
    return codes


def _write_inputs(job: Job, x: NDArray[np.float32], folder: Path) -> None:
    """The images as codes of the input's site."""
    source = job.program.steps[0]
    found = []

    def observe(step: Step, value: Value) -> None:
        if step is source:
            found.append(value.integers())

    simulator = Simulator(job.program)
    for start in range(0, len(x), 16):
        simulator.run(x[start : start + 16], observe)
    codes = np.concatenate(found).astype(storage_of(source).dtype)
    codes.tofile(folder / f"{source.site}.bin")
