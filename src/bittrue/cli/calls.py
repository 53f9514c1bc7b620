"""Commands to print, which run as they are printed: how bittrue was called, and the options of a group again."""

import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

from typer.models import ArgumentInfo, OptionInfo


def call() -> str:
    """How bittrue was called: by a name that the shell finds, by its path, or as a module."""
    program = Path(sys.argv[0])
    found = shutil.which("bittrue")
    if found is not None and program.exists() and program.samefile(found):
        return "bittrue"
    if program.name == "bittrue":
        return shlex.quote(str(program))
    return f"{shlex.quote(sys.executable)} -m bittrue"


def command_line(command: str, *parts: object) -> str:
    """A command of bittrue's for a shell; a part is a word, or a group of options, of which those that aren't as by
    default are written."""
    words = [
        str(word) for part in parts for word in (arguments(part) if hasattr(part, "__dataclass_fields__") else [part])
    ]
    return " ".join([call(), command, *map(shlex.quote, words)])


def arguments(group: Any) -> list[str]:
    """The words that give a group of options what it holds."""
    hints = get_type_hints(type(group), include_extras=True)
    words: list[str] = []
    for field in fields(group):
        value = getattr(group, field.name)
        if field.default is not MISSING and value == field.default:
            continue
        described = next(each for each in hints[field.name].__metadata__ if isinstance(each, OptionInfo | ArgumentInfo))
        if isinstance(described, ArgumentInfo):
            words.append(str(value))
        elif isinstance(value, bool):
            on, _, off = _name(described).partition("/")
            words.append(on if value else off)
        else:
            words += _given(_name(described), value)
    return words


def _name(option: OptionInfo) -> str:
    """Typer keeps the first name of an annotation's option where it keeps the default of others."""
    return next(str(name) for name in (option.default, *(option.param_decls or ())) if str(name).startswith("-"))


def _given(option: str, value: object) -> Iterable[str]:
    """An option with its value, or with each of several."""
    for each in value if isinstance(value, list | tuple) else [value]:
        text = str(each)
        # A value that begins like an option would be taken for one.
        yield from (f"{option}={text}",) if text.startswith("-") else (option, text)
