"""The options of `export` and `verify` that say how much of a Verilog design is computed side by side."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bittrue.exports.verilog.options import VerilogOptions

VERILOG = "Verilog"


@dataclass(frozen=True)
class VerilogParallelOptions:
    """How many multipliers the sums of products have."""

    parallel: Annotated[
        str | None,
        typer.Option(
            "--parallel",
            metavar="NODE=N,…",
            rich_help_panel=VERILOG,
            help="Multipliers of these layers, as in conv1=8,dense6=16 (default: one each).",
        ),
    ] = None
    multipliers: Annotated[
        int | None,
        typer.Option(
            "--multipliers",
            metavar="N",
            min=1,
            rich_help_panel=VERILOG,
            help="Multipliers that all other layers share, so that the slowest is fastest.",
        ),
    ] = None

    def choose(self, clock: float = 100.0) -> "VerilogOptions":
        from bittrue.exports.verilog.options import VerilogOptions

        return VerilogOptions.parsed(self.parallel, self.multipliers, clock)
