"""build_report: one HTML page of a folder of results, which needs nothing else to be read.

The page carries its styles, its scripts and its charts' data. Its content security policy forbids every request, and
every script but its own, whose hashes it names. The charts stand in it as pictures too, for readers without scripts.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bittrue.analysis.charts import specifications as charts
from bittrue.analysis.cost.named import COSTS
from bittrue.errors import BittrueError
from bittrue.files import write_bytes, write_text
from bittrue.plan import describe_spec
from bittrue.reports import tables, trace_view
from bittrue.reports.evidence import Evidence, read_evidence
from bittrue.reports.rendering import rendered
from bittrue.reports.search_page import build_search_report, build_sensitivity_report
from bittrue.wording import points

OTHER_PAGES: Mapping[str, Callable[[Path], Path]] = {
    "search.json": build_search_report,
    "sensitivity.json": build_sensitivity_report,
}
"""What makes the page of a folder without a sweep, by what lies in it."""


def build_report(folder: Path, max_drop: float | None = None) -> Path:
    """Write `report.html` into `folder`, and `accuracy.png` where the sweep measured accuracy; returns the page's path.

    Reads sweep.json, and where they are there ranges.json, plan.json, network.txt, trace.json, and the plan's
    simulate.json, verify.json, certificate.json and mutations.json. An accuracy.png of an earlier sweep goes where this
    one has none. The same files give the same bytes. max_drop: judge the sweep's rows by another largest drop first,
    and write sweep.json with it. Raises BittrueError where there is no sweep, a file is damaged or about another
    network, or another row than that of plan.json would be chosen. A folder without a sweep has the page of its search
    or of its sensitivities.
    """
    for name, build in OTHER_PAGES.items():
        if (folder / name).exists() and not (folder / "sweep.json").exists():
            if max_drop is not None:
                raise BittrueError(f"--max-drop judges the rows of a sweep, and {folder} holds {name}: leave it out.")
            return build(folder)
    if max_drop is not None:
        _judge_again(folder, max_drop)
    evidence = read_evidence(folder)
    specifications = _specifications(evidence)
    page = folder / "report.html"
    write_text(page, render(evidence, specifications))
    picture = folder / "accuracy.png"
    if "accuracy" in specifications:
        write_bytes(picture, charts.to_png(specifications["accuracy"]))
    else:
        picture.unlink(missing_ok=True)
    return page


def render(evidence: Evidence, specifications: Mapping[str, charts.Specification]) -> str:
    """The page as text; `specifications`: its charts by name."""
    plan = evidence.plan
    return rendered(
        "report.html",
        specifications,
        sweep=evidence.sweep,
        evidence=evidence,
        reference=evidence.sweep.compared[0],
        measures_accuracy=evidence.measures_accuracy,
        shown=evidence.shown,
        caption=evidence.shown.caption(evidence.sweep.compared),
        most_lost=points(evidence.sweep.standard.max_drop),
        costs=tuple(COSTS.values()),
        reaches=evidence.reaches,
        formats={} if plan is None else {name: describe_spec(spec) for name, spec in plan.sites.items()},
        overflows=tables.overflow_table(evidence.sweep.rows),
        proof=tables.proof_table(evidence),
        view=None if evidence.trace is None else trace_view.trace_view(evidence.trace, evidence.sweep.rows),
    )


def _judge_again(folder: Path, max_drop: float) -> None:
    """Write the folder's sweep.json with another largest drop, and the verdict that follows."""
    evidence = read_evidence(folder)
    sweep = replace(evidence.sweep, standard=replace(evidence.sweep.standard, max_drop=max_drop))
    enough = sweep.sufficient
    if evidence.plan is not None and (enough is None or enough.plan != evidence.plan.hash):
        chosen = "no row suffices" if enough is None else f"the row {enough.name} suffices"
        option = "that option" if sweep.deciding is None else f"--decide {max_drop:g}"
        raise BittrueError(
            f"With --max-drop {max_drop:g} {chosen}, and {folder / 'plan.json'} is another one's: run the sweep with "
            f"{option}; what is in its results.sqlite isn't computed again."
        )
    sweep.save(folder / "sweep.json")


def _specifications(evidence: Evidence) -> dict[str, charts.Specification]:
    shown = evidence.shown
    drawn: dict[str, charts.Specification] = {
        shown.section: shown.chart(evidence.sweep.compared, evidence.sweep.standard)
    }
    if evidence.reaches:
        drawn["ranges"] = charts.ranges_chart(evidence.reaches)
    return drawn
