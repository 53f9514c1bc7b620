"""Plan: for every site of a network a quantizer, or a word that says why it has none."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from bittrue.display import Column, Table, View
from bittrue.errors import PlanError
from bittrue.fixed import Quantizer
from bittrue.network import Network
from bittrue.plan.options import PlanOptions
from bittrue.plan.sites import Site, sites_of, unknown_site
from bittrue.plan.spec import Spec, Word, describe_spec, formats_of, spec_from_json, spec_to_json
from bittrue.result import SavedResult
from bittrue.wording import excerpt


@dataclass(frozen=True, repr=False)
class Plan(SavedResult):
    """network: the hash of the network it was made for. sites: a Spec for every site, by name."""

    network: str
    options: PlanOptions
    sites: Mapping[str, Spec]

    file: ClassVar[str] = "plan"

    def view(self) -> View:
        rows = []
        for name, spec in self.sites.items():
            reach = _reach(spec)
            ends = ("", "", "") if reach is None else (_decimal(reach[0]), _decimal(reach[1]), f"2^{-reach[2]}")
            rows.append((name, describe_spec(spec), *ends))
        columns = (Column("site"), Column("format", folds=True), Column("from", number=True), Column("to", number=True))
        options = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in self.options.to_json().items())
        title = f"Plan {self.hash[:18]}… ({options})"
        return (Table((*columns, Column("step", number=True)), rows, title),)

    def records(self) -> list[dict[str, Any]]:
        """A row a site: its format, and the values that it reaches; None where it has no format."""
        rows = []
        for name, spec in self.sites.items():
            reach = _reach(spec)
            lowest, highest, fraction_bits = (None, None, None) if reach is None else reach
            rows.append(
                {
                    "site": name,
                    "format": describe_spec(spec),
                    "lowest": None if lowest is None else _float(lowest),
                    "highest": None if highest is None else _float(highest),
                    "fraction_bits": fraction_bits,
                }
            )
        return rows

    def to_json(self) -> dict[str, Any]:
        return {
            "bittrue": 1,
            "network": self.network,
            "options": self.options.to_json(),
            "sites": {name: spec_to_json(spec) for name, spec in self.sites.items()},
        }

    @classmethod
    def from_json(cls, content: Any, source: str) -> "Plan":
        """Read plan.json's object; raises PlanError that names `source` and the site."""
        if not isinstance(content, dict) or not isinstance(content.get("sites"), dict) or "network" not in content:
            raise PlanError(f"{source}: not a plan; make one with `bittrue plan`.")
        if content.get("bittrue") != 1:
            version = excerpt(repr(content.get("bittrue")))
            raise PlanError(f"{source}: version {version} of the file is not known; make the plan again.")
        options = content.get("options", {})
        if not isinstance(options, dict):
            raise PlanError(f"{source}: its options are no object; make the plan again.")
        try:
            sites = {name: spec_from_json(value, name) for name, value in content["sites"].items()}
        except PlanError as error:
            raise PlanError(f"{source}: {error}") from None
        return cls(str(content["network"]), PlanOptions.from_json(options, source), sites)

    @cached_property
    def hash(self) -> str:
        """`sha256:…` over the canonical JSON."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


PlanLike = Plan | str | os.PathLike[str]
"""A plan, its file, or the folder of results whose plan.json it is."""


def as_plan(plan: PlanLike) -> Plan:
    """The plan itself. Raises: PlanError and BittrueError for what holds none."""
    if isinstance(plan, Plan):
        return plan
    path = Path(plan)
    return Plan.load(path / "plan.json" if path.is_dir() else path)


def _reach(spec: Spec) -> tuple[Fraction, Fraction, int] | None:
    """The lowest and the highest value of a format and its fraction bits, the most of any channel's."""
    formats = formats_of(spec)
    if not formats:
        return None
    lowest, highest = min(format.min_value for format in formats), max(format.max_value for format in formats)
    return lowest, highest, max(format.fraction_bits for format in formats)


def _float(value: Fraction) -> float:
    """The number as a float, an infinity beyond a float's reach."""
    if abs(value) < Fraction(2) ** 1023:
        return float(value)
    return math.inf if value > 0 else -math.inf


def _decimal(value: Fraction) -> str:
    """Six digits of a number that may lie beyond a float's reach."""
    return f"{Decimal(value.numerator) / Decimal(value.denominator):.6g}"


def check_plan(plan: Plan, network: Network) -> dict[str, Site]:
    """Refuse a plan that is not this network's; returns the network's sites under the plan's options."""
    if plan.network != network.hash:
        raise PlanError(
            f"the plan was made for another network ({plan.network[:18]}…, and {network.name} is "
            f"{network.hash[:18]}…); make a plan for this one with `bittrue plan`, or give "
            "the repaired weights that were saved with it."
        )
    found = sites_of(network, plan.options)
    for name in plan.sites:
        if name not in found:
            raise unknown_site(name, found)
    for name, site in found.items():
        if name not in plan.sites:
            if site.optional:
                continue
            raise PlanError(f"the plan says nothing of the site {name}; make it again with `bittrue plan`.")
        check_spec(site, plan.sites[name])
    return found


def check_spec(site: Site, spec: Spec) -> None:
    """Refuse what a site can't have: EXACT without a finite code, or formats by channel where there are none."""
    if spec is Word.EXACT and not site.finite:
        raise PlanError(
            f"site {site.name}: EXACT is impossible, as the result has no finite code; use GUARD, FLOAT or a format."
        )
    if isinstance(spec, tuple):
        if site.channels is None:
            raise PlanError(f"site {site.name}: only weights take one format an output channel; give a single format.")
        if len(spec) != site.channels:
            raise PlanError(
                f"site {site.name}: {len(spec)} formats for {site.channels} output channels; give one a channel."
            )
        if len({(quantizer.rounding, quantizer.overflow) for quantizer in spec}) > 1:
            raise PlanError(f"site {site.name}: rounding and overflow differ between channels; use one of each.")
    if site.role == "accumulator" and not isinstance(spec, tuple | Quantizer) and spec is not Word.EXACT:
        raise PlanError(f"site {site.name}: an accumulator is EXACT or has a format.")
