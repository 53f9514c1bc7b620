"""Columns of Parquet files, streamed: a record batch at a time, row groups before the first row passed over.

pyarrow reads them, through the file object of ours that knows whether it still is the file that was found.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bittrue.data.source import Raw, reason
from bittrue.data.unchanged import DataFile, data_file
from bittrue.errors import DataError

_AT_A_TIME = 64  # rows that are taken together
_MOST_ROWS = 2**24  # or one a byte: labels and digests are held, and a small file could ask for any number of them
_BUFFER = 2**20  # bytes of a column that are read at a time; 0 would read all of a row group's


@dataclass(frozen=True)
class Table:
    """A `file`: the `types` of its columns by name (pyarrow's), the rows of each row group in `groups`, and the
    `class_names` of columns, where Hugging Face's datasets noted them."""

    file: DataFile
    types: dict[str, Any]
    groups: tuple[int, ...]
    class_names: dict[str, tuple[str, ...]]

    @property
    def rows(self) -> int:
        """How many it has."""
        return sum(self.groups)


def open_table(path: Path) -> Table:
    """What the file at `path` says of itself. Raises DataError, OSError."""
    file = data_file(path)
    with _opened(file) as (reader, _):
        metadata = reader.metadata
        groups = tuple(metadata.row_group(number).num_rows for number in range(metadata.num_row_groups))
        schema = reader.schema_arrow
        types = {name: schema.field(place).type for place, name in enumerate(schema.names)}
        if min(groups, default=0) < 0 or sum(groups) > max(_MOST_ROWS, file.size):
            raise DataError(f"{path} says that it has {sum(groups):,} rows in {file.size:,} bytes: it is damaged.")
        return Table(file, types, groups, _class_names(schema.metadata or {}))


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """The classes of the columns of which Hugging Face's datasets noted them; none where the note can't be read."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        named = {name: feature["names"] for name, feature in features.items() if feature.get("_type") == "ClassLabel"}
        return {name: tuple(map(str, names)) for name, names in named.items() if isinstance(names, list)}
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return {}


@contextmanager
def _opened(file: DataFile) -> Iterator[tuple[Any, BinaryIO]]:
    """pyarrow's reader of `file`, and the open file. Raises DataError, ChangedError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"{file.path} is read with pyarrow, which is not installed: run `pip install 'bittrue[parquet]'`."
        ) from None
    try:
        with file.opened() as stream:
            reader = pyarrow.parquet.ParquetFile(stream, buffer_size=_BUFFER, page_checksum_verification=True)
            yield reader, stream
    except (pyarrow.ArrowException, MemoryError, OSError, ValueError) as error:
        raise DataError(
            f"{file.path} can't be read as a Parquet file ({reason(error)}): it is damaged, or no Parquet file."
        ) from error


def cells(tables: Sequence[Table], name: str, start: int, stop: int) -> Iterator[Any]:
    """The rows `start` to `stop` of the column `name` of all `tables`, as pyarrow's arrays of no set length."""
    ends = list(accumulate(table.rows for table in tables))
    for table, end in zip(tables, ends, strict=True):
        first, until = max(start - (end - table.rows), 0), min(stop, end) - (end - table.rows)
        if first < until:
            yield from _cells(table, name, first, until)


def _cells(table: Table, name: str, start: int, stop: int) -> Iterator[Any]:
    ends = list(accumulate(table.groups))
    groups = [
        number
        for number, (rows, end) in enumerate(zip(table.groups, ends, strict=True))
        if end > start and end - rows < stop
    ]
    done = ends[groups[0]] - table.groups[groups[0]]
    with _opened(table.file) as (reader, stream):
        for batch in reader.iter_batches(_AT_A_TIME, groups, [name], use_threads=False):
            table.file.check(stream)
            column = batch.column(batch.schema.names.index(name))
            part = column.slice(max(start - done, 0), max(stop - max(start, done), 0))
            done += len(column)
            if len(part):
                yield part
    if done < stop:
        raise DataError(f"{table.file.path} is damaged: {name} ends after {done:,} rows, of {table.rows:,}.")


@dataclass(frozen=True, eq=False)
class Column:
    """A column of numbers, or of lists of them that are all of one shape, as rows of an array."""

    tables: tuple[Table, ...]
    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @property
    def any_order(self) -> bool:
        """Whether a row is read wherever it is: a file gives them in groups."""
        return False

    def rows(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        """Yield the rows `start` to `stop`, `size` at a time. Raises DataError, ChangedError."""
        held: list[Raw] = []
        count = 0
        for part in cells(self.tables, self.name, start, stop):
            values = numbers(part, self._where)
            if values.shape[1:] != self.shape[1:]:
                raise DataError(
                    f"{self._where} gives an example of shape {values.shape[1:]} after one of {self.shape[1:]}: give "
                    "all the same."
                )
            held.append(values.astype(self.dtype, copy=False))
            count += len(values)
            while count >= size:
                whole = np.concatenate(held)
                yield whole[:size]
                held, count = [whole[size:]], count - size
        if count:
            yield np.concatenate(held)

    @property
    def _where(self) -> str:
        return f"{self.tables[0].file.path}, column {self.name},"


def column(tables: tuple[Table, ...], name: str) -> Column:
    """The column `name` of numbers, whose shape and type are its first row's. Raises DataError."""
    first = numbers(next(cells(tables, name, 0, 1)), f"{tables[0].file.path}, column {name},")
    return Column(tables, name, first.dtype, (sum(table.rows for table in tables), *first.shape[1:]))


def numbers(part: Any, where: str) -> Raw:
    """pyarrow's array as NumPy's: (n,) of numbers, (n, …) of lists, lists of lists, and tensors. Raises DataError."""
    import pyarrow

    if isinstance(part, pyarrow.FixedShapeTensorArray):
        if part.null_count or part.storage.flatten().null_count:
            raise _gaps(where)
        return np.asarray(part.to_numpy_ndarray())
    shape = [len(part)]
    while pyarrow.types.is_list(part.type) or pyarrow.types.is_large_list(part.type) or _is_fixed(part.type):
        if part.null_count:
            raise _gaps(where)
        lengths = {part.type.list_size} if _is_fixed(part.type) else set(part.value_lengths().unique().to_pylist())
        if len(lengths) > 1:
            raise DataError(f"{where} holds lists of several lengths: give all the same.")
        shape.append(lengths.pop() if lengths else 0)
        part = part.flatten()
    if part.null_count:
        raise _gaps(where)
    if not (pyarrow.types.is_integer(part.type) or pyarrow.types.is_floating(part.type) or _is_boolean(part.type)):
        raise DataError(f"{where} is of type {part.type}: give integers or real floating-point numbers.")
    return np.asarray(part.to_numpy(zero_copy_only=False)).reshape(shape)


def _is_fixed(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_fixed_size_list(kind))


def _is_boolean(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_boolean(kind))


def _gaps(where: str) -> DataError:
    return DataError(f"{where} has rows without a value: leave them out.")
