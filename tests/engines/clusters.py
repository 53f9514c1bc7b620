"""A Ray cluster of two nodes on this machine, each with one processor, and displays at which something dies."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from analysis.networks import RecordedProgress

OBJECT_STORE = 200 << 20


@contextmanager
def two_nodes() -> Iterator[Any]:
    """The cluster of `ray.cluster_utils`: every node's processes are its own."""
    os.environ["RAY_AUTH_MODE"] = "disabled"  # else it depends on whether this user has a token of Ray's
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE)
        yield cluster
    finally:
        cluster.shutdown()


def workers_of(cluster: Any) -> list[int]:
    """The processes that stand for workers on the nodes of this cluster, and of no other."""
    raylets = {node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()}
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            is_worker = (entry / "cmdline").read_bytes().startswith(b"ray::Member")
            if is_worker and int(fields[1]) in raylets and fields[0] != "Z":
                found.append(int(entry.name))
    return sorted(found)


class Strikes(RecordedProgress):
    """Calls `strike` once, when so many parts are done."""

    def __init__(self, after: int, strike: Callable[[], None]) -> None:
        super().__init__()
        self.left, self.strike = after, strike

    def advance(self, images: float) -> None:
        super().advance(images)
        self.left -= images > 0
        if self.left == 0:
            self.strike()

    @property
    def told(self) -> list[str]:
        return [event for event in self.events if isinstance(event, str) and event != "finished"]


def kill(process: int, signal: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal)
