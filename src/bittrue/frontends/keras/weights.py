"""Where a Keras layer's trained arrays come from: a weights file or the layer itself, behind one interface."""

from typing import Protocol

from bittrue.frontends.arrays.stored import StoredArray


class Weights(Protocol):
    """The arrays of one layer, and of the layers inside it where it is a model."""

    @property
    def key(self) -> object:
        """Equal for two uses of one layer."""

    def child(self, layer: str, stored_name: str) -> "Weights":
        """The weights of the layer with this name; `stored_name` is what a weights file calls it."""

    def inner(self, attribute: str, layer: str) -> "Weights":
        """The weights of a layer inside of the layer, which it keeps under the name of an attribute."""

    def arrays(self) -> list[StoredArray]:
        """The layer's own arrays in Keras's order: trainable ones first."""
