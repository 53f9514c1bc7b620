"""bittrue plan: a format for every site."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import CommonOptions, FractionBits, Model, RecipeOptions, WordLength, parse_number
from bittrue.cli.output import say, say_json
from bittrue.cli.tables import Column, print_table

if TYPE_CHECKING:
    from bittrue.plan import Plan, Spec


@command
def plan(
    model: Model,
    recipe: RecipeOptions,
    common: CommonOptions,
    word_length: WordLength = None,
    fraction_bits: FractionBits = None,
    ranges: Annotated[
        Path | None,
        typer.Option("--ranges", metavar="ranges.json", help="Ranges from `bittrue ranges`, for the hardware recipe."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="plan.json", help="Write the plan.")] = None,
) -> None:
    """Choose a format for every site: the same everywhere, or word lengths with binary points from ranges."""
    from bittrue.errors import BittrueError
    from bittrue.files import dump_json, read_json, write_text
    from bittrue.frontends import load
    from bittrue.plan import Ranges

    words = None if word_length is None else parse_number(word_length, "--word-length")
    fractions = None if fraction_bits is None else parse_number(fraction_bits, "--fraction-bits")
    chosen = recipe.choose(word_length=words is not None, fraction_bits=fractions is not None)
    if ranges is not None and not chosen.needs_ranges:
        raise BittrueError(
            f"--ranges has no use in the recipe {chosen.name}: leave it out, or give --word-length alone."
        )
    network = load(model)
    measured = None if ranges is None else Ranges.from_json(read_json(ranges, "ranges file"), str(ranges))
    made = chosen.plan_for(network, measured, word_length=words, fraction_bits=fractions)
    if out is not None:
        write_text(out, dump_json(made.to_json()))
    if common.json:
        say_json(made.to_json())
        return
    print_plan(made)
    if out is not None:
        say(f"Written: {out}")


def print_plan(made: "Plan") -> None:
    """The plan as a table: each site's format with the values that it reaches."""
    from bittrue.plan import describe_spec

    columns = [Column("site"), Column("format"), Column("from", number=True), Column("to", number=True)]
    columns.append(Column("step", number=True))
    rows = [(name, describe_spec(spec), *_reach(spec)) for name, spec in made.sites.items()]
    options = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in made.options.to_json().items())
    print_table(columns, rows, f"Plan {made.hash[:18]}… ({options})")


def _reach(spec: "Spec") -> tuple[str, str, str]:
    """The lowest and the highest value of a format, and its last bit's; empty where there is no format."""
    from bittrue.plan import Guard, Word

    if isinstance(spec, Word):
        return "", "", ""
    quantizers = (spec.quantizer,) if isinstance(spec, Guard) else spec if isinstance(spec, tuple) else (spec,)
    formats = [quantizer.format for quantizer in quantizers]
    lowest, highest = min(format.min_value for format in formats), max(format.max_value for format in formats)
    return _decimal(lowest), _decimal(highest), f"2^{-max(format.fraction_bits for format in formats)}"


def _decimal(value: Fraction) -> str:
    """Six digits of a number that may lie beyond a float's reach."""
    return f"{Decimal(value.numerator) / Decimal(value.denominator):.6g}"
