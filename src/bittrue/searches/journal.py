"""The journal of a search: a line of JSON for each thing that was found out, so that a killed search goes on.

A line is on the disk before anything follows from it. Searches with other options, or on other data, have other keys
and may share the file; what was claimed on which images is read across all of them.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bittrue.errors import StoreError
from bittrue.files import check_ordinary

FILE = "search.jsonl"


class Journal:
    """What is known of a search; without a file only while this process lives."""

    def __init__(self, path: Path | None, study: Mapping[str, Any]) -> None:
        """study: all that results depend on, as JSON.

        Raises: StoreError for a file that is no journal.
        """
        self._path = path
        self.key = hashlib.sha256(json.dumps(study, sort_keys=True).encode()).hexdigest()
        self._lines = [] if path is None else _read(path)
        self._used: set[tuple[str, str]] = set()

    def find(self, what: str, name: str) -> dict[str, Any] | None:
        """What this search found out, if it did."""
        known = next((line["found"] for line in self._own() if (line["what"], line["name"]) == (what, name)), None)
        if known is not None:
            self._used.add((what, name))
        return known

    def add(self, what: str, name: str, found: Mapping[str, Any]) -> dict[str, Any]:
        """Keep it, on the disk when this returns; returns it as it will be read again, its keys in their order."""
        text = json.dumps({"search": self.key, "what": what, "name": name, "found": dict(found)}, sort_keys=True)
        line = json.loads(text)
        self._lines.append(line)
        self._used.add((what, name))
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
        known: dict[str, Any] = line["found"]
        return known

    def image_passes(self) -> int:
        """Of everything that this search found out."""
        return sum(line["found"].get("image_passes", 0) for line in self._own())

    def used_passes(self) -> int:
        """Of what this run has asked for by now, wherever a run before it was killed."""
        own = (line for line in self._own() if (line["what"], line["name"]) in self._used)
        return sum(line["found"].get("image_passes", 0) for line in own)

    def others(self, what: str, name: str) -> int:
        """How many other searches of this folder found out the same."""
        return sum((line["what"], line["name"]) == (what, name) and line["search"] != self.key for line in self._lines)

    def _own(self) -> Iterator[dict[str, Any]]:
        return (line for line in self._lines if line["search"] == self.key)


def _read(path: Path) -> list[dict[str, Any]]:
    """The whole lines; a last one that a kill cut off is cut off from the file, too."""
    check_ordinary(path)
    if not path.exists():
        return []
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
        if not all(isinstance(line, dict) and {"search", "what", "name", "found"} <= line.keys() for line in lines):
            raise ValueError("other lines")
    except ValueError as error:
        raise StoreError(f"{path} is no journal of a search ({error}): choose another folder, or remove it.") from None
    if len(whole) < len(text):
        os.truncate(path, len(whole))
    return lines
