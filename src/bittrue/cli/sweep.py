"""bittrue sweep: the network at several numbers of bits beside float, and how few suffice."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import (
    BatchSize,
    CommonOptions,
    DataOptions,
    FractionBits,
    Images,
    Model,
    RecipeOptions,
    WordLength,
    parse_bits,
)
from bittrue.cli.output import explain, optional_folder, say, say_json
from bittrue.cli.progress import progress
from bittrue.cli.tables import Column, print_table
from bittrue.wording import counted, probability

if TYPE_CHECKING:
    from bittrue.analysis.sweep import SweepRow
    from bittrue.analysis.sweep_result import Row, Sweep
    from bittrue.analysis.verify import Verification
    from bittrue.network import Network
    from bittrue.plan import Ranges

RANGES_IMAGES = 256
"""The report shows the ranges of the first images where the recipe needs none."""

STORE = "results.sqlite"


@command
def sweep(
    context: typer.Context,
    model: Model,
    data: DataOptions,
    recipe: RecipeOptions,
    common: CommonOptions,
    word_length: WordLength = None,
    fraction_bits: FractionBits = None,
    calibrate: Annotated[
        int | None,
        typer.Option(
            "--calibrate",
            metavar="N",
            min=1,
            rich_help_panel="Data",
            help="Images to measure the hardware recipe's ranges on: of the training split, else left out of the test.",
        ),
    ] = None,
    images: Images = None,
    batch_size: BatchSize = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric", metavar="accuracy|binary|mse|sqnr", help="What is measured; the last two beside float."
        ),
    ] = "accuracy",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="A folder for the results and the report; a killed sweep resumes there."
        ),
    ] = None,
) -> None:
    """Evaluate the network at several numbers of bits beside float, and say how few suffice."""
    from bittrue.analysis.ranges import measure_ranges
    from bittrue.analysis.sweep import sweep as evaluate
    from bittrue.analysis.sweep import sweep_rows
    from bittrue.errors import BittrueError
    from bittrue.frontends import load

    words = () if word_length is None else parse_bits(word_length, "--word-length")
    fractions = () if fraction_bits is None else parse_bits(fraction_bits, "--fraction-bits")
    chosen = recipe.choose(word_length=bool(words), fraction_bits=bool(fractions))
    if calibrate is not None and not chosen.needs_ranges:
        raise BittrueError(
            f"--calibrate has no use in the recipe {chosen.name}: leave it out, or give --word-length alone."
        )
    network = load(model)
    if chosen.needs_ranges:
        calibration, dataset = data.load_with_calibration(network, calibrate)
    else:
        dataset = data.load(network)
        calibration = dataset.take(min(RANGES_IMAGES, dataset.images))
    with optional_folder(out) as folder, progress() as display:
        measured = None
        if chosen.needs_ranges or folder is not None:
            measured = measure_ranges(network, calibration, batch_size=batch_size, progress=display)
        rows = sweep_rows(network, chosen, word_lengths=words, fraction_bits=fractions, ranges=measured)
        try:
            result = evaluate(
                network,
                dataset,
                rows,
                store=None if folder is None else folder / STORE,
                images=images,
                batch_size=batch_size,
                metric=metric,
                calibration=measured.data if measured is not None and chosen.needs_ranges else None,
                command=context.obj,
                progress=display,
            )
        except KeyboardInterrupt:
            if folder is None:
                raise
            raise KeyboardInterrupt(f"the same command goes on from what is in {folder / STORE}") from None
        if folder is not None:
            write_results(folder, network, measured, rows, result)
    if common.json:
        say_json(result.to_json())
        return
    print_sweep(result)
    if folder is not None:
        say(f"The report: {folder / 'report.html'}")


def write_results(
    folder: Path,
    network: "Network",
    ranges: "Ranges | None",
    rows: "Sequence[SweepRow]",
    result: "Sweep",
    verification: "Verification | None" = None,
) -> None:
    """Everything that a sweep leaves in its folder beside its store, the report last."""
    from bittrue.files import dump_json, write_text
    from bittrue.report.page import build_report

    plan = sufficient(rows, result).plan
    parts = {"ranges": ranges, "plan": plan, "sweep": result, "verify": verification}
    write_text(folder / "network.txt", network.text)
    for name, part in parts.items():
        if part is not None:
            write_text(folder / f"{name}.json", dump_json(part.to_json()))
    build_report(folder)


def sufficient(rows: "Sequence[SweepRow]", result: "Sweep") -> "SweepRow":
    """What was asked for as the sweep's sufficient row; the last row, which has the most bits, where none suffices."""
    enough = result.sufficient
    return rows[-1] if enough is None else next(row for row in rows if row.name == enough.name)


def print_sweep(result: "Sweep") -> None:
    """The sweep as a table, and its verdict."""
    title = f"{result.network_name} on {counted(result.data['images'], 'image')} of {result.data['name']}"
    if result.rows[0].accuracy is None:
        columns = [Column("row"), Column("mean squared error", number=True), Column("SQNR", number=True)]
        cells = [[row.name, f"{row.mse:.6g}", _or_blank(row.sqnr, "{:.2f} dB")] for row in result.rows]
    else:
        title += "; flips: images that only float (−) or only the row (+) gets right"
        columns = [Column("row"), *(Column(heading, number=True) for heading in ACCURACY_HEADINGS)]
        cells = [[row.name, *_accuracy_cells(row)] for row in result.rows]
    print_table(
        [*columns, Column("overflows", number=True)],
        [
            [*start, "" if row.plan is None else f"{sum(row.overflows.values()):,}"]
            for start, row in zip(cells, result.rows, strict=True)
        ],
        title,
    )
    inexact = [row.name for row in result.rows if row.plan is not None and not row.exact]
    if inexact:
        explain(f"Not exact, since FLOAT has a part in them: {', '.join(inexact)}.")
    else:
        say("Every row but float is exact, proven for every layer.")
    explain(result.verdict)


ACCURACY_HEADINGS = ("accuracy %", "95 %", "over ties", "loss", "flips", "p")


def _accuracy_cells(row: "Row") -> list[str]:
    assert row.accuracy is not None
    assert row.accuracy_interval is not None
    assert row.accuracy_over_ties is not None
    return [
        f"{100 * row.accuracy:.2f}",
        _reach(row.accuracy_interval),
        _reach(row.accuracy_over_ties) if row.tied else "",
        f"{row.loss:.4f}",
        "" if row.lost is None else f"−{row.lost:,} +{row.gained:,}",
        "" if row.p_value is None else probability(row.p_value),
    ]


def _reach(shares: tuple[float, float]) -> str:
    return "…".join(f"{100 * share:.2f}" for share in shares)


def _or_blank(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
