"""What a folder of results holds, read and checked: the sweep, and whatever else lies beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from bittrue.analysis.accumulators import AccumulatorWidths
from bittrue.analysis.charts.reach import SiteReach, site_reaches
from bittrue.analysis.evaluating.metrics import metric_named
from bittrue.analysis.evaluating.metrics.metric import Shown
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.tracing.trace_result import Trace
from bittrue.analysis.verdict import Row
from bittrue.errors import BittrueError
from bittrue.files import read_json
from bittrue.plan import Plan, Ranges

_Content = TypeVar("_Content")

_VERIFICATION_KEYS = ("plan", "against", "images", "values", "mismatches", "first")
_CERTIFICATE_KEYS = ("plan", "witnesses", "mismatches", "files", "versions", "command", "on_host")
_MUTATION_KEYS = ("plan", "images", "seed", "mutations", "caught", "explained", "escaped", "mutants", "command")
_SIMULATION_KEYS = ("plan", "exact", "layers")


@dataclass(frozen=True)
class Evidence:
    """The files of a folder, None for those that are not there; verification, simulation,
    certificate and mutations of the plan as JSON.

    trace: of any plan for the network, since one asks why of those that do badly.
    """

    sweep: Sweep
    ranges: Ranges | None
    accumulators: AccumulatorWidths | None
    plan: Plan | None
    verification: Mapping[str, Any] | None
    simulation: Mapping[str, Any] | None
    certificate: Mapping[str, Any] | None
    mutations: Mapping[str, Any] | None
    network_text: str | None
    trace: Trace | None

    @cached_property
    def reaches(self) -> tuple[SiteReach, ...]:
        """Every measured site beside its format; none where no ranges are there."""
        return () if self.ranges is None else site_reaches(self.ranges, self.plan)

    @property
    def shown(self) -> Shown:
        """How the sweep's metric shows its rows."""
        return metric_named(self.sweep.metric).shown

    @property
    def measures_accuracy(self) -> bool:
        """Whether the rows have an accuracy, with its interval, ties and flips."""
        return _measures_accuracy(self.sweep)

    @property
    def plan_row(self) -> Row | None:
        """The row of the sweep that ran the folder's plan."""
        if self.plan is None:
            return None
        return next((row for row in self.sweep.rows if row.plan == self.plan.hash), None)


def read_evidence(folder: Path) -> Evidence:
    """Read `folder`. What verify.json, simulate.json, certificate.json or mutations.json say of another plan than the
    folder's is left out: an earlier sweep's.

    Raises BittrueError where there is no sweep, a file is damaged, or one is about another network than the sweep.
    """
    if not folder.is_dir():
        raise BittrueError(f"There is no folder {folder}: name one that `bittrue sweep` or `bittrue demo` made.")
    if not (folder / "sweep.json").exists():
        raise BittrueError(f"{folder} holds no sweep.json: make one with `bittrue sweep … --out {folder}`.")
    sweep = _sweep(folder / "sweep.json")
    ranges = _optional(folder / "ranges.json", Ranges.from_json)
    accumulators = _optional(folder / "ranges.json", _accumulators)
    plan = _optional(folder / "plan.json", Plan.from_json)
    verification = _optional(folder / "verify.json", _with_keys(_VERIFICATION_KEYS, "verify"))
    simulation = _optional(folder / "simulate.json", _with_keys(_SIMULATION_KEYS, "simulate"))
    certificate = _optional(folder / "certificate.json", _with_keys(_CERTIFICATE_KEYS, "verify --certificate"))
    mutations = _optional(folder / "mutations.json", _with_keys(_MUTATION_KEYS, "verify --mutate"))
    trace = _optional(folder / "trace.json", Trace.from_json)
    of_networks = {
        "ranges.json": ranges and ranges.network,
        "plan.json": plan and plan.network,
        "trace.json": trace and trace.network,
    }
    for name, network in of_networks.items():
        if network not in (None, sweep.network):
            raise BittrueError(
                f"{folder / name} is about another network than {folder / 'sweep.json'}: make both from the same model."
            )
    return Evidence(
        sweep=sweep,
        ranges=ranges,
        accumulators=accumulators,
        plan=plan,
        verification=_about(plan, verification),
        simulation=_about(plan, simulation),
        certificate=_about(plan, certificate),
        mutations=_about(plan, mutations),
        network_text=_text(folder / "network.txt"),
        trace=trace,
    )


def _sweep(path: Path) -> Sweep:
    sweep = Sweep.from_json(read_json(path, "sweep"), str(path))
    if not sweep.rows or sweep.rows[0].plan is not None:
        raise BittrueError(f"{path} doesn't begin with a float row: run the sweep again.")
    for row in sweep.rows:
        judged = (row.accuracy, row.accuracy_interval, row.accuracy_over_ties)
        if _measures_accuracy(sweep) and None in judged:
            raise BittrueError(f"{path}: the row {row.name} lacks its accuracy, interval or ties: run the sweep again.")
    return sweep


def _measures_accuracy(sweep: Sweep) -> bool:
    return metric_named(sweep.metric).shown.section == "accuracy"


def _optional(path: Path, parse: Callable[[Any, str], _Content]) -> _Content | None:
    return parse(read_json(path, path.stem), str(path)) if path.exists() else None


def _accumulators(content: Any, source: str) -> AccumulatorWidths | None:
    """What `bittrue ranges` adds to the ranges."""
    return AccumulatorWidths.from_json(content["accumulators"], source) if "accumulators" in content else None


def _with_keys(keys: tuple[str, ...], command: str) -> Callable[[Any, str], Mapping[str, Any]]:
    def parse(content: Any, source: str) -> Mapping[str, Any]:
        missing = [key for key in keys if not isinstance(content, dict) or key not in content]
        if missing:
            raise BittrueError(f"{source} lacks '{missing[0]}': make it again with `bittrue {command}`.")
        found: dict[str, Any] = content
        return found

    return parse


def _about(plan: Plan | None, found: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What was found, if it is about `plan`, whose hash covers the network."""
    return found if plan is not None and found is not None and found["plan"] == plan.hash else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BittrueError(f"{path} can't be read ({error}): delete it or make it again.") from None
