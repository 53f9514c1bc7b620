"""bittrue inspect: a network as it was read."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bittrue.cli.command import command
from bittrue.cli.options import ModelOptions, RepairedFile
from bittrue.cli.output import explain, say
from bittrue.cli.tables import TableOptions, print_view, shown_as_data
from bittrue.display import Column, Table, View
from bittrue.result import Result

if TYPE_CHECKING:
    from bittrue.analysis.cost.result import Cost
    from bittrue.network import Network
    from bittrue.plan import Plan, Site


@command
def inspect(
    model: ModelOptions,
    common: TableOptions,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="plan.json", help="Show the format of each site, and what the plan costs."),
    ] = None,
    repaired: RepairedFile = None,
    batch_norm: Annotated[
        str | None,
        typer.Option("--batch-norm", metavar="raw|affine", help="The form whose sites are listed (default: affine)."),
    ] = None,
    softmax: Annotated[
        str | None,
        typer.Option("--softmax", metavar="exact|table", help="The form whose sites are listed (default: exact)."),
    ] = None,
    layer_norm: Annotated[
        str | None,
        typer.Option("--layer-norm", metavar="exact|table", help="The form whose sites are listed (default: exact)."),
    ] = None,
) -> None:
    """Show a network: its text form, operators, shapes, parameters and sites; with a plan, its formats and cost."""
    forms = {"batch_norm": batch_norm, "softmax": softmax, "layer_norm": layer_norm}
    found = _inspect(model, plan, repaired, {name: form for name, form in forms.items() if form is not None})
    network = found.network
    if shown_as_data(found, common):
        return
    headline, *tables = found.view()
    explain(str(headline))
    say(network.hash)
    say()
    for line in network.text.splitlines():
        explain(line, indent="    ")
    say()
    print_view(tuple(tables))


def _inspect(model: ModelOptions, plan: Path | None, repaired: Path | None, forms: dict[str, str]) -> "Inspection":
    from bittrue.analysis.cost.cost import cost_or_reason
    from bittrue.errors import BittrueError
    from bittrue.plan import PlanOptions, check_plan, sites_of

    if plan is None:
        if repaired is not None:
            raise BittrueError("--repaired has no use without --plan, for which the weights were repaired: give both.")
        network = model.load()
        return Inspection(network, tuple(sites_of(network, PlanOptions(**forms)).values()))
    if forms:
        option = f"--{next(iter(forms)).replace('_', '-')}"
        raise BittrueError(f"{option} has no use beside --plan, which says it already: leave it out.")
    network, formats = model.load_for(plan, repaired)
    sites = tuple(check_plan(formats, network).values())
    return PlanInspection(network, sites, formats, cost_or_reason(network, formats))


@dataclass(frozen=True, repr=False)
class Inspection(Result):
    """A network and the sites of one form of it."""

    network: "Network"
    sites: "tuple[Site, ...]"

    def view(self) -> View:
        """The network's, and a table of the sites."""
        rows = []
        for site in self.sites:
            reach = ("", "") if site.values is None else (f"{site.values.min():.6g}", f"{site.values.max():.6g}")
            rows.append((site.name, self.shape_text(site), *reach))
        columns = (Column("site"), Column("shape"), Column("smallest", number=True), Column("largest", number=True))
        title = "Sites (values: of parameters; `bittrue ranges` measures the others)"
        return (*self.network.view(), Table(columns, rows, title))

    def records(self) -> list[dict[str, Any]]:
        """A row a site."""
        return [
            {
                "name": site.name,
                "node": site.node,
                "role": site.role,
                "shape": list(self._shape(site)),
                "min": None if site.values is None else float(site.values.min()),
                "max": None if site.values is None else float(site.values.max()),
                "channels": site.channels,
                "exact_possible": site.finite,
            }
            for site in self.sites
        ]

    def to_json(self) -> dict[str, Any]:
        """The network's object, with the sites."""
        return self.network.to_json() | {"sites": self.records()}

    def _shape(self, site: "Site") -> tuple[int, ...]:
        return self.network.by_name[site.node].shape if site.values is None else site.values.shape

    def shape_text(self, site: "Site") -> str:
        from bittrue.network import format_shape

        return format_shape(self._shape(site))


@dataclass(frozen=True, repr=False)
class PlanInspection(Inspection):
    """A network under a plan. priced: what the plan costs, or why that can't be said."""

    plan: "Plan"
    priced: "Cost | str"

    def view(self) -> View:
        """The network's, the format of each site, and the cost's."""
        from bittrue.plan import Word, describe_spec

        rows = []
        for site, bits in zip(self.sites, self._bits, strict=True):
            spec = self.plan.sites.get(site.name, Word.EXACT)
            rows.append((site.name, self.shape_text(site), describe_spec(spec), "" if bits is None else f"{bits:,}"))
        columns = (Column("site"), Column("shape"), Column("format"), Column("bits", number=True))
        title = f"Sites under the plan {self.plan.hash[:18]}… (bits: of all that is stored)"
        priced = (self.priced,) if isinstance(self.priced, str) else self.priced.view()
        return (*self.network.view(), Table(columns, rows, title), *priced)

    def records(self) -> list[dict[str, Any]]:
        """A row a site."""
        from bittrue.plan import Word, describe_spec

        return [
            record | {"format": describe_spec(self.plan.sites.get(site.name, Word.EXACT)), "bits": bits}
            for record, site, bits in zip(super().records(), self.sites, self._bits, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """The network's object, with the sites, the plan, and its cost, None where it has none."""
        cost = None if isinstance(self.priced, str) else self.priced.to_json()
        return super().to_json() | {"plan": self.plan.to_json() | {"hash": self.plan.hash}, "cost": cost}

    @property
    def _bits(self) -> list[int | None]:
        """For each site the bits of all that is stored for it, if it is."""
        stored = {} if isinstance(self.priced, str) else self.priced.by_site
        return [stored[site.name].bits if site.name in stored else None for site in self.sites]
