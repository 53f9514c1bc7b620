"""The results store: the record of every finished batch of every row of a study, in one SQLite file.

A sweep that was killed opens the store again, reads what is finished and goes on at the first gap; nothing is
evaluated twice. Whoever drives the evaluation writes, and nobody else: that process holds the file's lock from opening
to closing, and the system frees the lock of a process that dies. A batch is added in one transaction and is on the
disk when `add` returns, or isn't there at all.

The tables: `studies` (key: sha256 of the network's hash, the data's hash and the options; description: these as JSON),
`rows` (key: the sha256 of a plan, or "float"; metadata: JSON), and `batches`, whose records say in `layout` (JSON:
[[name, dtype], …]) what lies in `payload`: the arrays one after the other, each `images` numbers long, little-endian,
without padding. `counters` is JSON; `checksum` is the CRC-32 of "start,images", layout, payload and counters in a row.
A row's metadata holds the CRC-32 of the rest of itself; rows of older stores hold none, and are read without.
"""

import contextlib
import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from bittrue.analysis.evaluating.record import Record, stored_dtype
from bittrue.errors import StoreError
from bittrue.files import check_ordinary

APPLICATION_ID = 0x62697472  # "bitr", in the header of the SQLite file
SCHEMA_VERSION = 1
WAIT_FOR_LOCK = 2.0  # seconds
CHECKSUM = "checksum"
"""The key of a row's metadata that holds the checksum of the others."""

SCHEMA = """
CREATE TABLE studies (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, description TEXT NOT NULL);
CREATE TABLE rows (id INTEGER PRIMARY KEY, study INTEGER NOT NULL REFERENCES studies, key TEXT NOT NULL,
                   metadata TEXT NOT NULL, UNIQUE (study, key));
CREATE TABLE batches (row INTEGER NOT NULL REFERENCES rows, start INTEGER NOT NULL, images INTEGER NOT NULL,
                      layout TEXT NOT NULL, payload BLOB NOT NULL, counters TEXT NOT NULL, checksum INTEGER NOT NULL,
                      PRIMARY KEY (row, start));
"""


@dataclass(frozen=True)
class Study:
    """What results depend on besides the plan: the hashes of network and data, and the options of the evaluation."""

    network: str
    data: str
    options: Mapping[str, object]

    @property
    def key(self) -> str:
        """The sha256 of the description, in hexadecimal digits."""
        return hashlib.sha256(self.description.encode()).hexdigest()

    @property
    def description(self) -> str:
        """The study as JSON, the same for the same study whatever the order of its options."""
        return _json({"network": self.network, "data": self.data, "options": self.options})


@dataclass(frozen=True)
class Facts:
    """What is known of a row when all its images are finished.

    exact: proven for every layer, and `layers` says how, an object a layer. parameter_overflows: by site; they depend
    on no image.
    """

    exact: bool
    parameter_overflows: Mapping[str, int]
    layers: Sequence[Mapping[str, Any]]


METADATA = ({"name"}, {"name", *(entry.name for entry in fields(Facts))}, {"content"})
"""The keys of a row that is under way, of a finished one, and of what is kept beside them."""


