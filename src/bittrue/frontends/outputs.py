"""Which of a file's several outputs the Network is of."""

from collections.abc import Sequence

from bittrue.errors import ModelError

SHOWN = 5
"""Names that a sentence lists."""


def few(names: Sequence[str]) -> str:
    """The first names, for a sentence."""
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def chosen_output(names: Sequence[str], wanted: str | None) -> int:
    """The place of the output that is wanted; of the only one, where none is.

    Raises: ModelError where there are several and none is wanted, and for a name that none has.
    """
    if wanted is not None:
        if wanted not in names:
            raise ModelError(f"it has no output {wanted!r}: choose with --output one of {few(names)}")
        return list(names).index(wanted)
    if len(names) != 1:
        which = f"{len(names)} outputs ({few(names)})" if names else "no output"
        raise ModelError(
            f"it has {which}, and bittrue takes one: choose it, as in --output {names[0] if names else '…'}"
        )
    return 0
