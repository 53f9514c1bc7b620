"""What plans and sweeps are asked for, in the words of the command line: numbers of bits, and a recipe's parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

from bittrue.analysis.recipe import Recipe, choose_recipe
from bittrue.bits import Bits, parse_bits, parse_number
from bittrue.environment import exact_environment
from bittrue.errors import PlanError
from bittrue.fixed import Overflow, Rounding, parse_overflow, parse_rounding
from bittrue.network import Network
from bittrue.plan import Override, Plan, Ranges, WordLengths


class Options(TypedDict, total=False):
    """The options of `bittrue plan` and `bittrue sweep`, with the same names and meanings.

    word_length: bits of a word, the sign counted; fraction_bits: bits behind the binary point; both as `Bits`, or
    word lengths by kind of site. weights, activations: bits of these; scales: of other parameters than weights and
    biases; biases: of biases and offsets. recipe: "study", "hardware", "uniform", a Recipe, or several of these for a
    sweep. rounding, overflow: the modes, by either name. batch_norm, rounding_points, softmax, layer_norm, product: see
    `PlanOptions`. point: "range" or "least-squares"; per_channel: a binary point for each output channel of a weight.
    site: "NAME=SPEC", an Override, or several of these.
    """

    word_length: Bits | WordLengths | Sequence[int | WordLengths]
    fraction_bits: Bits
    weights: Bits
    activations: Bits
    scales: int | str
    biases: int | str
    recipe: str | Recipe | Sequence[str | Recipe] | None
    rounding: str | Rounding | None
    overflow: str | Overflow | None
    batch_norm: str | None
    rounding_points: str | None
    softmax: str | None
    layer_norm: str | None
    product: str | None
    point: str | None
    per_channel: bool
    site: str | Override | Sequence[str | Override] | None


@dataclass(frozen=True)
class SweepRow:
    """A row that is asked for."""

    name: str
    plan: Plan


@dataclass(frozen=True)
class Part:
    """A recipe, and the numbers of bits that plans are made for by it; not more than one kind has several."""

    recipe: Recipe
    word_lengths: tuple[int | WordLengths, ...]
    fraction_bits: tuple[int, ...]

    def bits(self) -> dict[str, tuple[int | WordLengths | None, int | None]]:
        """The word length and the fraction bits of each row, in the order of their bits."""
        by_word = len(self.word_lengths) > 1 or not self.fraction_bits
        return {
            _name(word) if by_word else f"F={fraction}": (word, fraction)
            for word in self.word_lengths or (None,)
            for fraction in self.fraction_bits or (None,)
        }

    def rows(self, network: Network, ranges: Ranges | None) -> list[SweepRow]:
        """The rows in the order of their bits; see `sweep_rows`."""
        return [
            SweepRow(name, self.recipe.plan_for(network, ranges, word_length=word, fraction_bits=fraction))
            for name, (word, fraction) in self.bits().items()
        ]


def _name(word_length: int | WordLengths | None) -> str:
    if isinstance(word_length, WordLengths):
        return f"W{word_length.weights}A{word_length.activations}"
    return f"W={word_length}"


@dataclass(frozen=True)
class Asked:
    """One part for each recipe."""

    parts: tuple[Part, ...]

    @property
    def needs_ranges(self) -> bool:
        return any(part.recipe.needs_ranges for part in self.parts)

    def rows(self, network: Network, ranges: Ranges | None) -> tuple[SweepRow, ...]:
        """Every row, one recipe after the other; see `sweep_rows`."""
        return tuple(
            replace(row, name=self._named(part, row.name)) for part in self.parts for row in part.rows(network, ranges)
        )

    def of_row(self, name: str) -> tuple[Recipe, int | WordLengths | None, int | None]:
        """What a row's plan is made by: its recipe, word length and fraction bits."""
        made = {
            self._named(part, row): (part.recipe, *bits) for part in self.parts for row, bits in part.bits().items()
        }
        return made[name]

    def _named(self, part: Part, name: str) -> str:
        return f"{part.recipe.name} {name}" if len(self.parts) > 1 else name

    def to_json(self) -> Any:
        """The recipe as sweep.json keeps it, or a list of several."""
        recipes = [part.recipe.to_json() for part in self.parts]
        return recipes[0] if len(recipes) == 1 else recipes


