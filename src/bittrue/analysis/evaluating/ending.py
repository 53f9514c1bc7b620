"""What a network ends in, decided once: classes, a single probability, or something else; probabilities or logits."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bittrue.network import Network
from bittrue.operators import ends_in_probabilities

EndsIn = Literal["probabilities", "logits"]
"""What the values of the last node are: it decides the loss, and the threshold of a binary network."""

THRESHOLDS: dict[EndsIn, float] = {"probabilities": 0.5, "logits": 0.0}
"""Above which a single value says class 1."""


@dataclass(frozen=True)
class Ending:
    """shape: of the output for an image. ends_in: what its values are."""

    shape: tuple[int, ...]
    ends_in: EndsIn

    @property
    def is_classes(self) -> bool:
        """Whether it is a row of two values or more, one a class."""
        return len(self.shape) == 1 and self.shape[0] > 1

    @property
    def is_binary(self) -> bool:
        """Whether it is a single probability. A single logit may as well be a number that is asked for, as in a
        regression: only a user can say."""
        return self.shape in ((), (1,)) and self.ends_in == "probabilities"

    @property
    def predicts(self) -> bool:
        """Whether its values say a class by themselves."""
        return self.is_classes or self.is_binary

    def predictions(self, outputs: NDArray[np.floating]) -> NDArray[np.int64]:
        """The classes that outputs (images, *shape) say, where `predicts`: the first of several top values, or whether
        the single one is above its threshold."""
        rows = outputs.reshape(len(outputs), -1)
        if self.is_binary:
            return (rows[:, 0] > THRESHOLDS[self.ends_in]).astype(np.int64)
        classes: NDArray[np.int64] = rows.argmax(axis=1)  # NumPy documents that the first of several wins
        return classes


def ending_of(network: Network) -> Ending:
    """What `network` ends in."""
    shape = network.by_name[network.output].shape
    return Ending(shape, "probabilities" if ends_in_probabilities(network) else "logits")
