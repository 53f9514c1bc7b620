"""Word lengths as options: one number for all, or numbers by kind of site."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.numbers import parse_bits, parse_number
from bittrue.cli.options import RECIPE
from bittrue.errors import BittrueError

if TYPE_CHECKING:
    from bittrue.plan import WordLengths


@dataclass(frozen=True)
class WordOptions:
    """How long words are; those by kind of site override their part of `--word-length`."""

    word_length: Annotated[
        str | None,
        typer.Option("--word-length", metavar="W", help="Bits of a word, the sign counted: 8, or 4:10 in a sweep."),
    ] = None
    weight_bits: Annotated[
        str | None,
        typer.Option(
            "--weight-bits",
            metavar="W",
            rich_help_panel=RECIPE,
            help="Bits of weights: 4, or 4:8 in a sweep; the rest as --word-length.",
        ),
    ] = None
    activation_bits: Annotated[
        str | None,
        typer.Option(
            "--activation-bits",
            metavar="A",
            rich_help_panel=RECIPE,
            help="Bits of the outputs of nodes, the input's among them: 8, or 4:8 in a sweep.",
        ),
    ] = None
    scale_bits: Annotated[
        str | None,
        typer.Option(
            "--scale-bits",
            metavar="S",
            rich_help_panel=RECIPE,
            help="Bits of other parameters than weights and biases (default: as --word-length, or the larger of "
            "--weight-bits and --activation-bits).",
        ),
    ] = None
    bias_bits: Annotated[
        str | None,
        typer.Option(
            "--bias-bits", metavar="B", rich_help_panel=RECIPE, help="Bits of biases and offsets (default: twice that)."
        ),
    ] = None

    def __bool__(self) -> bool:
        return self != WordOptions()

    def one(self) -> "int | WordLengths | None":
        """For a plan: numbers only. Raises BittrueError for a range."""
        for option, text in self._swept():
            if text is not None:
                parse_number(text, option)
        found = self.all()
        return found[0] if found else None

    def all(self) -> "tuple[int | WordLengths, ...]":
        """For a sweep: one of the options may hold a range. Raises BittrueError for two ranges, PlanError where nothing
        speaks of a kind."""
        from bittrue.plan import WordLengths

        swept = {option: parse_bits(text, option) for option, text in self._swept() if text is not None}
        ranges = [option for option, bits in swept.items() if len(bits) > 1]
        if len(ranges) > 1:
            raise BittrueError(f"{ranges[0]} and {ranges[1]} are both ranges: give one number for one of them.")
        if list(swept) == ["--word-length"] and (self.scale_bits, self.bias_bits) == (None, None):
            return tuple(swept["--word-length"])
        if not self:
            return ()
        scales = None if self.scale_bits is None else parse_number(self.scale_bits, "--scale-bits")
        biases = None if self.bias_bits is None else parse_number(self.bias_bits, "--bias-bits")
        return tuple(
            WordLengths.chosen(word_length, weights=weights, activations=activations, scales=scales, biases=biases)
            for word_length in swept.get("--word-length", (None,))
            for weights in swept.get("--weight-bits", (None,))
            for activations in swept.get("--activation-bits", (None,))
        )

    def _swept(self) -> tuple[tuple[str, str | None], ...]:
        return (
            ("--word-length", self.word_length),
            ("--weight-bits", self.weight_bits),
            ("--activation-bits", self.activation_bits),
        )