def asked_for(**options: Unpack[Options]) -> Asked:
    """What the options ask for.

    Several recipes each take what they have a use for: study fraction bits, hardware word lengths, uniform both.

    Raises: PlanError for text that can't be read, bits that a recipe lacks or has no use for, two ranges that aren't
    those of weights and activations, and an unknown choice; TypeError for an option that there isn't.
    """
    unknown = sorted(set(options) - set(Options.__annotations__))
    if unknown:
        raise TypeError(f"there is no option {unknown[0]!r}: the options are {', '.join(Options.__annotations__)}")
    words = word_lengths(options)
    fraction_bits = options.get("fraction_bits")
    fractions = () if fraction_bits is None else parse_bits(fraction_bits, "--fraction-bits")
    recipes = _several(options.get("recipe"))
    if len(recipes) < 2:
        return Asked((_part(recipes[0] if recipes else None, words, fractions, options),))
    names = [recipe if isinstance(recipe, str) else recipe.name for recipe in recipes]
    _check_several(names, words, fractions)
    return Asked(
        tuple(
            _part(
                recipe,
                words if "--word-length" in USES.get(name, ()) else (),
                fractions if "--fraction-bits" in USES.get(name, ()) else (),
                options if name == "hardware" else {**options, "point": None, "per_channel": False},
            )
            for recipe, name in zip(recipes, names, strict=True)
        )
    )


USES = {"study": ("--fraction-bits",), "hardware": ("--word-length",), "uniform": ("--word-length", "--fraction-bits")}
"""What each recipe takes where there are several."""


def _check_several(names: Sequence[str], words: Sequence[int | WordLengths], fractions: Sequence[int]) -> None:
    """Refuse a recipe that is there twice, bits that none of them takes, and a grid, which is one recipe's."""
    if len(set(names)) < len(names):
        raise PlanError(f"the recipe {max(names, key=names.count)} is given twice: leave one out.")
    for option, given in (("--word-length", words), ("--fraction-bits", fractions)):
        if given and not any(option in USES.get(name, ()) for name in names):
            raise PlanError(f"{option} has no use in the recipes {' and '.join(names)}: leave it out.")
    kinds = [(word.weights, word.activations) for word in words if isinstance(word, WordLengths)]
    if all(len(set(bits)) > 1 for bits in zip(*kinds, strict=True)) and kinds:
        raise PlanError("a grid of --weights and --activations is for one recipe: leave the others out.")


def _part(
    recipe: str | Recipe | None, words: tuple[int | WordLengths, ...], fractions: tuple[int, ...], options: Options
) -> Part:
    if len(words) > 1 and len(fractions) > 1:
        raise PlanError("a sweep takes a range of --word-length or of --fraction-bits: give one number for the other.")
    rounding, overflow, point = options.get("rounding"), options.get("overflow"), options.get("point")
    sites = options.get("site")
    chosen = choose_recipe(
        word_length=bool(words),
        fraction_bits=bool(fractions),
        recipe=recipe,
        rounding=parse_rounding(rounding) if isinstance(rounding, str) else rounding,
        overflow=parse_overflow(overflow) if isinstance(overflow, str) else overflow,
        batch_norm=options.get("batch_norm"),
        rounding_points=options.get("rounding_points"),
        softmax=options.get("softmax"),
        layer_norm=options.get("layer_norm"),
        product=options.get("product"),
        point=point,
        per_channel=options.get("per_channel", False),
        overrides=[site if isinstance(site, Override) else Override.parse(site) for site in _several(sites)],
    )
    return Part(chosen, words, fractions)


_Item = TypeVar("_Item")


def _several(given: str | _Item | Sequence[str | _Item] | None) -> Sequence[str | _Item]:
    """One, or several, or none, as a sequence."""
    if given is None:
        return ()
    return given if isinstance(given, Sequence) and not isinstance(given, str) else (given,)


