"""How numbers of bits are written on the command line."""

import re

from bittrue.errors import BittrueError


def parse_bits(text: str, option: str) -> range:
    """`5`, or an inclusive range `3:8`, as given to `option`. Raises BittrueError."""
    found = re.fullmatch(r"\s*([+-]?[0-9]{1,5})\s*(?::\s*([+-]?[0-9]{1,5})\s*)?", text)
    if not found:
        raise BittrueError(f"{option} {text!r} is neither a number nor a range: write it like 5 or 3:8.")
    first = int(found[1])
    last = first if found[2] is None else int(found[2])
    if last < first:
        raise BittrueError(f"{option} {text} runs downwards: write {last}:{first}.")
    return range(first, last + 1)


def parse_number(text: str, option: str) -> int:
    """One number as given to `option`, where a range has no meaning. Raises BittrueError."""
    bits = parse_bits(text, option)
    if len(bits) > 1:
        raise BittrueError(f"{option} {text} is a range, which only `bittrue sweep` takes: write one number.")
    return bits[0]
