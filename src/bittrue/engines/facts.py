"""What must be the same on every worker, and what is worth knowing of each."""

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable

from bittrue._version import __version__
from bittrue.errors import BittrueError


@dataclass(frozen=True)
class Facts:
    """Versions of what computes: of Python without its last number, bittrue, torch; source: a hash of bittrue's own."""

    python: str
    bittrue: str
    source: str
    torch: str


def facts() -> Facts:
    """Those of this process."""
    return Facts(".".join(platform.python_version_tuple()[:2]), __version__, source_hash(), installed("torch"))


def installed(name: str) -> str:
    """The version of a distribution, or that there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


@cache
def source_hash() -> str:
    """A hash over all modules of bittrue: two working copies of one version may differ."""
    found = hashlib.sha256()
    for path, module in sorted(_modules(files("bittrue"), "")):
        found.update(f"{path}\n".encode())
        found.update(module.read_bytes())
    return found.hexdigest()[:12]


def _modules(folder: Traversable, path: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _modules(entry, f"{path}{entry.name}/")
        elif entry.name.endswith(".py"):
            found.append((f"{path}{entry.name}", entry))
    return found


def check(there: Facts, where: str) -> None:
    """Raise BittrueError where a worker would compute with something else than this process."""
    here = facts()
    for name in ("python", "bittrue", "torch"):
        ours, theirs = getattr(here, name), getattr(there, name)
        if ours != theirs:
            called = "Python" if name == "python" else name
            raise BittrueError(
                f"The worker at {where} has {called} {theirs}, and here it is {ours}: install the same there, since "
                "the bits of float rows may depend on it."
            )
    if here.source != there.source:
        raise BittrueError(
            f"The worker at {where} has another bittrue {there.bittrue} than this one (its modules' hash is "
            f"{there.source}, and here {here.source}): install the same there."
        )