def word_lengths(options: Options) -> tuple[int | WordLengths, ...]:
    """The word lengths that are asked for, one after another; weights and activations may have several each, a grid.

    Raises: PlanError for other ranges beside each other, and where nothing speaks of a kind.
    """
    word_length = options.get("word_length")
    whole: tuple[int | WordLengths | None, ...] = ()
    if isinstance(word_length, WordLengths):
        whole = (word_length,)
    elif word_length is not None:
        is_bits = isinstance(word_length, int | str)
        whole = parse_bits(word_length, "--word-length") if is_bits else tuple(word_length)  # type: ignore[arg-type]
    kinds = {
        name: options[name] for name in ("weights", "activations", "scales", "biases") if options.get(name) is not None
    }
    if not kinds:
        return tuple(word for word in whole if word is not None)
    if any(isinstance(word, WordLengths) for word in whole):
        raise PlanError("word lengths by kind of site are given twice: leave the single ones out.")
    weights, activations = (
        parse_bits(kinds[name], f"--{name}") if name in kinds else (None,) for name in ("weights", "activations")
    )
    both = [f"--{name}" for name, bits in (("weights", weights), ("activations", activations)) if len(bits) > 1]
    if len(whole) > 1 and both:
        raise PlanError(f"--word-length and {both[0]} are both ranges: give one number for one of them.")
    scales, biases = (
        parse_number(kinds[name], f"--{name}") if name in kinds else None for name in ("scales", "biases")
    )
    return tuple(
        WordLengths.chosen(word, weights=each, activations=other, scales=scales, biases=biases)  # type: ignore[arg-type]
        for word in whole or (None,)
        for each in weights
        for other in activations
    )


def one_word_length(options: Options) -> int | WordLengths | None:
    """The word length that is asked for, if one is. Raises PlanError for several."""
    _check_single(options)
    words = word_lengths(options)
    return words[0] if words else None


def asked_for_one(options: Options, *, has_ranges: bool) -> Asked:
    """What a single plan is asked for; has_ranges: whether ranges are given.

    Raises: PlanError for several plans, for ranges that have no use, and what `asked_for` raises.
    """
    _check_single(options)
    found = asked_for(**options)
    if len(found.parts) > 1:
        raise PlanError("a plan is made by one recipe, and several are for `bittrue sweep`: give one --recipe.")
    if has_ranges and not found.needs_ranges:
        name = found.parts[0].recipe.name
        raise PlanError(f"--ranges has no use in the recipe {name}: leave it out, or give --word-length alone.")
    return found


def _check_single(options: Options) -> None:
    for name in ("word_length", "fraction_bits", "weights", "activations"):
        given = options.get(name)
        if given is not None and not isinstance(given, WordLengths):
            parse_number(given, f"--{name.replace('_', '-')}")  # type: ignore[arg-type]


@exact_environment()
def make_plan(network: Network, *, ranges: Ranges | str | Path | None = None, **options: Unpack[Options]) -> Plan:
    """A format for every site, as `bittrue plan` chooses it; ranges: for the hardware recipe, or their file.

    Raises: what `asked_for_one` and `Recipe.plan_for` raise.
    """
    found = asked_for_one(options, has_ranges=ranges is not None)
    [row] = found.rows(network, as_ranges(ranges))
    return row.plan


def as_ranges(ranges: Ranges | str | Path | None) -> Ranges | None:
    """Ranges, or those in a file that `bittrue ranges` wrote."""
    return Ranges.load(ranges) if isinstance(ranges, str | Path) else ranges


@exact_environment()
def sweep_rows(
    network: Network, *, ranges: Ranges | str | Path | None = None, **options: Unpack[Options]
) -> tuple[SweepRow, ...]:
    """The rows of the sweep that the options ask for, one for each number of bits; ranges: see `make_plan`.

    Named F=… or W=… after what there are several of; word lengths by kind as the literature has them, W4A8 for 4-bit
    weights and 8-bit activations; of several recipes each row begins with its own's name.

    Raises: what `asked_for` and `Recipe.plan_for` raise.
    """
    return asked_for(**options).rows(network, as_ranges(ranges))
