"""bittrue plan: a format for every site."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.numbers import parse_number
from bittrue.cli.options import FractionBits, ModelOptions, RecipeOptions
from bittrue.cli.output import say
from bittrue.cli.tables import TableOptions, print_view, shown_as_data
from bittrue.cli.words import WordOptions

if TYPE_CHECKING:
    from bittrue.network import Network
    from bittrue.plan import Plan


@command
def plan(
    model: ModelOptions,
    words: WordOptions,
    recipe: RecipeOptions,
    common: TableOptions,
    fraction_bits: FractionBits = None,
    ranges: Annotated[
        Path | None,
        typer.Option("--ranges", metavar="ranges.json", help="Ranges from `bittrue ranges`, for the hardware recipe."),
    ] = None,
    from_model: Annotated[
        bool,
        typer.Option(
            "--from-model",
            help="The formats that the file holds: .onnx (QDQ, QONNX), .keras and .h5 (QKeras, HGQ); with "
            "--word-length W and --site for what has none.",
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="plan.json", help="Write the plan.")] = None,
) -> None:
    """Choose a format for every site: the same everywhere, or word lengths with binary points from ranges."""
    from bittrue.errors import BittrueError
    from bittrue.plan import Ranges

    if from_model:
        if fraction_bits is not None or recipe.beyond_sites:
            raise BittrueError(
                "--from-model takes the formats that the file holds, and only --word-length, --site and how their "
                "quantizers are chosen beside it, for what has none: leave the rest out."
            )
        network, found = model.load_with_plan()
        measured = None if ranges is None else Ranges.load(ranges)
        show_plan(network, recipe.complete(network, found, words.one(), measured), common, out)
        return
    lengths = words.one()
    fractions = None if fraction_bits is None else parse_number(fraction_bits, "--fraction-bits")
    chosen = recipe.choose(word_length=lengths is not None, fraction_bits=fractions is not None)
    if ranges is not None and not chosen.needs_ranges:
        raise BittrueError(
            f"--ranges has no use in the recipe {chosen.name}: leave it out, or give --word-length alone."
        )
    network = model.load()
    measured = None if ranges is None else Ranges.load(ranges)
    made = chosen.plan_for(network, measured, word_length=lengths, fraction_bits=fractions)
    show_plan(network, made, common, out)


def show_plan(network: "Network", made: "Plan", common: TableOptions, out: Path | None) -> None:
    """Write the plan where it is wanted, and print it with its cost."""
    from bittrue.analysis.cost.cost import cost_or_reason

    if out is not None:
        made.save(out)
    if shown_as_data(made, common):
        return
    print_view(made.view())
    priced = cost_or_reason(network, made)
    print_view((priced,) if isinstance(priced, str) else priced.totals())
    if out is not None:
        say(f"Written: {out}")
