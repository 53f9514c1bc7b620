"""bittrue inspect: a network as it was read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bittrue.cli.command import command
from bittrue.cli.options import ModelOptions
from bittrue.cli.output import explain, say
from bittrue.cli.tables import TableOptions, print_view, shown_as_data
from bittrue.display import Column, Table, View
from bittrue.result import Result

if TYPE_CHECKING:
    from bittrue.network import Network
    from bittrue.plan import Site


@command
def inspect(
    model: ModelOptions,
    common: TableOptions,
    batch_norm: Annotated[
        str, typer.Option("--batch-norm", metavar="raw|affine", help="The form whose sites are listed.")
    ] = "affine",
    softmax: Annotated[
        str, typer.Option("--softmax", metavar="exact|table", help="The form whose sites are listed.")
    ] = "exact",
    layer_norm: Annotated[
        str, typer.Option("--layer-norm", metavar="exact|table", help="The form whose sites are listed.")
    ] = "exact",
) -> None:
    """Show a network: its text form, operators, shapes, parameters and sites."""
    from bittrue.plan import PlanOptions, sites_of

    network = model.load()
    options = PlanOptions(batch_norm=batch_norm, softmax=softmax, layer_norm=layer_norm)
    found = Inspection(network, tuple(sites_of(network, options).values()))
    if shown_as_data(found, common):
        return
    headline, *tables = found.view()
    say(str(headline))
    say(network.hash)
    say()
    for line in network.text.splitlines():
        explain(line, indent="    ")
    say()
    print_view(tuple(tables))


@dataclass(frozen=True, repr=False)
class Inspection(Result):
    """A network and the sites of one form of it."""

    network: "Network"
    sites: "tuple[Site, ...]"

    def view(self) -> View:
        """The network's, and a table of the sites."""
        from bittrue.network import format_shape

        rows = []
        for site in self.sites:
            reach = ("", "") if site.values is None else (f"{site.values.min():.6g}", f"{site.values.max():.6g}")
            rows.append((site.name, format_shape(self._shape(site)), *reach))
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
