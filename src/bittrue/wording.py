"""How numbers are written for readers: in sentences, on the terminal and in the report."""

import re

QUOTED = 80
"""The most characters of what is refused that a message quotes."""

_PAGE = 1200
"""No sentence of ours is so long, and what makes it so is what somebody else wrote."""

_LONG = re.compile(
    rf"""(?<!\w)(?P<mark>['"])(?P<quoted>(?:(?!(?P=mark)).){{{QUOTED + 1},}})(?P=mark)|[^\s/]{{{QUOTED + 1},}}"""
)
"""Between quotation marks, or in one piece; the parts of a path are pieces of their own."""

SMALLEST_PROBABILITY = 1e-300
"""Below it a float64 has few digits left, or none: the probability may have become 0, which it can't be."""


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 image`, `10,000 images`; nouns: the plural where it isn't made with an s alone."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def points(number: float) -> str:
    """`1 point`, `0.5 points`: of percentage."""
    return f"{number:g} point{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """`81.63 %`."""
    return f"{100 * share:.2f} %"


def probability(value: float) -> str:
    """Two significant digits; of the smallest, how small they are at most."""
    return f"< {SMALLEST_PROBABILITY:g}" if value < SMALLEST_PROBABILITY else f"{value:.2g}"


def typographic(text: str) -> str:
    """A number with minus signs in the place of hyphens."""
    return text.replace("-", "−")


def printable(text: str) -> str:
    """`text` on one line, with control characters written out: a file's name may hold what a terminal would obey."""
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in " ".join(text.split())
    )


def excerpt(value: object) -> str:
    """What a message repeats of a name or a value that it refuses: `QUOTED` characters of it at most."""
    text = printable(str(value))
    return text if len(text) <= QUOTED else f"{text[: (QUOTED - 1) // 2]}…{text[-((QUOTED - 1) // 2) :]}"


def shortened(text: str) -> str:
    """`text` with the middle left out of whatever it quotes at more than `QUOTED` characters, and of all of it where it
    is a page long."""
    told = _LONG.sub(_without_middle, text)
    return told if len(told) <= _PAGE else f"{told[: _PAGE // 2]} … {told[-_PAGE // 2 :]}"


def _without_middle(found: "re.Match[str]") -> str:
    mark = found["mark"] or ""
    whole = found["quoted"] or found[0]
    half = (QUOTED - 1) // 2
    return f"{mark}{whole[:half]}…{whole[-half:]}{mark}"
