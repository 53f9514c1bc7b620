"""Names that other languages take: of networks, and of the steps of a program."""

import re
from collections.abc import Iterable, Mapping

from bittrue.program import FixedNetwork


def identifier(name: str) -> str:
    """A name that C and SystemVerilog take."""
    text = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return text if re.match(r"[A-Za-z]", text) else f"network_{text}"


def step_names(program: FixedNetwork, prefix: str, reserved: Iterable[str]) -> Mapping[str, str]:
    """A name for each step, no two alike, and none of `reserved`, which the prefix stands before, too. Underscores
    stand alone in them, so that two of them can stand before the role of a step's constant."""
    taken = {f"{prefix}_{word}" for word in reserved}
    names: dict[str, str] = {}
    for step in program.steps:
        wanted = f"{prefix}_{re.sub(r'[^A-Za-z0-9]+', '_', step.name)}"
        place, chosen = 1, wanted
        while chosen in taken or chosen in names.values():
            place += 1
            chosen = f"{wanted}_{place}"
        names[step.name] = chosen
    return names
