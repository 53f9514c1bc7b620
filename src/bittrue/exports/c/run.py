"""Builds the C of a network here and runs it on images."""

import shlex
from pathlib import Path

from bittrue.analysis.evaluating.codes import codes_of
from bittrue.data import Dataset
from bittrue.exports.c.program import c_program
from bittrue.exports.c.target import write_c
from bittrue.exports.job import Job
from bittrue.exports.storage import storage_of
from bittrue.exports.tools import c_compiler, require_tools, tool_output

_REMEDY = "install a C compiler and make (on Debian and Ubuntu: build-essential), or name one with CC=…"


def run_c(job: Job, images: Dataset, folder: Path) -> Path:
    """The folder with the codes of every layer that the C stores, on these images.

    Raises: BittrueError where C can't have the network, or there is no compiler.
    """
    program = c_program(job.program, job.name)
    require_tools("Building the C", shlex.split(c_compiler())[0], "make", remedy=_REMEDY)
    write_c(program, folder)
    inputs, codes = folder / "inputs", folder / "codes"
    inputs.mkdir()
    codes.mkdir()
    _write_inputs(job, images, inputs)
    tool_output(["make", "-C", str(folder), f"CC={c_compiler()}", "check"], "Building the C", remedy=_REMEDY)
    command = [str(folder / "check"), str(inputs), "--dump", str(codes)]
    tool_output(command, "The C program", remedy="look at the plan's divisors")
    return codes


def _write_inputs(job: Job, images: Dataset, folder: Path) -> None:
    """The images as codes of the input's site."""
    source = job.program.steps[0]
    codes = codes_of(job.program, images, [source.name])[source.name].astype(storage_of(source).dtype)
    codes.tofile(folder / f"{source.site}.bin")
