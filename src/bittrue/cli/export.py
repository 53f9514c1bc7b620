"""bittrue export: a planned network as files for hardware."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import ModelOptions, OptionalDataOptions, PlanFile, RepairedFile, Until
from bittrue.cli.parallel import VERILOG, VerilogParallelOptions
from bittrue.cli.tables import TableOptions, print_view, shown_as_data

if TYPE_CHECKING:
    from bittrue.exports.job import MemoryOptions


MEMORY = "Memory images"


@dataclass(frozen=True)
class MemoryLayoutOptions:
    """How the codes lie in memory images."""

    memory_format: Annotated[
        str,
        typer.Option(
            "--memory-format",
            metavar="NAME,…",
            rich_help_panel=MEMORY,
            help="readmemh, readmemb, coe and vivado (AMD's .coe and .mif), quartus (Intel's .mif), c, raw.",
        ),
    ] = "readmemh"
    memory_order: Annotated[
        str,
        typer.Option(
            "--memory-order",
            metavar="output-first|as-is|AXIS,…",
            rich_help_panel=MEMORY,
            help="The weights of one sum after each other, the arrays' own order of axes, or axes by name from the "
            "outermost on ('kernel row,input channel'; the others follow).",
        ),
    ] = "output-first"
    line_words: Annotated[
        int, typer.Option("--line-words", metavar="N", min=1, rich_help_panel=MEMORY, help="Words that share a line.")
    ] = 1
    first_word: Annotated[
        str,
        typer.Option(
            "--first-word", metavar="low|high", rich_help_panel=MEMORY, help="Where in a line its first word stands."
        ),
    ] = "low"
    banks: Annotated[
        int,
        typer.Option("--banks", metavar="N", min=1, rich_help_panel=MEMORY, help="Memories that lines are dealt to."),
    ] = 1
    mirror_bits: Annotated[
        bool,
        typer.Option(
            "--mirror-bits", rich_help_panel=MEMORY, help="The bits of each word in reverse: the lowest stands highest."
        ),
    ] = False

    def choose(self) -> "MemoryOptions":
        from bittrue.exports.job import MemoryOptions

        formats = tuple(name.strip() for name in self.memory_format.split(","))
        return MemoryOptions(formats, self.memory_order, self.line_words, self.first_word, self.banks, self.mirror_bits)


@command
def export(
    model: ModelOptions,
    plan: PlanFile,
    common: TableOptions,
    data: OptionalDataOptions,
    memory: MemoryLayoutOptions,
    verilog: VerilogParallelOptions,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TARGET,…",
            help="c: C99, integers alone; hls4ml: its layers, every precision written out; memory: memory images; "
            "qdq: ONNX for onnxruntime; qonnx: ONNX with a Quant at every rounding; vectors: golden vectors; verilog: "
            "SystemVerilog.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="The folder of the export; an export that is there is replaced."),
    ],
    images: Annotated[
        int | None,
        typer.Option("--images", metavar="N", min=1, help="Golden vectors of the first N images (default: 10)."),
    ] = None,
    repaired: RepairedFile = None,
    until: Until = None,
    clock: Annotated[
        float,
        typer.Option(
            "--clock",
            metavar="MHZ",
            rich_help_panel=VERILOG,
            help="The clock that images per second are counted for.",
        ),
    ] = 100.0,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace",
            metavar="trace.json",
            help="The images in which `bittrue trace` found overflows first become vectors, too (default: those of "
            "the first 64).",
        ),
    ] = None,
) -> None:
    """Write the network under a plan for hardware: integers, each file's format and hash in manifest.json."""
    from bittrue.analysis.tracing.trace_result import Trace
    from bittrue.exports.export import export as write

    network, formats = model.load_for(plan, repaired)
    result = write(
        network,
        formats,
        to,
        out,
        data=data.load_if_given(network),
        images=images,
        until_node=until,
        memory=memory.choose(),
        trace=None if trace is None else Trace.load(trace),
        verilog=verilog.choose(clock),
    )
    if not shown_as_data(result, common):
        print_view(result.view())
