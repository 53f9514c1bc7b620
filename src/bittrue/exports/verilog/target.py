"""The target `verilog`: a folder with a network in SystemVerilog, its memories and its bench."""

from collections.abc import Mapping
from pathlib import Path

from bittrue.display import Table
from bittrue.exports.job import Job, Target
from bittrue.exports.memory.formats import FORMATS
from bittrue.exports.verilog.bench import bench_text
from bittrue.exports.verilog.design import Design, design_of
from bittrue.exports.verilog.estimate import sentences_of, table_of
from bittrue.exports.verilog.library import library_text
from bittrue.exports.verilog.surroundings import BUILT, surroundings
from bittrue.exports.verilog.text import module_text, top_text

LIBRARY = "library"
MODULES = "modules"
MEMORY = "memory"
BENCH = "bench.sv"
INPUTS = "inputs.hex"
"""What the bench reads: images as words, a line each."""

SOURCES = "sources.f"
"""The files of the design, a line each, as Verilator and Icarus take them with -f."""


def _check(job: Job) -> None:
    design_of(job)


def _write(job: Job, folder: Path) -> Mapping[str, str]:
    design = design_of(job)
    write_verilog(design, folder)
    for name, text in surroundings(design, job.on_host, job.verilog.clock).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    sites = {f"{step.name}.{role}" for step in design.program.steps for role in ("weight", "bias")}
    return {
        memory.name: memory.path
        for module in design.modules
        for memory in module.draft.memories
        if memory.name in sites
    }


def write_verilog(design: Design, folder: Path) -> None:
    """Write the files of a design into a folder."""
    for name in (LIBRARY, MODULES, MEMORY):
        (folder / name).mkdir()
    texts = {f"{LIBRARY}/bittrue_{name}.sv": library_text(name) for name in design.library}
    texts |= {f"{MODULES}/{module.name}.sv": module_text(module) for module in design.modules}
    texts[f"{design.name}.sv"] = top_text(design)
    texts[SOURCES] = "".join(f"{path}\n" for path in texts)
    texts[BENCH] = bench_text(design)
    for path, text in texts.items():
        (folder / path).write_text(text, encoding="utf-8", newline="\n")
    for module in design.modules:
        for memory in module.draft.memories:
            (folder / memory.path).write_bytes(FORMATS["readmemh"].write(memory.image, memory.name))


def _remarks(job: Job) -> tuple[Table | str, ...]:
    design = design_of(job)
    return table_of(design, job.verilog.clock), *sentences_of(design, job.verilog.clock)


TARGET = Target(
    "verilog",
    "SystemVerilog with streams between the layers",
    needs_images=False,
    check=_check,
    write=_write,
    builds=("codes/*", "build/*", INPUTS, *BUILT),
    remarks=_remarks,
)
