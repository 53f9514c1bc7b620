"""What every result can do: show itself in a notebook and a terminal, become a data frame, and be kept as JSON."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

from bittrue.display import ROWS_OF_A_REPR, View, to_html, to_text
from bittrue.files import check_json_name, dump_json, read_json, write_text


class Result(ABC):
    """Something that was found out, or made; frozen."""

    @abstractmethod
    def view(self) -> View:
        """The tables and sentences that a reader sees of it."""

    @abstractmethod
    def records(self) -> list[dict[str, Any]]:
        """Its rows, all with the same keys, with numbers where the tables have text."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Its file's object."""

    def to_frame(self) -> Any:
        """`records` as a pandas DataFrame where pandas is installed, else as the list of dicts that they are."""
        try:
            import pandas
        except ImportError:
            return self.records()
        return pandas.DataFrame.from_records(self.records())

    def save(self, path: str | Path) -> None:
        """Write it to `path` as JSON, as the command of the same name does.

        Raises: BittrueError where `path` can't be written.
        """
        check_json_name(path)
        write_text(path, dump_json(self.to_json()))

    def __repr__(self) -> str:
        return to_text(self.view(), most_rows=ROWS_OF_A_REPR)

    def __str__(self) -> str:
        return to_text(self.view())

    def _repr_html_(self) -> str:
        return to_html(self.view())


class SavedResult(Result):
    """A result that its JSON holds whole."""

    file: ClassVar[str]
    """How errors call its file, as in "sweep"."""

    @classmethod
    @abstractmethod
    def from_json(cls, content: Any, source: str) -> Self:
        """Read back to_json's object. Raises: BittrueError that names `source`."""

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save`, or a command, wrote to `path`. Raises: BittrueError where it is damaged or another file."""
        return cls.from_json(read_json(path, cls.file), str(path))
