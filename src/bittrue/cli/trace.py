"""bittrue trace: why a plan does what it does, site by site."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import BatchSize, CommonOptions, DataOptions, FewImages, Model, PlanFile, load_plan
from bittrue.cli.output import explain, optional_folder, say, say_json
from bittrue.cli.progress import progress
from bittrue.cli.tables import Column, print_table
from bittrue.wording import counted

if TYPE_CHECKING:
    from bittrue.analysis.trace_result import Effect, SiteTrace, Trace

SHOWN = 12
"""How many sites the tables list; trace.json has all."""


@command
def trace(
    model: Model,
    plan: PlanFile,
    data: DataOptions,
    common: CommonOptions,
    images: FewImages = 64,
    batch_size: BatchSize = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Write trace.json into this folder; `bittrue report` shows it in the page."
        ),
    ] = None,
) -> None:
    """Say which sites overflow or round to 0, and what freeing each of them, or the fewest together, brings back."""
    from bittrue.analysis.trace import trace as run
    from bittrue.files import dump_json, write_text
    from bittrue.frontends import load

    network = load(model)
    formats = load_plan(plan)
    dataset = data.load(network)
    with optional_folder(out) as folder:
        with progress() as display:
            result = run(network, formats, dataset, images=images, batch_size=batch_size, progress=display)
        if folder is not None:
            write_text(folder / "trace.json", dump_json(result.to_json()))
    if common.json:
        say_json(result.to_json())
        return
    print_trace(result)
    if folder is not None:
        say(f"Written into {folder}")


def print_trace(result: "Trace") -> None:
    """The sites that do most, what freeing them brings, and the sentences."""
    columns = [
        Column("site"),
        Column("format", folds=True),
        Column("values", number=True),
        Column("overflow", number=True),
        Column("to 0", number=True),
        Column("largest", number=True),
        Column("bound", number=True),
    ]
    hot = sorted((site for site in result.sites if site.overflowed or site.zeroed), key=lambda site: -site.damage)
    rows = [
        (
            site.site,
            site.format,
            f"{site.values:,}",
            f"{site.overflowed:,}",
            "" if site.zeroed is None else f"{site.zeroed:,}",
            _largest(site),
            "" if site.bound is None else f"{site.bound:.4g}",
        )
        for site in hot[:SHOWN]
    ]
    if rows:
        print_table(columns, rows, f"What the quantizers did on {counted(result.images, 'image')}, the worst first")
    ranked = [result.site(name) for name in result.ranking]
    if ranked:
        columns = [
            Column("freed alone"),
            Column("as"),
            *(Column(name, number=True) for name in ("flipped", "lost", "gained", "right", "unlike float", "error")),
            Column("back", number=True),
        ]
        shown = [_effect_row(site.site, site.effect) for site in ranked[:SHOWN] if site.effect is not None]
        if result.together is not None:
            shown.append(_effect_row(f"{len(result.together.freed)} together", result.together))
        title = f"What freeing a site brings, of {counted(len(ranked), 'site')}: flips are against the plan's own"
        print_table(columns, shown, title)
    say(f"{counted(result.images, 'image')}: {result.outcome}.")
    for sentence in result.diagnosis:
        explain(sentence)


def _effect_row(name: str, effect: "Effect") -> tuple[str, ...]:
    words = sorted(set(effect.freed.values()))
    numbers = (effect.flipped, effect.lost, effect.gained, effect.correct, effect.from_float)
    back = "" if effect.back is None else f"{100 * effect.back:.0f} %"
    return (name, ", ".join(words), *("" if n is None else f"{n:,}" for n in numbers), f"{effect.error:.3g}", back)


def _largest(site: "SiteTrace") -> str:
    if site.low is None or site.high is None:
        return ""
    return f"{max(-site.low, site.high):.4g}"
