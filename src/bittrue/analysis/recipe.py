"""Recipes: from word lengths or fraction bits, and the options that override a recipe's parts, to plans."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from bittrue.errors import PlanError
from bittrue.fixed import Overflow, Rounding
from bittrue.network import Network
from bittrue.plan import (
    STUDY_OPTIONS,
    STUDY_WORD_LENGTH,
    Override,
    Plan,
    PlanOptions,
    Point,
    Ranges,
    WordLengths,
    parse_point,
    plan_from_ranges,
    study_plan,
    uniform_plan,
)

RecipeName = Literal["study", "hardware", "uniform"]


@dataclass(frozen=True)
class Recipe:
    """How plans are made from numbers of bits.

    name: "study": the same fraction bits at every site, the word length (16 where none is given) only a yardstick.
    "hardware": word lengths, the binary points from ranges. "uniform": one format at every site.
    point, per_channel: how binary points are chosen, and whether each output channel of a weight has its own (hardware
    only).
    """

    name: RecipeName
    options: PlanOptions
    rounding: Rounding
    overflow: Overflow
    point: Point = "range"
    per_channel: bool = False
    overrides: tuple[Override, ...] = ()

    @property
    def needs_ranges(self) -> bool:
        return self.name == "hardware"

    def to_json(self) -> dict[str, Any]:
        """All that decides which plans come of given bits and ranges, as sweep.json keeps it."""
        return {
            "name": self.name,
            **asdict(self.options),
            "rounding": self.rounding.value,
            "overflow": self.overflow.value,
            "point": self.point,
            "per_channel": self.per_channel,
            "sites": [f"{override.pattern}={override.spec}" for override in self.overrides],
        }

    def plan_for(
        self,
        network: Network,
        ranges: Ranges | None = None,
        *,
        word_length: int | WordLengths | None = None,
        fraction_bits: int | None = None,
    ) -> Plan:
        """The plan for these numbers of bits.

        Raises: PlanError where the recipe lacks one of them, or the ranges, or has no use for one; FormatError for a
        word length below 1.
        """
        _check_bits(self.name, word_length is not None, fraction_bits is not None)
        if self.name == "hardware" and word_length is not None:
            if ranges is None:
                raise PlanError(
                    "the recipe hardware takes its binary points from ranges: measure them with `bittrue ranges`, and "
                    "give the file with --ranges."
                )
            return plan_from_ranges(
                network,
                ranges,
                word_length,
                rounding=self.rounding,
                overflow=self.overflow,
                options=self.options,
                point=self.point,
                per_channel=self.per_channel,
                overrides=self.overrides,
            )
        if fraction_bits is None:
            raise _lacks(self.name, "--fraction-bits")
        if isinstance(word_length, WordLengths):
            raise PlanError(
                f"the recipe {self.name} has one word length at every site: leave --weights, --activations, --scales "
                "and --biases out."
            )
        make = study_plan if self.name == "study" else uniform_plan
        return make(
            network,
            fraction_bits=fraction_bits,
            word_length=STUDY_WORD_LENGTH if word_length is None else word_length,
            rounding=self.rounding,
            overflow=self.overflow,
            options=self.options,
            overrides=self.overrides,
        )


STUDY = Recipe("study", STUDY_OPTIONS, Rounding.NEAREST_EVEN, Overflow.UNBOUNDED)
HARDWARE = Recipe("hardware", PlanOptions(), Rounding.NEAREST_EVEN, Overflow.SATURATE)
UNIFORM = Recipe("uniform", STUDY_OPTIONS, Rounding.NEAREST_EVEN, Overflow.SATURATE)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (STUDY, HARDWARE, UNIFORM)}


def choose_recipe(
    *,
    word_length: bool,
    fraction_bits: bool,
    recipe: str | Recipe | None = None,
    rounding: Rounding | None = None,
    overflow: Overflow | None = None,
    batch_norm: str | None = None,
    rounding_points: str | None = None,
    softmax: str | None = None,
    layer_norm: str | None = None,
    product: str | None = None,
    point: str | None = None,
    per_channel: bool = False,
    overrides: Sequence[Override] = (),
) -> Recipe:
    """The recipe that fits what is given, with every option that is not None in its place.

    word_length, fraction_bits: whether there is one. Fraction bits alone mean study, a word length alone means
    hardware, both mean uniform; `recipe`, or its name, wins over that where it can do with what is given.

    Raises: PlanError for an unknown name, for bits that the recipe lacks or has no use for, and for an unknown choice.
    """
    if recipe is None:
        if not (word_length or fraction_bits):
            raise PlanError("a plan needs numbers of bits: give --fraction-bits, --word-length, or both.")
        recipe = UNIFORM if word_length and fraction_bits else HARDWARE if word_length else STUDY
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise PlanError(f"there is no recipe {recipe!r}: choose one of {', '.join(RECIPES)}.")
        recipe = RECIPES[recipe]
    _check_bits(recipe.name, word_length, fraction_bits)
    for option, given in (("--per-channel", per_channel), ("--point", point is not None)):
        if given and not recipe.needs_ranges:
            raise PlanError(
                f"{option} is about binary points from ranges, and the recipe {recipe.name} takes none: leave it out."
            )
    options = recipe.options
    return replace(
        recipe,
        options=PlanOptions(
            batch_norm=batch_norm or options.batch_norm,
            rounding_points=rounding_points or options.rounding_points,
            softmax=softmax or options.softmax,
            layer_norm=layer_norm or options.layer_norm,
            product=product or options.product,
        ),
        rounding=rounding or recipe.rounding,
        overflow=overflow or recipe.overflow,
        point=recipe.point if point is None else parse_point(point),
        per_channel=per_channel or recipe.per_channel,
        overrides=(*recipe.overrides, *overrides),
    )


def _check_bits(name: str, word_length: bool, fraction_bits: bool) -> None:
    if name == "hardware" and fraction_bits:
        raise PlanError("the recipe hardware finds the fraction bits by itself: give --word-length alone.")
    if name in ("hardware", "uniform") and not word_length:
        raise _lacks(name, "--word-length")
    if name in ("study", "uniform") and not fraction_bits:
        raise _lacks(name, "--fraction-bits")


def _lacks(name: str, option: str) -> PlanError:
    return PlanError(f"the recipe {name} needs {option}.")
