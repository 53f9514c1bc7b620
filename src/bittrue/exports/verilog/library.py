"""The texts of the library's modules, and which of them a design needs."""

import re
from collections.abc import Iterable
from importlib.resources import files

_INSTANCE = re.compile(r"^\s*bittrue_(\w+) #\(", re.MULTILINE)


def library_text(name: str) -> str:
    """The text of the module `bittrue_NAME`."""
    return files("bittrue.exports.verilog").joinpath("modules", f"{name}.sv").read_text(encoding="utf-8")


def with_parts(names: Iterable[str]) -> tuple[str, ...]:
    """These modules and those that they have instances of, sorted."""
    found: set[str] = set()
    left = set(names)
    while left:
        name = left.pop()
        found.add(name)
        left.update(set(_INSTANCE.findall(library_text(name))) - found)
    return tuple(sorted(found))
