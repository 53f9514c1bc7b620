"""What the tests of the documentation read: fenced blocks of Markdown pages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(
    r'(?P<before>[^\n]*)\n```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<code>.*?)\n```',
    re.DOTALL,
)
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>[^>]{8,}) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    not_run: the reason that the line before gives for leaving it out, or None. title: the name of the file that the
    block is, or None.
    """

    language: str
    code: str
    not_run: str | None
    title: str | None


def blocks(page: Path) -> Iterator[Block]:
    for found in _FENCE.finditer(f"\n{page.read_text('utf-8')}"):
        reason = _NOT_RUN.fullmatch(found["before"].strip())
        yield Block(found["language"], found["code"], None if reason is None else reason["reason"], found["title"])
