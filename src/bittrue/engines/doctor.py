"""doctor: what there is to compute with, here and on the workers of an engine, on one screen."""

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from bittrue._version import __version__
from bittrue.analysis.evaluating.engine_names import parse_engine
from bittrue.data import Dataset
from bittrue.display import Column, Table, View
from bittrue.engines.facts import Facts, check, facts, installed
from bittrue.engines.travel import AbsentError, in_folder, reference, referred
from bittrue.errors import BittrueError, KernelError
from bittrue.result import Result
from bittrue.simulation.compiled import library
from bittrue.wording import counted

EXTRAS = {
    "cluster": "ray",
    "hls4ml": "hls4ml",
    "keras": "keras",
    "notebook": "pandas",
    "onnx": "onnx",
    "parquet": "pyarrow",
    "qonnx": "qonnx",
    "tensorflow": "tensorflow-cpu",
}
"""The optional parts of bittrue, and the distribution that each needs first of all."""

SEEN_IMAGES = 64
"""Of the data so many are compared on each worker."""

SECONDS_TO_START = 60.0
SIZE, SECONDS = 384, 0.2


@dataclass(frozen=True)
class WorkerCheckup:
    """One worker. is_fit: whether what computes there is what computes here. kernels: the compiled kernels' unit.
    data: whether they lie there. speed: billions of float32 products a second on one thread."""

    address: str
    is_fit: bool
    versions: str
    kernels: str
    data: str
    speed: float | None


@dataclass(frozen=True, repr=False)
class Checkup(Result):
    """What there is. engine: as it was given. waiting: processors of the cluster on which no worker has begun.
    problems: sentences; none where all is well."""

    here: Mapping[str, str]
    extras: Mapping[str, str]
    engine: str | None
    workers: tuple[WorkerCheckup, ...]
    waiting: int
    problems: tuple[str, ...]

    def view(self) -> View:
        parts: list[Table | str] = [
            Table([Column("here"), Column("")], list(self.here.items())),
            Table(
                [Column("optional part"), Column("")], [(f"bittrue[{name}]", at) for name, at in self.extras.items()]
            ),
        ]
        if self.engine is not None:
            columns = [Column("worker"), Column("versions"), Column("kernels"), Column("data")]
            columns.append(Column("products/ns", number=True))
            rows = [
                (one.address, one.versions, one.kernels, one.data, "" if one.speed is None else f"{one.speed:.1f}")
                for one in self.workers
            ]
            parts.append(Table(columns, rows, f"The engine {self.engine}: {counted(len(self.workers), 'worker')}"))
        parts += self.problems or ("All is well.",)
        return tuple(parts)

    def records(self) -> list[dict[str, Any]]:
        """A row a worker."""
        return [asdict(worker) for worker in self.workers]

    def to_json(self) -> dict[str, Any]:
        return {"bittrue": 1, **asdict(self)}


def doctor(engine: str | None = None, data: Dataset | None = None, *, logs: bool = False) -> Checkup:
    """What there is to compute with here and, with an engine, on each of its workers; data: looked for there.

    Raises: BittrueError where the engine can't be opened.
    """
    workers: list[WorkerCheckup] = []
    waiting, problems = 0, []
    if engine is not None:
        workers, waiting = _workers(engine, data, logs)
        problems += [f"The worker at {one.address} doesn't fit: {one.versions}." for one in workers if not one.is_fit]
        problems += [
            f"The worker at {one.address}: {one.data}." for one in workers if one.data.startswith("other data")
        ]
        if waiting:
            problems.append(f"On {counted(waiting, 'processor')} no worker has begun: others may be using them.")
    extras = {name: installed(distribution) for name, distribution in EXTRAS.items()}
    return Checkup(_here(), extras, engine, tuple(workers), waiting, tuple(problems))


def _here() -> dict[str, str]:
    units = ", ".join(one.name for one in library.units()) or "none: torch computes the same bits, more slowly"
    used = counted(torch.get_num_threads(), "thread")
    return {
        "bittrue": __version__,
        "Python": platform.python_version(),
        "torch": installed("torch"),
        "NumPy": installed("numpy"),
        "compiled kernels": _kernels(),
        "units of this processor": units,
        "processors": f"{os.cpu_count()} ({used} in use)",
        "products a nanosecond": f"{speed():.1f} on one thread",
    }


def _kernels() -> str:
    """The unit in use, or why there is none."""
    try:
        unit = library.unit()
    except KernelError as error:
        return str(error)
    return "none" if unit is None else unit.name


def speed() -> float:
    """Billions of float32 products a second on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        left = torch.ones(SIZE, SIZE)
        left @ left
        began, rounds = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS:
            left @ left
            rounds += 1
        return rounds * SIZE**3 / (time.perf_counter() - began) / 1e9
    finally:
        torch.set_num_threads(before)


def examined(member: object, folder: str, content: bytes | None, sent: bool) -> tuple[str, str, float]:
    """On a worker: its kernels, what is to be said of the data, its speed."""
    in_folder(folder)
    found = "sent" if sent else ""
    if content is not None:
        try:
            for _ in referred(content).batches(16):
                pass
            found = "here"
        except AbsentError:
            found = "not here: sent"
        except BittrueError as error:
            found = f"other data ({str(error).rstrip('.')})"
    return _kernels(), found, speed()


def _workers(engine: str, data: Dataset | None, logs: bool) -> tuple[list[WorkerCheckup], int]:
    from bittrue.engines.cluster import opened_cluster
    from bittrue.engines.member import remote_member

    _, address = parse_engine(engine)
    some = None if data is None else data.take(min(SEEN_IMAGES, data.images))
    content = None if some is None else reference(some)
    with opened_cluster(address, logs=logs) as cluster:
        ray = cluster.ray
        wanted = int(ray.cluster_resources().get("CPU", 0))
        member = remote_member(ray, 1)
        handles = [member.remote() for _ in range(wanted)]
        try:
            greetings = [handle.hello.remote() for handle in handles]
            began = ray.wait(greetings, num_returns=wanted, timeout=SECONDS_TO_START)[0] if greetings else []
            pairs = [
                (handle, greeting) for handle, greeting in zip(handles, greetings, strict=True) if greeting in began
            ]
            said = [(handle, ray.get(greeting)) for handle, greeting in pairs]
            found = [_examine(ray, handle, one, content, data is not None) for handle, one in said]
        finally:
            for handle in handles:
                ray.kill(handle, no_restart=True)
    return found, wanted - len(found)


def _examine(ray: Any, handle: Any, said: Mapping[str, Any], content: bytes | None, has_data: bool) -> WorkerCheckup:
    where = f"{said['address']} ({said['pid']})"
    if said["facts"] is None:
        return WorkerCheckup(where, False, f"Python {said['python']}, no bittrue ({said['why']})", "", "", None)
    there = Facts(**said["facts"])
    versions = f"bittrue {there.bittrue}, torch {there.torch}, Python {there.python}"
    try:
        check(there, where)
    except BittrueError:
        other = f", other modules of bittrue ({there.source})" if there.source != facts().source else ""
        return WorkerCheckup(where, False, versions + other, "", "", None)
    kernels, seen, fast = ray.get(handle.call.remote(examined, os.getcwd(), content, has_data))
    return WorkerCheckup(where, True, versions, kernels, seen, fast)
