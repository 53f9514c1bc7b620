"""bittrue inspect: a network as it was read."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bittrue.cli.command import command
from bittrue.cli.options import CommonOptions, ModelOptions
from bittrue.cli.output import say, say_json
from bittrue.cli.tables import Column, print_table, print_view

if TYPE_CHECKING:
    from bittrue.network import Network
    from bittrue.plan import Site


@command
def inspect(
    model: ModelOptions,
    common: CommonOptions,
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
    sites = sites_of(network, PlanOptions(batch_norm=batch_norm, softmax=softmax, layer_norm=layer_norm))
    if common.json:
        say_json(_to_json(network, list(sites.values())))
        return
    headline, *tables = network.view()
    say(str(headline))
    say(network.hash)
    say()
    say(network.text)
    print_view(tuple(tables))
    _print_sites(network, list(sites.values()))


def _print_sites(network: "Network", sites: "list[Site]") -> None:
    from bittrue.network import format_shape

    rows = []
    for site in sites:
        values = site.values
        shape = network.by_name[site.node].shape if values is None else values.shape
        reach = ("", "") if values is None else (f"{values.min():.6g}", f"{values.max():.6g}")
        rows.append((site.name, format_shape(shape), *reach))
    columns = [Column("site"), Column("shape"), Column("smallest", number=True), Column("largest", number=True)]
    print_table(columns, rows, "Sites (values: of parameters; `bittrue ranges` measures the others)")


def _to_json(network: "Network", sites: "list[Site]") -> dict[str, Any]:
    return network.to_json() | {
        "sites": [
            {
                "name": site.name,
                "node": site.node,
                "role": site.role,
                "shape": list(network.by_name[site.node].shape if site.values is None else site.values.shape),
                "min": None if site.values is None else float(site.values.min()),
                "max": None if site.values is None else float(site.values.max()),
                "channels": site.channels,
                "exact_possible": site.finite,
            }
            for site in sites
        ],
    }
