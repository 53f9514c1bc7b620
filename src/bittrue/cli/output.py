"""What a command writes: text and JSON to standard output, messages to standard error, and its folder of results."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from bittrue.display.terminal import folded, window_width
from bittrue.files import dump_json, make_folder
from bittrue.wording import printable, shortened


def sentence(text: str) -> str:
    """`text` as one printable line that ends like a sentence, with no quotation longer than a reader wants."""
    line = shortened(printable(text))
    return line if line.endswith((".", "?", "!")) else f"{line}."


def say(text: str = "") -> None:
    """A line of results, to standard output."""
    print(text)


def explain(text: str, indent: str = "") -> None:
    """A paragraph of results, to standard output; a terminal's lines end between words.

    indent: what the lines after the first begin with.
    """
    say("\n".join(folded(text, window_width(), indent)))


def say_json(value: object) -> None:
    """The one object that a command prints under --json."""
    say_whole(dump_json(value))


def say_whole(text: str) -> None:
    """All that a command prints where data are wanted, with its own line ends."""
    sys.stdout.write(text)


def complain(text: str) -> None:
    """A message to standard error, on one line."""
    print(sentence(text), file=sys.stderr)


@contextlib.contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """Make the folder `path`, parents too; where the block fails, the folders made here go again if nothing is in them.

    Raises: BittrueError where a folder can't be made there or takes no files.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        make_folder(path)
        yield path
    except BaseException:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def optional_folder(path: Path | None) -> contextlib.AbstractContextManager[Path | None]:
    """`output_folder`, or None for None."""
    return contextlib.nullcontext() if path is None else output_folder(path)
