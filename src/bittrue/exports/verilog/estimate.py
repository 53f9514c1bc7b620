"""What a design takes: multipliers, memories, and cycles from one image to the next, as a table of its modules."""

from collections.abc import Sequence

from bittrue.analysis.cost.hardware import ULTRASCALE
from bittrue.display import Column, Table
from bittrue.exports.verilog.design import Design, Module
from bittrue.exports.verilog.resources import queues_of, resources, resources_of
from bittrue.wording import counted


def table_of(design: Design, clock: float) -> Table:
    """A row a module. clock: in MHz."""
    columns = [Column("module"), Column("computes", folds=True)]
    headings = "multipliers", "others", ULTRASCALE.multiplier, "BRAM36", "cycles an image", "images per second"
    columns += [Column(heading, number=True) for heading in headings]
    rows = [
        (
            module.step.name,
            _computes(module),
            f"{module.draft.multipliers:,}",
            f"{module.draft.other_multipliers:,}",
            f"{resources_of(module, ULTRASCALE).multipliers:,}",
            f"{resources_of(module, ULTRASCALE).memories:g}",
            f"{design.cycles_of[module.step.name]:,}",
            f"{clock * 1e6 / design.cycles_of[module.step.name]:,.0f}",
        )
        for module in design.modules
    ]
    return Table(columns, rows, f"Verilog at {clock:g} MHz")


def sentences_of(design: Design, clock: float) -> Sequence[str]:
    """The whole design's numbers, and the queues between its modules."""
    multipliers = sum(module.draft.multipliers for module in design.modules)
    others = sum(module.draft.other_multipliers for module in design.modules)
    slowest = max(design.cycles_of, key=lambda name: design.cycles_of[name])
    beside = f", and beside them {others:,} of scales, averages and products of two values" if others else ""
    taken = [resources_of(module, ULTRASCALE) for module in design.modules]
    taken.append(resources((), queues_of(design), ULTRASCALE))
    found = [
        f"{counted(multipliers, 'multiplier')} of sums{beside}; an image every {design.cycles:,} cycles, which "
        f"{slowest} takes: {clock * 1e6 / design.cycles:,.0f} images per second at {clock:g} MHz.",
        f"An estimate for UltraScale+: {sum(each.multipliers for each in taken):,} {ULTRASCALE.multiplier} and "
        f"{sum(each.memories for each in taken):g} {ULTRASCALE.memory}; {sum(each.bits for each in taken):,} bits in "
        "memories.",
    ]
    queues = [edge for edge in design.edges if edge.queue]
    if queues:
        places = ", ".join(f"{edge.source} → {edge.reader} {edge.queue:,}" for edge in queues)
        found.append(f"Words in queues, beside the modules that their readers wait for: {places}.")
    return found


def _computes(module: Module) -> str:
    return ", ".join(step.name for step in module.group.steps)
