"""Word lengths as options: one number for all, or numbers by kind of site."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.bits import is_bits
from bittrue.cli.options import RECIPE, Check, Model, ModelOptions, Output
from bittrue.errors import BittrueError

if TYPE_CHECKING:
    from bittrue.analysis.asked import Options
    from bittrue.plan import WordLengths

FreeWords = Annotated[
    str,
    typer.Option("--words", metavar="W", help="Word lengths that each weight and output may have: 2:8, or 2,4,8,16."),
]
FreePoint = Annotated[
    str,
    typer.Option(
        "--point",
        metavar="range|least-squares",
        rich_help_panel=RECIPE,
        help="Binary points with which nothing measured overflows, or with the least squared error.",
    ),
]
PerChannel = Annotated[
    bool,
    typer.Option(
        "--per-channel/--per-tensor",
        rich_help_panel=RECIPE,
        help="A binary point for each output channel of a weight, or one for all.",
    ),
]


@dataclass(frozen=True)
class WordOptions:
    """How long words are; those by kind of site override their part of `--word-length`."""

    word_length: Annotated[
        str | None,
        typer.Option("--word-length", metavar="W", help="Bits of a word, the sign counted: 8, or 4:10 in a sweep."),
    ] = None
    activations: Annotated[
        str | None,
        typer.Option(
            "--activations",
            metavar="A",
            rich_help_panel=RECIPE,
            help="Bits of the outputs of nodes, the input's among them: 8, or 4:8 in a sweep; with a range of "
            "--weights a grid of both.",
        ),
    ] = None
    scales: Annotated[
        str | None,
        typer.Option(
            "--scales",
            metavar="S",
            rich_help_panel=RECIPE,
            help="Bits of other parameters than weights and biases (default: as --word-length, or the larger of "
            "--weights and --activations).",
        ),
    ] = None
    biases: Annotated[
        str | None,
        typer.Option(
            "--biases", metavar="B", rich_help_panel=RECIPE, help="Bits of biases and offsets (default: twice that)."
        ),
    ] = None

    def given(self, model: "SizedModelOptions", fraction_bits: str | None) -> "Options":
        """All numbers of bits, as `bittrue.make_plan` and `bittrue.study` take them; only those that are given."""
        numbers: Options = {}
        if self.word_length is not None:
            numbers["word_length"] = self.word_length
        if fraction_bits is not None:
            numbers["fraction_bits"] = fraction_bits
        if model.weight_bits is not None:
            numbers["weights"] = model.weight_bits
        if self.activations is not None:
            numbers["activations"] = self.activations
        if self.scales is not None:
            numbers["scales"] = self.scales
        if self.biases is not None:
            numbers["biases"] = self.biases
        return numbers


def words_for(word_length: "int | WordLengths | None") -> list[object]:
    """The options that give this word length."""
    if word_length is None:
        return []
    if isinstance(word_length, int):
        return ["--word-length", word_length]
    kinds = {name: getattr(word_length, name) for name in ("weights", "activations", "scales", "biases")}
    return [word for name, bits in kinds.items() if bits is not None for word in (f"--{name}", bits)]


@dataclass(frozen=True)
class SizedModelOptions:
    """Which network, where its weights are if elsewhere, and how many bits weights have."""

    model: Model
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            metavar="W|FILE",
            help="A number: bits of weights, 4, or 4:8 in a sweep, the rest as --word-length. A path: trained weights, "
            "for the model that file.py:function builds x.weights.h5, x.h5 or a TensorFlow checkpoint; for x.json "
            "x.weights.h5 or x.h5. Both: give the option twice.",
        ),
    ] = None
    check: Check = True
    output: Output = None

    @property
    def weight_bits(self) -> str | None:
        """The number, or the range. Raises BittrueError for two of them."""
        return self._one([text for text in self.weights or () if is_bits(text)], "numbers of bits")

    @property
    def source(self) -> ModelOptions:
        """The model itself. Raises BittrueError for two files of weights."""
        path = self._one([text for text in self.weights or () if not is_bits(text)], "files")
        return ModelOptions(self.model, None if path is None else Path(path), self.check, self.output)

    @staticmethod
    def _one(texts: list[str], what: str) -> str | None:
        if len(texts) > 1:
            raise BittrueError(f"--weights {texts[0]} and --weights {texts[1]} are two {what}: give one.")
        return texts[0] if texts else None
