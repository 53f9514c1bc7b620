"""How engines are named, before anything large is imported."""

from bittrue.errors import BittrueError

OPENERS = {"ray": "bittrue.engines.cluster:opened_cluster"}
"""By the name of an engine what opens it, given what stands behind `://` (None without): found by name, since engines
stand above what is carried out on them."""


def parse_engine(text: str) -> tuple[str, str | None]:
    """The name of an engine and its address, if it has one: `ray`, `ray://HOST:PORT`.

    Raises: BittrueError for a name that is none.
    """
    name, separator, address = text.partition("://")
    if name not in OPENERS or (separator and not address):
        raise BittrueError(
            f"There is no engine {text!r}: write ray for workers on this machine, ray://HOST:PORT for a Ray cluster, "
            "or leave it out for this process."
        )
    return name, address or None
