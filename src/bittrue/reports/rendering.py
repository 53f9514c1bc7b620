"""Pages from templates: whole in themselves, with their charts as pictures and as data, and a policy that forbids every
request."""

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bittrue.analysis.charts import specifications as charts
from bittrue.reports import tables, trace_view

_TEMPLATES = "templates"


def rendered(template: str, specifications: Mapping[str, charts.Specification], **shown: Any) -> str:
    """The page as text. specifications: its charts by name; shown: what the template speaks of."""
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
    scripts = [Markup(charts.javascript_bundle()), Markup(_asset("page.js"))]
    return environment.get_template(template).render(
        specifications={name: embedded_json(chart) for name, chart in specifications.items()},
        pictures={name: Markup(charts.to_svg(chart)) for name, chart in specifications.items()},
        style=Markup(_asset("style.css")),
        scripts=scripts,
        script_hashes=[script_hash(script) for script in scripts],
        **shown,
    )


def embedded_json(value: Any) -> Markup:
    """`value` as JSON that can stand in a script element, which ends at `</script` whatever the JSON around it."""
    return Markup(json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))


def script_hash(script: str) -> str:
    """A script's name in a content security policy. Source: W3C, Content Security Policy Level 3, hash-source."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _asset(name: str) -> str:
    return (files("bittrue.reports") / _TEMPLATES / name).read_text("utf-8")