@dataclass(frozen=True, eq=False)
class Store:
    """An open store, and the study in it that this process works on. Made by `Store.open`."""

    path: Path
    connection: sqlite3.Connection
    study: int

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: str | Path, study: Study) -> Iterator["Store"]:
        """The store at `path`, made if it is missing, locked for this process until the block ends.

        Raises: StoreError where the file is damaged, is no store of bittrue's, or is in use by another process.
        """
        check_ordinary(path)
        with _sentences(path):
            # No statement opens a transaction by itself: each is begun and ended by _transaction.
            connection = sqlite3.connect(path, timeout=WAIT_FOR_LOCK, isolation_level=None)
        with contextlib.closing(connection):
            with _sentences(path):
                _prepare(connection, path)
                with _transaction(connection):
                    values = (study.key, study.description)
                    connection.execute("INSERT OR IGNORE INTO studies (key, description) VALUES (?, ?)", values)
                (number,) = connection.execute("SELECT id FROM studies WHERE key = ?", (study.key,)).fetchone()
            yield cls(Path(path), connection, number)

    def describe(self, row_key: str, name: str, facts: Facts | None = None) -> None:
        """Make the row `row_key` known by its name, so that records can be added to it; `facts`: once all of them
        are."""
        self._write(row_key, {"name": name} | ({} if facts is None else asdict(facts)))

    def _write(self, row_key: str, metadata: Mapping[str, Any]) -> None:
        checked = {**metadata, CHECKSUM: zlib.crc32(_json(metadata).encode())}
        with _sentences(self.path), _transaction(self.connection):
            self.connection.execute(
                "INSERT INTO rows (study, key, metadata) VALUES (?, ?, ?) "
                "ON CONFLICT (study, key) DO UPDATE SET metadata = excluded.metadata",
                (self.study, row_key, _json(checked)),
            )

    def finished(self, row_key: str) -> Facts | None:
        """What is known of a row that is finished; None where it isn't, or was never described.

        Raises: StoreError where it isn't what was written.
        """
        metadata = self._read(row_key)
        if metadata is None or set(metadata) == {"name"}:
            return None
        return Facts(**{entry.name: metadata[entry.name] for entry in fields(Facts)})

    def _read(self, row_key: str) -> dict[str, Any] | None:
        with _sentences(self.path):
            found = self.connection.execute(
                "SELECT metadata FROM rows WHERE study = ? AND key = ?", (self.study, row_key)
            ).fetchone()
        if found is None:
            return None
        with self._whole():
            metadata: dict[str, Any] = json.loads(found[0])
            checksum = metadata.pop(CHECKSUM, None)
            if checksum not in (None, zlib.crc32(_json(metadata).encode())):
                raise ValueError("the checksum is another")
            if set(metadata) not in METADATA:
                raise ValueError("there is more, or less, than was written")
        return metadata

    def keep(self, key: str, content: str) -> None:
        """Keep a text of the study that is no row, such as the JSON of what was measured for it."""
        self._write(key, {"content": content})

    def kept(self, key: str) -> str | None:
        """What was kept under a key; None where nothing was. Raises: StoreError where it isn't what was written."""
        metadata = self._read(key)
        return None if metadata is None else metadata["content"]

    def records(self, row_key: str) -> list[Record]:
        """The records of a row in the order of their images; none where it was never described.

        Raises: StoreError where one isn't what was written.
        """
        with _sentences(self.path):
            found = self.connection.execute(
                "SELECT start, batches.images, layout, payload, counters, checksum FROM batches "
                "JOIN rows ON rows.id = batches.row WHERE study = ? AND key = ? ORDER BY start",
                (self.study, row_key),
            ).fetchall()
        return [self._decode(*record) for record in found]

    def add(self, row_key: str, record: Record) -> None:
        """Add a record to a row that was described; it is on the disk when this returns.

        Raises: ValueError where the row was never described, or some of the images are finished already.
        """
        layout = _json([[name, stored_dtype(array)] for name, array in record.arrays.items()])
        payload = b"".join(array.astype(stored_dtype(array)).tobytes() for array in record.arrays.values())
        stored = (record.start, record.images, layout, payload, _json(record.counters))
        with _sentences(self.path), _transaction(self.connection):
            row = self.connection.execute(
                "SELECT id FROM rows WHERE study = ? AND key = ?", (self.study, row_key)
            ).fetchone()
            if row is None:
                raise ValueError(f"the row {row_key} was never described")
            end = record.start + record.images
            overlap = "SELECT start FROM batches WHERE row = ? AND start < ? AND start + images > ?"
            if self.connection.execute(overlap, (row[0], end, record.start)).fetchone():
                raise ValueError(f"of the images {record.start} to {end - 1} some are finished already")
            self.connection.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)",
                (row[0], *stored, _checksum(*stored)),
            )

    def _decode(self, start: int, images: int, layout: str, payload: bytes, counters: str, checksum: int) -> Record:
        with self._whole():
            if _checksum(start, images, layout, payload, counters) != checksum:
                raise ValueError("the checksum is another")
            arrays, place = {}, 0
            for name, dtype in json.loads(layout):
                arrays[name] = np.frombuffer(payload, dtype, images, place)
                place += arrays[name].nbytes
            return Record(start, images, arrays, json.loads(counters))

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """What is read here was written here: whatever goes wrong with it, a value of another type too, is damage."""
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError):
            raise StoreError(_damaged(self.path)) from None


def _prepare(connection: sqlite3.Connection, path: str | Path) -> None:
    """Take the lock, see whose file it is before anything is written, and make the tables in a new one."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    is_new = application == 0 and tables == 0
    if not is_new and application != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program: choose another place for the results.")
    if not is_new and version != SCHEMA_VERSION:
        raise StoreError(
            f"{path} was written by another version of bittrue (its form is {version}, and this one reads "
            f"{SCHEMA_VERSION}): choose another place for the results."
        )
    # Not quick_check: it doesn't see a row whose key differs from that of its index.
    if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise StoreError(_damaged(path))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # wait for the disk at every commit
    connection.execute("PRAGMA foreign_keys = ON")
    with _transaction(connection):
        if is_new:
            for statement in SCHEMA.split(";")[:-1]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors, a full disk among them, have rolled back by themselves
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _sentences(path: str | Path) -> Iterator[None]:
    """Turn what SQLite says about the file into a sentence; an error in our own use of it stays what it is."""
    try:
        yield
    except UnicodeDecodeError as error:  # of SQLite's own message, which quotes what is damaged
        raise StoreError(_damaged(path)) from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)  # text that isn't UTF-8 comes without a code
        match code & 0xFF:  # the higher bits say more about the same
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                reason = f"The results store {path} is in use by another process: wait for it or stop it."
            case sqlite3.SQLITE_NOTADB:
                reason = f"{path} is not a results store: choose another place for the results."
            case sqlite3.SQLITE_CORRUPT:
                reason = _damaged(path)
            case _:
                reason = f"The results store {path} can't be used ({error}): free or choose another place."
        raise StoreError(reason) from error


def _damaged(path: str | Path) -> str:
    return f"The results store {path} is damaged: delete it, and its batches will be evaluated again."


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _checksum(start: int, images: int, layout: str, payload: bytes, counters: str) -> int:
    return zlib.crc32(b"".join([f"{start},{images}".encode(), layout.encode(), payload, counters.encode()]))


def holds_batches(path: str | Path) -> bool:
    """Whether the store at `path` is there and has a batch of any row, whatever study it is of."""
    if not Path(path).exists():
        return False
    with _sentences(path), contextlib.closing(sqlite3.connect(path)) as connection:
        (batches,) = connection.execute("SELECT count(*) FROM batches").fetchone()
    return bool(batches)
