"""The options that say how a plan is made from numbers of bits."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.options import RECIPE, LayerNorm, Sites, Softmax
from bittrue.fixed import Overflow, Rounding

if TYPE_CHECKING:
    from bittrue.analysis.asked import Options
    from bittrue.analysis.recipe import Recipe
    from bittrue.network import Network
    from bittrue.plan import Plan, Ranges, WordLengths

FractionBits = Annotated[
    str | None,
    typer.Option("--fraction-bits", metavar="F", help="Bits behind the binary point: 5, or 3:8 in a sweep."),
]


def _names(modes: "type[Rounding | Overflow]") -> str:
    """bittrue's name of each mode, with AMD's where it has one."""
    return ", ".join(mode.value if mode.amd is None else f"{mode.value} ({mode.amd})" for mode in modes)


@dataclass(frozen=True)
class RecipeOptions:
    """How a plan is made from numbers of bits; each option overrides its part of the recipe."""

    recipe: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe",
            metavar="NAME",
            rich_help_panel=RECIPE,
            help="study (F at every site, no word limit), hardware (W bits, binary points from ranges) or uniform (W "
            "and F at every site); default: the one that the bits given mean. Repeatable in a sweep: each recipe takes "
            "the bits that it has a use for.",
        ),
    ] = None
    rounding: Annotated[
        str | None,
        typer.Option(
            "--rounding",
            metavar="MODE",
            rich_help_panel=RECIPE,
            help=f"A rounding mode, by either name: {_names(Rounding)}.",
        ),
    ] = None
    overflow: Annotated[
        str | None,
        typer.Option(
            "--overflow",
            metavar="MODE",
            rich_help_panel=RECIPE,
            help=f"An overflow mode, by either name: {_names(Overflow)}.",
        ),
    ] = None
    batch_norm: Annotated[
        str | None,
        typer.Option(
            "--batch-norm",
            metavar="raw|affine",
            rich_help_panel=RECIPE,
            help="Batch norm by its four parameters, or folded to a scale and an offset.",
        ),
    ] = None
    rounding_points: Annotated[
        str | None,
        typer.Option(
            "--rounding-points",
            metavar="every-node|fused",
            rich_help_panel=RECIPE,
            help="Round after every node, or once after a convolution with its batch norm and activation.",
        ),
    ] = None
    softmax: Softmax = None
    layer_norm: LayerNorm = None
    product: Annotated[
        str | None,
        typer.Option(
            "--product",
            metavar="exact|quantized",
            rich_help_panel=RECIPE,
            help="Products into an accumulator with a format: as they are, or rounded to it first.",
        ),
    ] = None
    site: Sites = None
    point: Annotated[
        str | None,
        typer.Option(
            "--point",
            metavar="range|least-squares",
            rich_help_panel=RECIPE,
            help="Binary points with which nothing measured overflows (default), or with the least squared error of "
            "what is rounded and saturated.",
        ),
    ] = None
    per_channel: Annotated[
        bool,
        typer.Option(
            "--per-channel", rich_help_panel=RECIPE, help="A binary point for each output channel of a weight."
        ),
    ] = False

    @property
    def beyond_sites(self) -> bool:
        """Whether more is said than of single sites and of how their quantizers are chosen."""
        chosen = (self.recipe, self.batch_norm, self.rounding_points, self.softmax, self.layer_norm, self.product)
        return chosen != (None,) * len(chosen)

    def complete(
        self, network: "Network", plan: "Plan", word_length: "int | WordLengths | None", ranges: "Ranges | None"
    ) -> "Plan":
        """A plan with quantizers where it has none."""
        from bittrue.fixed import parse_overflow, parse_rounding
        from bittrue.plan import Override, complete_plan, parse_point

        return complete_plan(
            network,
            plan,
            word_length,
            ranges=ranges,
            rounding=Rounding.NEAREST_EVEN if self.rounding is None else parse_rounding(self.rounding),
            overflow=Overflow.SATURATE if self.overflow is None else parse_overflow(self.overflow),
            point="range" if self.point is None else parse_point(self.point),
            per_channel=self.per_channel,
            overrides=[Override.parse(text) for text in self.site or ()],
        )

    def given(self) -> "Options":
        """These, as `bittrue.make_plan` and `bittrue.study` take them."""
        return {
            "recipe": self.recipe,
            "rounding": self.rounding,
            "overflow": self.overflow,
            "batch_norm": self.batch_norm,
            "rounding_points": self.rounding_points,
            "softmax": self.softmax,
            "layer_norm": self.layer_norm,
            "product": self.product,
            "point": self.point,
            "per_channel": self.per_channel,
            "site": self.site,
        }

    def only(self, recipe: "Recipe") -> "RecipeOptions":
        """These, as they are said for a single plan of this recipe, one of several here or the only one."""
        if len(self.recipe or ()) < 2:
            return self
        point, per_channel = (self.point, self.per_channel) if recipe.needs_ranges else (None, False)
        return replace(self, recipe=[recipe.name], point=point, per_channel=per_channel)
