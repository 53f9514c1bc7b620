"""Edited files read in processes that may end in any way: with a result, a sentence, an exception, a crash, or never.

A process reads many files, one after the other, and says which it begins; whoever watches it ends it where one takes
too long and starts the next with the file after it. So a file that can't be read costs a process, and others cost none.
"""

import contextlib
import faulthandler
import json
import os
import resource
import select
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from bittrue.errors import BittrueError
from mutating.edits import Files, Random

SECONDS = 10.0
"""Of the processor, that one file may take, and in children as many."""

WAITING = 30
"""Times as long by the clock: other work on the machine is no fault of a file."""

BYTES = 2 << 30
"""Of memory beyond what the process had before it read."""

READ, REFUSED = "read", "refused"


@dataclass(frozen=True)
class Loader:
    """A kind of file that bittrue reads.

    bases: good ones. edit: puts something wrong. read: as a user's command would, to the end.
    before: what a process does before it reads anything.
    """

    bases: Callable[[], list[Files]]
    edit: Callable[[Files, Random], Files]
    read: Callable[[Path], None]
    before: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Ending:
    """What became of an edit. verdict: read, refused, or what no user should see. seconds: of the processor."""

    trial: int
    verdict: str
    seconds: float
    sentence: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether it is anything but a result or one printable sentence, soon enough."""
        is_sentence = self.sentence.endswith((".", "?")) and self.sentence.isprintable()
        return not (self.verdict == READ or (self.verdict == REFUSED and is_sentence)) or self.seconds > SECONDS


def unedited(loader: Loader) -> list[Ending]:
    """What becomes of the good files."""
    count = len(loader.bases())
    return list(endings(replace(loader, edit=lambda files, random: files), count, seed=0))


def edited(loader: Loader, bases: list[Files], seed: int, trial: int) -> Files:
    return loader.edit(bases[trial % len(bases)], np.random.default_rng([seed, trial]))


def endings(loader: Loader, count: int, seed: int, first: int = 0) -> Iterator[Ending]:
    """What becomes of the edits `first` to `count`, in their order."""
    bases = loader.bases()
    while first < count:
        for ending in _one_process(loader, bases, count, seed, first):
            yield ending
            first = ending.trial + 1


def _one_process(loader: Loader, bases: list[Files], count: int, seed: int, first: int) -> Iterator[Ending]:
    """The endings of one process; where it was ended, or ended by itself, that is the last one."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with contextlib.suppress(BaseException):
            _work(loader, bases, count, seed, first, writing)
        os._exit(0)
    os.close(writing)
    begun, verdict = first, ""
    with open(reading, "rb") as lines:
        buffer, start = b"", time.monotonic()
        while True:
            if not select.select([reading], [], [], 1)[0]:
                if time.monotonic() - start > SECONDS * WAITING:
                    verdict = "never ends"
                    break
                continue
            part = os.read(lines.fileno(), 1 << 16)
            if not part:
                break
            buffer, start = buffer + part, time.monotonic()
            *whole, buffer = buffer.split(b"\n")
            for line in whole:
                yield Ending(**json.loads(line))
                begun += 1
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if begun < count:
        ended = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "ended"
        yield Ending(begun, verdict or f"process {ended}", 0.0)


def _work(loader: Loader, bases: list[Files], count: int, seed: int, first: int, writing: int) -> None:
    os.setpgid(0, 0)
    faulthandler.disable()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    with tempfile.TemporaryDirectory(prefix="mutating-") as folder:
        torch.set_num_threads(1)  # a copy of a process has none of its threads, and would wait for them
        loader.before()
        held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (held + BYTES, held + BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        for trial in range(first, count):
            place = Path(folder) / str(trial)
            place.mkdir()
            for name, content in edited(loader, bases, seed, trial).items():
                path = place / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            ending = _ending(loader, trial, place)
            os.write(writing, json.dumps(asdict(ending)).encode() + b"\n")
            for path in sorted(place.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            place.rmdir()


def _ending(loader: Loader, trial: int, place: Path) -> Ending:
    start, sentence = _used(), ""
    # The system ends the process by this signal, whatever code it is in.
    signal.setitimer(signal.ITIMER_PROF, 2 * SECONDS)
    try:
        loader.read(place)
        verdict = READ
    except BittrueError as error:
        verdict, sentence = REFUSED, str(error)
    except BaseException as error:  # what is looked for
        verdict, sentence = type(error).__name__, _where(error)
    signal.setitimer(signal.ITIMER_PROF, 0)
    return Ending(trial, verdict, _used() - start, sentence)


def _where(error: BaseException) -> str:
    """The exception, and the line of bittrue's that it came from."""
    trace, line = error.__traceback__, ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        line = f"{name.rpartition('/bittrue/')[2]}:{trace.tb_lineno}" if "/bittrue/" in name else line
        trace = trace.tb_next
    return f"{line}: {str(error)[:300]}"


def _used() -> float:
    """Seconds of the processor, those of children that ended included."""
    times = os.times()
    return sum(times[:4])
