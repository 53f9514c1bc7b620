"""The target `c`: a folder with the network in C99, its check and a Makefile."""

from collections.abc import Mapping
from pathlib import Path

from bittrue.exports.c import check, source
from bittrue.exports.c.program import CProgram, c_program
from bittrue.exports.job import Job, Target


def _check(job: Job) -> None:
    c_program(job.program, job.name)


def _write(job: Job, folder: Path) -> Mapping[str, str]:
    write_c(c_program(job.program, job.name), folder)
    return {}


def write_c(program: CProgram, folder: Path) -> None:
    """Write the C files of a program into a folder."""
    name = program.name
    blob = source.size_of(program) > source.LARGEST_TEXT
    texts = {
        f"{name}.h": source.header(program),
        f"{name}.c": source.source(program),
        f"{name}_constants.h": source.constants_header(program),
        "main.c": check.main(program),
        "Makefile": check.makefile(program, blob=blob),
    }
    if blob:
        texts[f"{name}_constants.S"] = source.assembly(program)
        with (folder / f"{name}_constants.bin").open("wb") as file:
            for constant in program.constants:
                file.write(source.constant_bytes(constant))
    else:
        texts[f"{name}_constants.c"] = source.constants_text(program)
    for file_name, text in texts.items():
        (folder / file_name).write_text(text, encoding="utf-8", newline="\n")


def _remarks(job: Job) -> tuple[str, ...]:
    made = c_program(job.program, job.name)
    size = made.buffers.bytes
    return (f"The C keeps {size:,} bytes in static buffers, and {source.size_of(made):,} bytes of constants.",)


TARGET = Target(
    "c",
    "C99 for a microcontroller or an HLS tool",
    needs_images=False,
    check=_check,
    write=_write,
    builds=("check",),
    remarks=_remarks,
)
