"""bittrue search: the shortest words that hold the accuracy, and a claim on images that nothing was chosen on."""

from pathlib import Path
from typing import Annotated

import typer

from bittrue.cli.command import ANSWER_IS_NO, command
from bittrue.cli.engine import EngineName, check_engine, opened_engine
from bittrue.cli.options import DataOptions, Images, LayerNorm, ModelOptions, Sites, Softmax
from bittrue.cli.output import output_folder, say
from bittrue.cli.progress import progress
from bittrue.cli.tables import TableOptions, print_view, shown_as_data
from bittrue.cli.words import FreePoint, FreeWords, PerChannel

SEARCH = "Search"


@command
def search(
    context: typer.Context,
    model: ModelOptions,
    data: DataOptions,
    common: TableOptions,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="DIR",
            help="The folder for plan.json, weights.npz, search.json and report.html; a killed search goes on there.",
        ),
    ],
    max_drop: Annotated[
        float,
        typer.Option("--max-drop", metavar="POINTS", help="Percentage points of accuracy that may be lost."),
    ] = 0.5,
    cost: Annotated[
        list[str] | None,
        typer.Option(
            "--cost",
            metavar="NAME",
            rich_help_panel=SEARCH,
            help="What is made small: weight-bits (default), activation-bits, mac-bit-operations, dsp, bram, …; "
            "repeatable, for the mean of their shares.",
        ),
    ] = None,
    words: FreeWords = "2:8",
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            metavar="NAME=BITS",
            rich_help_panel=SEARCH,
            help="A word length that isn't searched: 'conv1.*=8'; * matches in NAME. Repeatable.",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            metavar="COST=NUMBER",
            rich_help_panel=SEARCH,
            help="What the plan may cost at most: bram=140. Repeatable.",
        ),
    ] = None,
    repairs: Annotated[
        str,
        typer.Option(
            "--repair",
            metavar="auto|none|LIST",
            rich_help_panel=SEARCH,
            help="Repairs of the weights, as `bittrue repair` has them, of every plan that is simulated.",
        ),
    ] = "none",
    point: FreePoint = "least-squares",
    per_channel: PerChannel = True,
    calibration: Annotated[
        str | None,
        typer.Option(
            "--calibration",
            metavar="DATA",
            rich_help_panel="Data",
            help="Other data to measure on, without labels (default: the training split, else a part of --data is set "
            "aside).",
        ),
    ] = None,
    calibrate: Annotated[
        int | None,
        typer.Option(
            "--calibrate",
            metavar="N",
            min=2,
            rich_help_panel="Data",
            help="Images to measure on (default: 512, or a quarter of less).",
        ),
    ] = None,
    held_out: Annotated[
        int | None,
        typer.Option(
            "--held-out",
            metavar="N",
            min=1,
            rich_help_panel="Data",
            help="Images for the claim alone (default: half of the rest).",
        ),
    ] = None,
    images: Images = None,
    steps: Annotated[
        int,
        typer.Option(
            "--steps",
            metavar="N",
            min=0,
            rich_help_panel=SEARCH,
            help="Simulations in which single bits are exchanged, when the budget is found.",
        ),
    ] = 16,
    passes: Annotated[
        int | None,
        typer.Option(
            "--passes",
            metavar="N",
            min=1,
            rich_help_panel=SEARCH,
            help="Image passes, with those of the claim, beyond which no cheaper plan is looked for when one is found "
            "(default: no such limit).",
        ),
    ] = None,
    scales: Annotated[
        int, typer.Option("--scales", metavar="S", min=1, rich_help_panel=SEARCH, help="Bits of batch norms' scales.")
    ] = 12,
    biases: Annotated[
        int, typer.Option("--biases", metavar="B", min=1, rich_help_panel=SEARCH, help="Bits of biases and offsets.")
    ] = 16,
    also: Annotated[
        str,
        typer.Option(
            "--also",
            metavar="LIST",
            rich_help_panel=SEARCH,
            help="What is searched beside weights and outputs, joined by commas: biases, scales, tables (what a table "
            "form stores inside a node).",
        ),
    ] = "",
    softmax: Softmax = None,
    layer_norm: LayerNorm = None,
    site: Sites = None,
    pareto: Annotated[
        bool,
        typer.Option(
            "--pareto", rich_help_panel=SEARCH, help="Simulate plans at other prices, too: what each bit brings."
        ),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Draws which images are in which part.")] = 0,
    engine: EngineName = None,
) -> None:
    """Find the shortest words that hold the accuracy, and claim it on images that nothing was chosen on."""
    check_engine(engine)
    from bittrue.plan import Override, parse_point
    from bittrue.searches.search import search as run

    network = model.load()
    dataset = data.load(network)
    other = data.load_beside(network, dataset) if calibration is None else data.load_for_training(network, calibration)
    with output_folder(out) as folder, progress() as display, opened_engine(engine, common) as shared:
        found = run(
            network,
            dataset,
            max_drop=max_drop,
            cost=cost or "weight-bits",
            words=words,
            keep=keep or (),
            limit=limit or (),
            repairs=repairs,
            point=parse_point(point),
            per_channel=per_channel,
            calibration=other,
            calibrate=calibrate,
            held_out=held_out,
            images=images,
            steps=steps,
            passes=passes,
            scales=scales,
            biases=biases,
            also=[name.strip() for name in also.split(",")] if also else (),
            softmax=softmax or "exact",
            layer_norm=layer_norm or "exact",
            overrides=tuple(map(Override.parse, site or ())),
            pareto=pareto,
            seed=seed,
            out=folder,
            command=context.obj,
            engine=shared,
            progress=display,
        )
    if not shown_as_data(found, common):
        print_view(found.view())
        say(f"Written into {out}")
    if not found.holds:
        raise typer.Exit(ANSWER_IS_NO)
