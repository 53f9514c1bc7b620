"""Connecting to a Ray cluster, and leaving it as it was found."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from bittrue.analysis.evaluating.executor import Executor
from bittrue.analysis.progress import Progress
from bittrue.data import Dataset
from bittrue.engines.address import checked_address, ray_module
from bittrue.engines.executor import ClusterExecutor, Shelf
from bittrue.engines.workers import Workers
from bittrue.errors import BittrueError

OBJECT_STORE = 1 << 30
"""Bytes of the object store of workers on this machine alone; Ray goes on on the disk where that is not enough."""


@dataclass(frozen=True, eq=False)
class Cluster:
    """An engine whose executors share the workers of a cluster. address: None for workers on this machine."""

    ray: Any
    address: str | None
    workers: Workers
    shelf: Shelf
    is_apart: bool = True

    def executor(self, images: Dataset, batch_size: int, progress: Progress | None) -> Executor:
        return ClusterExecutor(self.workers, self.shelf, images, batch_size, progress)


@contextlib.contextmanager
def opened_cluster(address: str | None, *, logs: bool = False) -> Iterator[Cluster]:
    """The cluster at `address`, HOST:PORT or `auto` for the one that runs here; None: workers on this machine for the
    block. logs: whether what workers print is shown.

    Raises: BittrueError without Ray, where nothing answers, and where the cluster is of another kind.
    """
    ray = ray_module()
    with _quiet(logs), _connected(ray, address, logs):
        workers = Workers(ray, threads_of_workers())
        try:
            yield Cluster(ray, address, workers, Shelf(ray))
        finally:
            workers.close()


def threads_of_workers() -> int:
    """As many as the numeric libraries were told to take here, or one."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else 1


@contextlib.contextmanager
def _connected(ray: Any, address: str | None, logs: bool) -> Iterator[None]:
    if ray.is_initialized():  # by whoever calls, who has said how
        yield
        return
    chosen: dict[str, Any] = {"address": "local", "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    if address is not None:
        chosen = {"address": checked_address(address)}
    level = logging.INFO if logs else logging.CRITICAL
    try:
        ray.init(**chosen, log_to_driver=logs, logging_level=level, namespace="bittrue")
    except Exception as error:
        where = "on this machine" if address is None else f"of {address}"
        raise BittrueError(f"{_reason(where, address)} ({' '.join(str(error).split())})") from error
    try:
        yield
    finally:
        ray.shutdown()


def _reason(where: str, address: str | None) -> str:
    if address is None:
        return f"Ray's workers {where} can't be started: look at its logs with --debug, or leave --engine out"
    return (
        f"This machine is no node of the cluster {where}: run `ray start --address={address} --num-cpus=0` here first, "
        "or the command on one of its nodes"
    )


@contextlib.contextmanager
def _quiet(logs: bool) -> Iterator[None]:
    """Keep Ray from the terminal: what a person has to know is said by who dispatches."""
    if logs:
        yield
        return
    # Its thread for errors of the cluster prints whatever `log_to_driver` says.
    worker: Any = import_module("ray._private.worker")
    prints = getattr(worker, "print_to_stdstream", None)
    if prints is not None:
        worker.print_to_stdstream = lambda *data, **options: None
    try:
        yield
    finally:
        if prints is not None:
            worker.print_to_stdstream = prints
