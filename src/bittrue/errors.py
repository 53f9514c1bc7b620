"""The exceptions that bittrue raises on purpose.

Every message is one sentence that names the file, layer or site and says what to do about it. The command line prints
the sentence alone and exits with code 2.
"""

from bittrue.wording import printable, shortened


class BittrueError(Exception):
    """Something the user can put right; the message says how, on one line, and quotes no more than a reader wants."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(printable(message)))


class FormatError(BittrueError):
    """A fixed-point format, rounding or overflow mode that doesn't exist or can't be used here."""


class ModelError(BittrueError):
    """A model file or object that can't be read, or an operator that is not supported."""


class DataError(BittrueError):
    """A data set that can't be read or doesn't fit the model."""


class SplitError(DataError):
    """A split that the data don't have. `splits`: those that they have."""

    def __init__(self, message: str, splits: tuple[str, ...]) -> None:
        super().__init__(message)
        self.splits = splits


class ChangedError(DataError):
    """Data that were replaced or written to while they were in use."""


class PlanError(BittrueError):
    """A plan that can't be read, or that doesn't fit the network."""


class CarrierError(BittrueError):
    """A computation whose exactness can't be proven on any carrier at hand."""


class KernelError(BittrueError):
    """A kernel of this machine that isn't exact where the proof needs it to be."""


class StoreError(BittrueError):
    """A results store that is damaged, locked, or belongs to another study."""
