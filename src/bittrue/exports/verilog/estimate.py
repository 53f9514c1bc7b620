"""What a design takes: multipliers, and cycles from one image to the next, as a table of its modules."""

from collections.abc import Sequence

from bittrue.display import Column, Table
from bittrue.exports.verilog.design import Design, Module
from bittrue.wording import counted


def table_of(design: Design, clock: float) -> Table:
    """A row a module. clock: in MHz."""
    columns = [Column("module"), Column("computes", folds=True), Column("multipliers", number=True)]
    columns += [Column("cycles an image", number=True), Column("images per second", number=True)]
    rows = [
        (
            module.step.name,
            _computes(module),
            f"{module.draft.multipliers:,}",
            f"{design.cycles_of[module.step.name]:,}",
            f"{clock * 1e6 / design.cycles_of[module.step.name]:,.0f}",
        )
        for module in design.modules
    ]
    return Table(columns, rows, f"Verilog at {clock:g} MHz")


def sentences_of(design: Design, clock: float) -> Sequence[str]:
    """The whole design's numbers, and the queues between its modules."""
    multipliers = sum(module.draft.multipliers for module in design.modules)
    slowest = max(design.cycles_of, key=lambda name: design.cycles_of[name])
    found = [
        f"{counted(multipliers, 'multiplier')}; an image every {design.cycles:,} cycles, which {slowest} "
        f"takes: {clock * 1e6 / design.cycles:,.0f} images per second at {clock:g} MHz.",
    ]
    queues = [edge for edge in design.edges if edge.queue]
    if queues:
        places = ", ".join(f"{edge.source} → {edge.reader} {edge.queue:,}" for edge in queues)
        found.append(f"Words in queues, beside the modules that their readers wait for: {places}.")
    return found


def _computes(module: Module) -> str:
    return ", ".join(step.name for step in module.group.steps)
