"""Turns a function into a command: groups of options become its options, and errors become one line and an exit code.

Exit codes: 0 done, 1 done and the answer is no, 2 something the user can put right, 70 a bug in bittrue, 130
interrupted, 141 nobody reads the output any more (see `cli.streams`).
"""

import functools
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints

import typer

from bittrue.cli.output import complain
from bittrue.errors import BittrueError
from bittrue.wording import printable, shortened

ANSWER_IS_NO = 1
USER_ERROR = 2
INTERNAL_ERROR = 70  # EX_SOFTWARE of BSD's sysexits
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
NO_READER = 141  # 128 and the number of SIGPIPE


def command(function: Callable[..., None]) -> Callable[..., None]:
    """`function` as Typer takes it: a parameter whose type is a dataclass is replaced by the options in its fields.

    One of the dataclasses has a field `debug`.
    """
    signature = inspect.signature(function, eval_str=True)
    groups: dict[str, Any] = {
        name: p.annotation for name, p in signature.parameters.items() if is_dataclass(p.annotation)
    }
    options = [
        option
        for parameter in signature.parameters.values()
        for option in (_options(groups[parameter.name]) if parameter.name in groups else [_keyword(parameter)])
    ]

    @functools.wraps(function)
    def run(**values: Any) -> None:
        debug = values["debug"]
        _announce(values.get("model"))

        def call() -> None:
            for name, group in groups.items():
                values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
            function(**values)

        _run(call, debug=debug)

    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in options}
    return run


def _announce(model: object) -> None:
    """A sign of life on a terminal: imports, a large model and data take seconds before there is progress to show."""
    if model is not None and sys.stderr.isatty():
        print(shortened(printable(f"Reading {model} …")), file=sys.stderr, flush=True)


def _keyword(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _options(group: Any) -> Iterator[inspect.Parameter]:
    annotations = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotations[field.name]
        )


def _run(function: Callable[[], None], *, debug: bool) -> None:
    try:
        function()
    except typer.Exit:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        code, message = _ending(error)
        complain(message)
        raise typer.Exit(code) from None


def _ending(error: BaseException) -> tuple[int, str]:
    """The exit code and the sentence for what broke a command off."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, f"Interrupted{f': {error}' if error.args else ''}"
    if isinstance(error, BittrueError):
        return USER_ERROR, f"Error: {error}"
    if isinstance(error, MemoryError):
        return USER_ERROR, "Error: the memory is not enough: lower --batch-size or free some"
    if isinstance(error, OSError):
        where = "a file" if error.filename is None else str(error.filename)
        return USER_ERROR, f"Error: {where} can't be used ({error.strerror or error}): check it and its disk"
    what = f"{type(error).__name__}: {error}".removesuffix(".")
    return INTERNAL_ERROR, f"Internal error, a bug in bittrue ({what}): run with --debug to see where"
