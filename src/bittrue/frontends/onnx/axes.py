"""What an ONNX operator does to the axes of what it reads, as far as another operator's layout depends on it."""

from enum import Flag, auto


class Axes(Flag):
    """Several may hold of one operator; OWN where none does."""

    OWN = 0
    """The result has axes of its own."""

    KEPT = auto()
    """The result has the axes of what it reads, where those are as many."""

    EACH_ALONE = auto()
    """It computes each number by itself, so that it doesn't matter where that lies."""

    CHANNELS_FIRST = auto()
    """Axis 1 of what it reads, and of its result, is the channels'."""

    CHANNELS_LAST = auto()
    """The last axis of what it reads, and of its result, is the channels'."""

    SPATIAL = auto()
    """It needs an image's axes, of size 1 or not."""

    REARRANGED = auto()
    """The same numbers with other axes, which may be an image's again."""

    EACH = KEPT | EACH_ALONE
    IMAGE = CHANNELS_FIRST | SPATIAL
