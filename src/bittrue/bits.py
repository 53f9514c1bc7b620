"""Numbers of bits as people write them: 8, "8", "4:10", range(4, 11), [4, 6, 8]."""

import re
from collections.abc import Sequence

from bittrue.errors import BittrueError

Bits = int | str | Sequence[int]
"""A number, or several: text as on the command line, where `4:10` has both of its ends."""

_TEXT = re.compile(r"\s*([+-]?[0-9]{1,5})\s*(?::\s*([+-]?[0-9]{1,5})\s*)?")


def is_bits(text: str) -> bool:
    """Whether the text is a number or a range."""
    return _TEXT.fullmatch(text) is not None


def parse_bits(value: Bits, option: str) -> tuple[int, ...]:
    """The numbers that are given to `option`. Raises BittrueError."""
    if isinstance(value, int):
        return (value,)
    if not isinstance(value, str):
        return tuple(value)
    found = _TEXT.fullmatch(value)
    if not found:
        raise BittrueError(f"{option} {value!r} is neither a number nor a range: write it like 5 or 3:8.")
    first = int(found[1])
    last = first if found[2] is None else int(found[2])
    if last < first:
        raise BittrueError(f"{option} {value} runs downwards: write {last}:{first}.")
    return tuple(range(first, last + 1))


def parse_number(value: Bits, option: str) -> int:
    """One number that is given to `option`, where several have no meaning. Raises BittrueError."""
    bits = parse_bits(value, option)
    if len(bits) != 1:
        raise BittrueError(f"{option} {value} is a range, which only `bittrue sweep` takes: write one number.")
    return bits[0]
