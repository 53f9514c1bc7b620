"""`python -m bittrue.cli.reference FILE`: the reference of all commands, from the commands themselves."""

import sys
from collections.abc import Iterator
from typing import Any

import typer

from bittrue.cli.app import app
from bittrue.cli.options import COMMON
from bittrue.cli.tables import TABLES
from bittrue.files import write_text

SHARED = {COMMON: "Every command takes", TABLES: "Those that print a table take"}
"""Panels that are written once."""

HEAD = """# Commands

Made by `python -m bittrue.cli.reference docs/commands.md`; a test keeps it fresh.

Results go to standard output, progress and messages to standard error. Exit codes: 0 done; 1 done, and the answer is no
(a mismatch); 2 an error that you can put right, in one line; 70 a bug in bittrue; 130 interrupted; 141 nobody reads the
output any more (`bittrue inspect model.keras | head`).
"""


def reference() -> str:
    """The reference in Markdown."""
    group: Any = typer.main.get_command(app)
    commands = list(group.commands.values())
    shared = {panel: rows for command in commands for panel, rows in _panels(command).items() if panel in SHARED}
    alone = [(option.opts[0], _ended(option.help)) for option in group.params]
    lines = [
        HEAD,
        *_table("`bittrue` alone takes", alone),
        *(line for panel, text in SHARED.items() for line in _table(text, shared[panel])),
    ]
    return "\n".join([*lines, *(line for command in commands for line in _command(command))])


def _command(command: Any) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    required = [
        f"{option.opts[0]} {option.metavar}" for option in command.params if _is_option(option) and option.required
    ]
    yield f"## {command.name}\n"
    yield f"{command.help}\n"
    yield f"    {' '.join(['bittrue', command.name, *(argument.metavar for argument in arguments), *required])}\n"
    yield from _table("Argument", [(argument.metavar, argument.help) for argument in arguments])
    panels = _panels(command)
    for panel, rows in panels.items():
        if panel in SHARED:
            continue
        yield from _table(f"Option: {panel.lower()}" if panel else "Option", rows)


def _panels(command: Any) -> dict[str, list[tuple[str, str]]]:
    """The options by panel, those of none first: how each is written, and what it means."""
    panels: dict[str, list[tuple[str, str]]] = {"": []}
    for option in filter(_is_option, command.params):
        panels.setdefault(option.rich_help_panel or "", []).append((_spelling(option), _meaning(option)))
    return panels


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _spelling(option: Any) -> str:
    return option.opts[0] if option.is_flag else f"{option.opts[0]} {option.metavar}"


def _meaning(option: Any) -> str:
    if option.required:
        return f"{option.help} Required."
    if option.is_flag or option.default in (None, ()):
        return str(option.help)
    return f"{str(option.help).removesuffix('.')} (default: {option.default})."


def _ended(text: str) -> str:
    return f"{text.rstrip('.')}."


def _table(heading: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    if not rows:
        return
    yield f"| {heading} | |"
    yield "|---|---|"
    for spelling, meaning in rows:
        yield f"| `{_cell(spelling)}` | {_cell(meaning)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    write_text(sys.argv[1], reference())
