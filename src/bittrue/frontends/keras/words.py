"""One word for each number of a value, as HGQ trains them: a Graph that rounds them in groups of one format."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bittrue.errors import ModelError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.frontends.keras.use import Graph, Part
from bittrue.network import format_shape
from bittrue.operators import Concatenate, Identity, Pad, Reshape, Take
from bittrue.plan import Spec
from bittrue.shapes import Shape

MAXIMUM_BITS = 64


@dataclass(frozen=True)
class Words:
    """Words of numbers in an array: integer arrays of one shape, which broadcasts to that of the numbers.

    A word of no bits makes its number 0.
    """

    signed: np.ndarray
    length: np.ndarray
    fraction_bits: np.ndarray
    rounding: Rounding
    overflow: Overflow

    def at(self, shape: Shape) -> np.ndarray:
        """(signed, length, fraction bits) of each number of an array of `shape`: (*shape, 3)."""
        columns = np.stack([self.signed, self.length, self.fraction_bits], -1).astype(np.int64)
        while columns.ndim > len(shape) + 1 and columns.shape[0] == 1:  # the batch axis
            columns = columns[0]
        if columns[..., 1].max(initial=0) > MAXIMUM_BITS or np.abs(columns[..., 2]).max(initial=0) > 2 * MAXIMUM_BITS:
            raise ModelError(f"its quantizer has words of more than {MAXIMUM_BITS} bits: save the model again")
        try:
            return np.broadcast_to(columns, (*shape, 3))
        except ValueError:
            raise ModelError(
                f"its quantizer's words of {format_shape(self.length.shape)} don't fit {format_shape(shape)}"
            ) from None

    def quantizer(self, word: np.ndarray) -> Quantizer:
        signed, length, fraction_bits = (int(number) for number in word)
        return Quantizer(FixedFormat(bool(signed), length, fraction_bits), self.rounding, self.overflow)


def rounded(words: Words, shape: Shape) -> tuple[tuple[Part, ...], dict[str, Spec]]:
    """The parts, the last of which is the value 0 under these words, and their quantizers.

    Numbers are taken out by format, rounded, put behind one another, and back in their places.
    """
    columns = words.at(shape)
    every = columns.reshape(-1, 3)
    if (every == every[0]).all() and every[0, 1] > 0:
        return (("rounded", Identity(), (0,)),), {"rounded.output": words.quantizer(every[0])}
    by_channel = bool((columns == columns[(0,) * (len(shape) - 1)]).all())
    places, axis = (columns[(0,) * (len(shape) - 1)], len(shape) - 1) if by_channel else (every, 0)
    parts: list[Part] = [] if by_channel or len(shape) == 1 else [("flat", Reshape((len(every),)), (0,))]
    source: str | int = parts[-1][0] if parts else 0
    formats = [tuple(word) for word in np.unique(places, axis=0).tolist() if word[1] > 0]
    if not formats:
        raise ModelError("its quantizer leaves no bit of any number: take the layer out")
    specs: dict[str, Spec] = {}
    order: list[int] = []
    for number, word in enumerate(formats):
        indices = np.flatnonzero((places == word).all(-1)).tolist()
        parts.append((f"word{number}", Take(tuple(indices), axis), (source,)))
        specs[f"word{number}.output"] = words.quantizer(np.array(word))
        order += indices
    if len(formats) > 1:
        parts.append(("words", Concatenate(axis), tuple(f"word{number}" for number in range(len(formats)))))
    nothing = np.flatnonzero(places[:, 1] <= 0).tolist()
    if nothing:
        ends = tuple((0, len(nothing) if place == axis else 0) for place in range(axis + 1))
        parts.append(("zeros", Pad(ends), (parts[-1][0],)))
        order += nothing
    back = tuple(np.argsort(order).tolist())
    parts.append(("rounded", Take(back, axis), (parts[-1][0],)))
    if source == "flat":
        parts.append(("shape", Reshape(shape), ("rounded",)))
    return tuple(parts), specs


def as_the_layer(parts: tuple[Part, ...], specs: Mapping[str, Spec]) -> Graph:
    """A layer that does nothing but these parts, the last of which is the node of its name."""
    *others, (name, operator, reads) = parts
    own = f"{name}.output"
    return Graph(
        tuple(others), operator, reads, (), {"output" if role == own else role: spec for role, spec in specs.items()}
    )
