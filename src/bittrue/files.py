"""The one way in which bittrue writes a file: under a temporary name, then renamed; and how it reads and writes JSON.

A file that bittrue writes is either whole or not there. The temporary file lies in the target's own folder (a rename
across file systems is a copy) and starts with `.part-`, which is all that a killed process can leave behind.
"""

import contextlib
import ctypes
import glob
import json
import math
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from bittrue.errors import BittrueError

TEMPORARY_PREFIX = ".part-"

_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it becomes `path`, on any failure it is removed.

    The temporary name ends like the target's, because some writers choose their format by the suffix. The contents
    reach the disk before the name does, so that a power failure leaves the old file or the new one.

    Raises: BittrueError where the folder is missing or closed, the target is no ordinary file, or the disk is full.
    """
    target = Path(os.path.realpath(path))  # a link keeps pointing where it did
    _check_target(path, target)
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{target.name}")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
        _flush(target.parent)
    except OSError as error:
        # An error about some other file is the caller's; one without a name (a full disk) came from writing this one.
        if error.filename is not None and error.filename not in (str(temporary), temporary):
            raise
        raise BittrueError(f"{path} can't be written ({error.strerror}): free or choose another place.") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; on success it becomes `path` in one step, with all that is in it,
    and a folder that was there goes; on any failure the temporary one is removed and `path` stays as it was.

    Whether an old folder may go is the caller's to know. Raises: BittrueError where the folder can't be made.
    """
    target = Path(os.path.realpath(path))
    make_folder(target.parent)
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{target.name}")
    temporary.mkdir()
    try:
        yield temporary
        for file in sorted(temporary.rglob("*")):
            _flush(file)
        if target.exists():
            _exchange(temporary, target)
        else:
            os.rename(temporary, target)
        _flush(target.parent)
    except OSError as error:
        if error.filename is not None and not str(error.filename).startswith(str(temporary)):
            raise
        raise BittrueError(f"{path} can't be written ({error.strerror}): free or choose another place.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def replacing_together(folder: str | Path, names: Collection[str]) -> Iterator[Path]:
    """Yield an empty temporary folder in `folder`; on success what lies in it takes the place of all of `names` there.

    `names`: the files and folders that belong together; those that are there go first, then the new ones come. So a
    process that is killed leaves the old set, the new one, or a part of one: never parts of both. What has another name
    stays. Raises: BittrueError where the folder can't be made or written.
    """
    target = Path(folder)
    make_folder(target)
    temporary, aside = (target / f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}" for _ in range(2))
    try:
        temporary.mkdir()
        aside.mkdir()
        yield temporary
        for file in sorted(temporary.rglob("*")):
            _flush(file)
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.rename(target / name, aside / name)
        _flush(target)
        for new in sorted(temporary.iterdir()):
            os.rename(new, target / new.name)
        _flush(target)
    except OSError as error:
        if error.filename is not None and not str(error.filename).startswith(str(target)):
            raise
        raise BittrueError(f"{folder} can't be written ({error.strerror}): free or choose another place.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


_RENAME_EXCHANGE = 2  # of Linux's renameat2(2)
_AT_THE_WORKING_FOLDER = -100


def _exchange(first: Path, second: Path) -> None:
    """Let two folders change their names: in one step where the system has that, else in three."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    names = (os.fsencode(first), os.fsencode(second))
    if rename is not None and not rename(
        _AT_THE_WORKING_FOLDER, names[0], _AT_THE_WORKING_FOLDER, names[1], _RENAME_EXCHANGE
    ):
        return
    aside = second.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{second.name}")
    os.rename(second, aside)
    os.rename(first, second)
    os.rename(aside, first)


def make_folder(path: Path) -> None:
    """Make a folder, parents too, where there is none. Raises: BittrueError where that can't be, or it takes no
    files."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BittrueError(f"The folder {path} can't be made ({error.strerror}): choose another place.") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise BittrueError(f"The folder {path} takes no files for lack of permission: choose another place.")


def write_bytes(path: str | Path, contents: bytes) -> None:
    """Write `contents` to `path` as one step: see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(contents)


@contextlib.contextmanager
def replacing_json(path: str | Path) -> Iterator[Callable[[object], None]]:
    """Yield what writes the object that `path` is to hold as JSON; it appears when the block has ended well.

    Raises: BittrueError at once where it can't be written, or its name promises another format; see `replacing`.
    """
    check_json_name(path)
    with replacing(path) as temporary:

        def write(value: object) -> None:
            temporary.write_text(dump_json(value), encoding="utf-8")

        yield write


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, with the line ends that it has, as one step: see `replacing`.

    What isn't text, as in a folder's name of bytes that aren't UTF-8, is written out: \\udce9.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def check_ordinary(path: str | os.PathLike[str], refusal: type[BittrueError] = BittrueError) -> None:
    """Refuse what would block a reader or never end: a FIFO, a socket, a device. What isn't there passes.

    Raises: `refusal`.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # a name that can't be, a null character in it: opening it says so
        return
    check_ordinary_mode(path, mode, refusal)


def check_ordinary_mode(path: str | os.PathLike[str], mode: int, refusal: type[BittrueError]) -> None:
    """The same by the mode that the system gave for it, as of a file that is open already. Raises: `refusal`."""
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = next(name for is_kind, name in _KINDS if is_kind(mode))
        raise refusal(f"{path} is {kind}, and an ordinary file is wanted: copy into one what comes out of it.")


@contextlib.contextmanager
def unchanged(*paths: str | os.PathLike[str]) -> Iterator[None]:
    """A block that reads what is at `paths`: what it made of files that were replaced or written to meanwhile, part
    old and part new, is refused.

    A folder counts with all that is in it, and so do the files beside a path whose names begin with its own, as those
    of a checkpoint and of an ONNX model's weights do. Raises: BittrueError.
    """
    before = [_states(Path(path)) for path in paths]
    yield
    for path, states in zip(paths, before, strict=True):
        if _states(Path(path)) != states:
            raise BittrueError(f"{path} changed while it was read: run the command again.")


def _states(path: Path) -> dict[Path, tuple[int, ...]]:
    """What the system says of each file at, in, or beside `path`."""
    found: dict[Path, tuple[int, ...]] = {}
    try:
        for file in [*path.parent.glob(f"{glob.escape(path.name)}*"), *path.rglob("*")]:
            status = file.stat()
            if stat.S_ISREG(status.st_mode):
                found[file] = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError):  # a name that can't be, or a file that goes just now: whoever opens it says so
        pass
    return found


def check_json_name(path: str | Path) -> None:
    """Refuse a name that promises another format than JSON, as plan.yaml does; no suffix at all promises nothing.

    Raises: BittrueError.
    """
    suffix = Path(path).suffix
    if suffix.lower() not in ("", ".json"):
        raise BittrueError(f"{path} is to hold JSON, whatever {suffix} promises: name it {Path(path).stem}.json.")


def dump_json(value: object) -> str:
    """`value` as JSON: keys in their order, two spaces a level, ASCII, a newline at the end; the same bytes every time.

    Raises: ValueError for NaN and infinity, which JSON doesn't have.
    """
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def read_json(path: str | Path, what: str) -> object:
    """The contents of the JSON file at `path`; `what` names it in errors, as in "plan".

    Raises: BittrueError where the file is missing or unreadable, isn't JSON by its name or its contents, repeats a key
    (of which a reader would see only the last), or holds a number that isn't finite.
    """
    check_json_name(path)
    check_ordinary(path)
    try:
        with unchanged(path):
            text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise BittrueError(f"The {what} {path} doesn't exist: check the path.") from None
    except OSError as error:
        raise BittrueError(f"The {what} {path} can't be read ({error.strerror}): check the path.") from error
    except UnicodeDecodeError:
        raise BittrueError(f"The {what} {path} isn't text in UTF-8: it is damaged or another kind of file.") from None
    try:
        return json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BittrueError(f"The {what} {path} isn't whole JSON ({error.msg} at {place}): make it again.") from None
    except (ValueError, RecursionError) as error:
        raise BittrueError(f"The {what} {path} can't be used ({error}): correct it or make it again.") from None


def _check_target(path: str | Path, target: Path) -> None:
    if target.is_dir():
        raise BittrueError(f"{path} is a folder, and a file is to be written: name a file in it.")
    if target.exists() and not target.is_file():
        raise BittrueError(f"{path} is not an ordinary file: name one.")
    if not target.parent.is_dir():
        raise BittrueError(f"{path} can't be written because there is no folder {Path(path).parent}: make it first.")
    if not os.access(target.parent, os.W_OK | os.X_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise BittrueError(f"{path} can't be written for lack of permission: choose another place.")


def _flush(path: Path) -> None:
    """Wait until the file or folder at `path` is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    contents = dict(pairs)
    if len(contents) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return contents


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number
