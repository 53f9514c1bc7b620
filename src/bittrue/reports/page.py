"""build_report: one HTML page of a folder of results, which needs nothing else to be read.

The page carries its styles, its scripts and its charts' data. Its content security policy forbids every request, and
every script but its own, whose hashes it names. The charts stand in it as pictures too, for readers without scripts.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bittrue.analysis.charts import specifications as charts
from bittrue.analysis.cost.named import COSTS
from bittrue.analysis.verdict import points
from bittrue.errors import BittrueError
from bittrue.files import write_bytes, write_text
from bittrue.plan import describe_spec
from bittrue.reports import tables, trace_view
from bittrue.reports.evidence import Evidence, read_evidence

_TEMPLATES = "templates"


def build_report(folder: Path, max_drop: float | None = None) -> Path:
    """Write `report.html` into `folder`, and `accuracy.png` where the sweep measured accuracy; returns the page's path.

    Reads sweep.json, and where they are there ranges.json, plan.json, network.txt, trace.json, and the plan's
    simulate.json, verify.json, certificate.json and mutations.json. An accuracy.png of an earlier sweep goes where this
    one has none. The same files give the same bytes. max_drop: judge the sweep's rows by another largest drop first,
    and write sweep.json with it. Raises BittrueError where there is no sweep, a file is damaged or about another
    network, or another row than that of plan.json would be chosen.
    """
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
    environment = Environment(
        loader=PackageLoader("bittrue.reports", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= tables.FILTERS | {
        "channels": trace_view.channels_text,
        "effect": trace_view.effect_text,
        "event": trace_view.event_text,
        "heat_of": trace_view.heat_of,
    }
    plan = evidence.plan
    scripts = [Markup(charts.javascript_bundle()), Markup(_asset("page.js"))]
    return environment.get_template("report.html").render(
        sweep=evidence.sweep,
        evidence=evidence,
        reference=evidence.sweep.compared[0],
        measures_accuracy=evidence.measures_accuracy,
        shown=evidence.shown,
        caption=evidence.shown.caption(evidence.sweep.compared),
        most_lost=points(evidence.sweep.standard.max_drop),
        specifications={name: embedded_json(chart) for name, chart in specifications.items()},
        pictures={name: Markup(charts.to_svg(chart)) for name, chart in specifications.items()},
        costs=tuple(COSTS.values()),
        reaches=evidence.reaches,
        formats={} if plan is None else {name: describe_spec(spec) for name, spec in plan.sites.items()},
        overflows=tables.overflow_table(evidence.sweep.rows),
        proof=tables.proof_table(evidence),
        view=None if evidence.trace is None else trace_view.trace_view(evidence.trace, evidence.sweep.rows),
        style=Markup(_asset("style.css")),
        scripts=scripts,
        script_hashes=[script_hash(script) for script in scripts],
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


def embedded_json(value: Any) -> Markup:
    """`value` as JSON that can stand in a script element, which ends at `</script` whatever the JSON around it."""
    return Markup(json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))


def script_hash(script: str) -> str:
    """A script's name in a content security policy. Source: W3C, Content Security Policy Level 3, hash-source."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _specifications(evidence: Evidence) -> dict[str, charts.Specification]:
    shown = evidence.shown
    drawn: dict[str, charts.Specification] = {
        shown.section: shown.chart(evidence.sweep.compared, evidence.sweep.standard)
    }
    if evidence.reaches:
        drawn["ranges"] = charts.ranges_chart(evidence.reaches)
    return drawn


def _asset(name: str) -> str:
    return (files("bittrue.reports") / _TEMPLATES / name).read_text("utf-8")
