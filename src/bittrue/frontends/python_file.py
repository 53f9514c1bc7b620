"""`file.py:function`: a model that the user's own Python code builds.

This is the one place where bittrue runs code that it was given, and it runs only what the user named.
"""

import ast
import contextlib
import os
import re
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path

from bittrue.errors import ModelError
from bittrue.files import check_ordinary

MODULE = "bittrue_model_file"
"""The name under which the file is imported; one at a time."""

_MOST_NAMED = 5


def names_a_function(source: str) -> bool:
    """Whether `source` is written as `file.py:function`."""
    return re.search(r"\.py:[^:/\\]*$", source) is not None


def without_function(path: str) -> ModelError:
    """The error for a `file.py` without `:function`; it names the functions found by reading the file, not running it.

    Those that begin with an underscore or need arguments aren't among them.
    """
    if not Path(path).is_file():
        return ModelError(f"{path}: there is no such file: check the path.")
    try:
        found = _builders(path)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return ModelError(f"{path}: it can't be read as Python ({type(error).__name__}): correct it.")
    if not found:
        return ModelError(f"{path}: no function in it can be called without arguments: add one that returns the model.")
    return ModelError(f"{path}: say which of its functions builds the model: {_named(path, found)}.")


def _builders(path: str) -> list[str]:
    """The functions that could build the model. Raises: what reading Python raises."""
    tree = ast.parse(Path(path).read_bytes())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and _builds(node)]


def _named(path: str, found: list[str]) -> str:
    shown = ", ".join(f"{path}:{name}" for name in found[:_MOST_NAMED])
    return shown if len(found) <= _MOST_NAMED else f"{shown} or one of {len(found) - _MOST_NAMED} more"


def _instead(path: str) -> str:
    """What a file that was run already has in the place of a function that it lacks."""
    found = _builders(path)
    return f"; it has {_named(path, found)}" if found else ""


def _builds(node: ast.FunctionDef) -> bool:
    needed = len(node.args.posonlyargs) + len(node.args.args) - len(node.args.defaults)
    needed += sum(default is None for default in node.args.kw_defaults)
    return needed == 0 and not node.name.startswith("_")


def build_model(source: str) -> object:
    """What the function returns that `source` names, as in `models/small.py:build`; it is called without arguments.

    What the code prints goes to standard error. Keras takes its torch backend unless the code or the environment
    chooses another.

    Raises: ModelError where the file or the function is missing, or where its code raises anything.
    """
    path, _, name = source.rpartition(":")
    check_ordinary(path)
    if not Path(path).is_file():
        raise ModelError(f"{source}: there is no file {path}: check the path.")
    if not name.isidentifier():
        raise ModelError(f"{source}: {name!r} is no name of a function: write {path}:function.")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    with _as_its_own_program(path), _failing_as_model_error(source):
        loader = SourceFileLoader(MODULE, path)
        spec = ModuleSpec(MODULE, loader, origin=path)
        spec.has_location = True  # the module has a __file__
        module = module_from_spec(spec)
        sys.modules[MODULE] = module  # classes in the file look themselves up there
        loader.exec_module(module)
        function = getattr(module, name, None)
        if not callable(function):
            raise ModelError(f"there is no function {name} in the file{_instead(path)}")
        return function()


@contextlib.contextmanager
def _as_its_own_program(path: str) -> Iterator[None]:
    """The file may import its neighbours, and print; neither stays."""
    folder = str(Path(path).resolve().parent)
    sys.path.insert(0, folder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path.remove(folder)


@contextlib.contextmanager
def _failing_as_model_error(source: str) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{source}: {str(error).rstrip('.')}.") from error
    except (Exception, SystemExit) as error:  # the user's code raises what it likes, and sys.exit is no end of bittrue
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ModelError(
            f"{source}: its code raised {type(error).__name__}{f' ({reason})' if reason else ''}: correct it, with "
            "--debug for the traceback."
        ) from error
