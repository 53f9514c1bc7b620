"""The command line: `bittrue COMMAND`. Its modules import no more than Typer before a command runs."""

import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bittrue._version import __version__
from bittrue.cli.command import USER_ERROR
from bittrue.cli.demo import demo
from bittrue.cli.diff import diff
from bittrue.cli.doctor import doctor
from bittrue.cli.engine import without_engine
from bittrue.cli.export import export
from bittrue.cli.inspect import inspect
from bittrue.cli.output import complain, say
from bittrue.cli.plan import plan
from bittrue.cli.ranges import ranges
from bittrue.cli.repair import repair
from bittrue.cli.report import report
from bittrue.cli.search import search
from bittrue.cli.sensitivity import sensitivity
from bittrue.cli.simulate import simulate
from bittrue.cli.streams import close_streams, open_streams
from bittrue.cli.sweep import sweep
from bittrue.cli.trace import trace
from bittrue.cli.verify import verify
from bittrue.errors import KernelError

COMMANDS = (
    demo,
    inspect,
    ranges,
    plan,
    repair,
    sweep,
    sensitivity,
    search,
    simulate,
    verify,
    trace,
    export,
    diff,
    report,
    doctor,
)


class Commands(TyperGroup):
    """The commands, with errors in their usage on one line, too."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit; `obj` of its context is the command line, for what says how it was made."""
        given = list(sys.argv[1:] if args is None else args)
        made_by = shlex.join(["bittrue", *without_engine(given)])
        try:
            code = super().main(given, prog_name, complete_var, False, windows_expand_args, obj=made_by, **extra)
        except typer.TyperException as error:
            if message := error.format_message().removesuffix("."):  # empty where help was printed instead
                context = getattr(error, "ctx", None)
                path = "bittrue" if context is None else context.command_path
                complain(f"Error: {message}: see `{path} --help`")
            code = USER_ERROR
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    name="bittrue",
    cls=Commands,
    help="How many bits a trained neural network needs, and exactly what its fixed-point hardware computes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"bittrue {__version__}, {_kernels()}")
        raise typer.Exit


def _kernels() -> str:
    """Which compiled kernels are in use."""
    from bittrue.simulation.compiled import library

    try:
        unit = library.unit()
    except KernelError as error:
        return str(error)
    return "without compiled kernels" if unit is None else f"compiled kernels for {unit.name}"


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit."),
    ] = False,
) -> None:
    """What `bittrue` takes before a command."""


for function in COMMANDS:
    app.command(name=function.__name__)(function)


def main() -> None:
    """The entry point of the console script."""
    open_streams()
    try:
        app(prog_name="bittrue")
    finally:
        close_streams()
