"""Lines of C, indented by the blocks that they stand in."""

import contextlib
from collections.abc import Iterator


class Writer:
    """Collects lines; `block` indents those that are written inside it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    @contextlib.contextmanager
    def block(self, opening: str) -> Iterator[None]:
        """`opening {`, the lines written inside, `}`."""
        self.line(f"{opening} {{")
        self._depth += 1
        yield
        self._depth -= 1
        self.line("}")
