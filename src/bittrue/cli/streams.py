"""Standard output and error as the shell hands them over: closed, full, without a reader, or short of characters.

`open_streams` is called once, before anything is printed or opened. From then on a character that the encoding lacks is
written another way, a closed stream takes everything and keeps nothing, and one that can't be written ends the program:
with a code of its own where the reader has left (`bittrue verify … | head`), with a sentence where the disk is full.
"""

import codecs
import io
import os
import sys

from bittrue.cli.command import NO_READER, USER_ERROR
from bittrue.cli.output import complain

_OUTPUT, _MESSAGES = 1, 2
_REPLACEMENT = "bittrue.replacement"

# One character each, but for signs that have no such spelling, so that columns stay in line.
_ASCII = str.maketrans(
    {
        **dict(zip("−–―·…×÷→≈’‘“”", "---*~x/>~''\"\"", strict=True)),
        **dict(zip("─━│┃┌┐└┘├┤┬┴┼╭╮╰╯╸╺╶╴", "--||+++++++++++++----", strict=True)),
        **dict(zip("▁▂▃▄▅▆▇█", ".:-=+*#@", strict=True)),
        "≥": ">=",
        "≤": "<=",
        "≠": "!=",
        "±": "+-",
        "²": "^2",
        "³": "^3",
        "½": "1/2",
        "√": "sqrt",
        "∞": "infinity",
    }
)


def open_streams() -> None:
    """Put standard output and error in order; see the module."""
    codecs.register_error(_REPLACEMENT, _replacement)
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes this number, the lowest free; else a file of results would
    sys.stdout = _opened(sys.stdout, _OUTPUT)
    sys.stderr = _opened(sys.stderr, _MESSAGES)


def close_streams() -> None:
    """Write what is still held back, while a failure can still end the program in order."""
    sys.stdout.flush()
    sys.stderr.flush()


class _Descriptor(io.FileIO):
    """A descriptor that ends the program where it can't be written."""

    def write(self, content: object) -> int:
        try:
            return super().write(content)  # type: ignore[arg-type]
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # for what is still held back
            os.close(nowhere)
            if isinstance(error, BrokenPipeError):
                raise SystemExit(NO_READER) from None
            if self.fileno() == _OUTPUT:  # there is nobody to tell that messages can't be written
                complain(f"Error: the output can't be written ({error.strerror}): send it elsewhere")
            raise SystemExit(USER_ERROR) from None


def _opened(stream: object, descriptor: int) -> io.TextIOWrapper:
    """`descriptor` for text, in the encoding and with the buffering of `stream`; None stands for a closed one."""
    found = stream if isinstance(stream, io.TextIOWrapper) else None
    return io.TextIOWrapper(
        io.BufferedWriter(_Descriptor(descriptor, "w", closefd=False)),
        encoding="utf-8" if found is None else found.encoding,
        errors=_REPLACEMENT,
        line_buffering=found is not None and found.line_buffering,
        write_through=found is not None and found.write_through,
    )


def _replacement(error: UnicodeError) -> tuple[str, int]:
    """What is written in the place of characters that the encoding lacks: ASCII that reads alike, or their code."""
    if not isinstance(error, UnicodeEncodeError):
        raise error  # nothing is decoded here
    lacking = error.object[error.start : error.end].translate(_ASCII)
    return lacking.encode("ascii", "backslashreplace").decode("ascii"), error.end
